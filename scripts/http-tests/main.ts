import { report } from './report.js';
import { runHttpTests } from './run.js';

/** Runs the public test suite of HTTP caches (npm `http-cache-tests`) against `pgcached/express`. `--json`: all results. */
const results = await runHttpTests();
if (process.argv.includes('--json')) console.log(JSON.stringify(results, null, 2));
else console.log(report(results));
