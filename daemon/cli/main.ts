#!/usr/bin/env node
import { Output } from './output.js';
import { run } from './run.js';

// `pgcached --help | head -1`: the reader has gone, which is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const output = new Output(process.stdout, process.stderr, Boolean(process.env.NO_COLOR));
process.exitCode = await run(process.argv.slice(2), process.env, output);
