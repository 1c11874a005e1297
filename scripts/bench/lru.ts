/** `npm run bench:lru`: the Lru and LocMemCache beside other caches, in rounds that take turns. */
import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CONTENDERS } from './lru-contenders.js';

const ROUND = fileURLToPath(new URL('./lru-round.js', import.meta.url));
const SIZES = [10_000, 1_000_000];
const EXPIRY_SIZES = [1000, 10_000, 100_000, 1_000_000];

const HELP = `npm run bench:lru -- [options]
  --rounds <n>   rounds of each measurement, which take turns (default 3)
  --only <part>  speed, memory or expiry
  --json         print JSON instead of tables
  --help         this text
Speed is in nanoseconds a call: the median of the rounds, and (lowest–highest). Each measurement runs in its own process.
`;

interface Result {
  part: string;
  entries: number;
  name: string;
  /** By measure, what each round gave. */
  rounds: Record<string, number[]>;
}

function measure(part: string, name: string, entries: number): Record<string, number> {
  const child = spawnSync(process.execPath, ['--expose-gc', ROUND, part, name, String(entries)], { encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`${part} ${name} ${entries}: ${child.stderr}`);
  return JSON.parse(child.stdout);
}

function measureInTurns(part: string, names: readonly string[], entries: number, rounds: number): Result[] {
  const results = names.map((name): Result => ({ part, entries, name, rounds: {} }));
  for (let round = 0; round < rounds; round++) {
    for (const result of results) {
      for (const [what, value] of Object.entries(measure(part, result.name, entries))) {
        result.rounds[what] ??= [];
        result.rounds[what].push(value);
      }
    }
  }
  return results;
}

function summary(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [median, low, high] = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)].map((each) => each!.toFixed(0));
  return `${median} (${low}–${high})`;
}

function printTable(title: string, results: readonly Result[], label: (result: Result) => string): void {
  const measures = Object.keys(results[0]!.rounds);
  const rows = results.map((result) => [label(result), ...measures.map((each) => summary(result.rounds[each]!))]);
  const table = [['', ...measures], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  process.stdout.write(`\n${title}\n`);
  for (const row of table) {
    const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)));
    process.stdout.write(`${cells.join('  ')}\n`);
  }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const rounds = Number(values.rounds);
  const wanted = (part: string) => values.only === undefined || values.only === part;
  const names = Object.keys(CONTENDERS);
  const loadBefore = loadavg()[0]!;
  const machine = `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model.trim()})`;
  const results: Result[] = [];
  if (!values.json) process.stdout.write(`${machine}, load ${loadBefore.toFixed(1)} at the start, ${rounds} rounds\n`);
  const run = (title: string, part: () => Result[], label: (result: Result) => string) => {
    const found = part();
    results.push(...found);
    if (!values.json) printTable(title, found, label);
  };
  for (const part of ['speed', 'memory']) {
    if (!wanted(part)) continue;
    for (const entries of SIZES) {
      const title = `${part === 'speed' ? 'ns a call' : 'memory without keys and values'}, ${entries} entries`;
      run(
        title,
        () => measureInTurns(part, names, entries, rounds),
        ({ name }) => name,
      );
    }
  }
  if (wanted('expiry')) {
    run(
      'expiring 1000 entries at a time among n that live up to an hour',
      () => EXPIRY_SIZES.flatMap((entries) => measureInTurns('expiry', ['pgcached Lru'], entries, rounds)),
      ({ entries }) => `n = ${entries}`,
    );
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, loadBefore, rounds, results }, undefined, 2)}\n`);
}

main();
