import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chartsOf } from './charts.js';
import type { ContenderName } from './contenders.js';
import type { Contention } from './contention.js';
import { type Reached, reachTable } from './reach.js';
import { figure, type Result, spreadText, table } from './report.js';
import { type VisibilityFound, visibilityTable } from './visibility.js';

/** Everything that one run found. */
export interface Run {
  readonly machine: string;
  /** Contenders whose server is not installed here. */
  readonly absent: readonly ContenderName[];
  readonly rounds: number;
  readonly durationMs: number;
  readonly results: readonly Result[];
  readonly reach: readonly Reached[];
  readonly contention: Contention | undefined;
  readonly visibility: readonly VisibilityFound[];
}

/** Seen from dist/scripts/bench/. */
export const DOCS = fileURLToPath(new URL('../../../docs/bench', import.meta.url));

/** A result a line; four figures, more than such a measurement is good for. */
export function jsonOf({ results, ...rest }: Run): string {
  const short = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  const rows = results.map((result) => JSON.stringify(result, short)).join(',\n');
  const head = JSON.stringify(rest, short, 2).slice(0, -2);
  return `${head},\n  "results": [\n${rows}\n  ]\n}\n`;
}

export function textOf(run: Run): string {
  return sections(run)
    .map(([title, text]) => `${title === '' ? '' : `## ${title}\n\n`}${text}`)
    .join('\n');
}

function sections(run: Run): [title: string, text: string][] {
  const found: [string, string][] = [
    ['', `${run.machine}; medians of ${run.rounds} rounds of ${run.durationMs} ms.\n${absentText(run)}`],
    ['Reach', reachTable(run.reach)],
    ['All figures', `${table(run.results)}\nCPU columns: microseconds an operation.\n`],
  ];
  if (run.contention !== undefined) found.push(['Hits while others miss', contentionText(run.contention)]);
  if (run.visibility.length > 0) found.push(['From commit to visible elsewhere', visibilityTable(run.visibility)]);
  return found;
}

function absentText({ absent }: Run): string {
  return absent.length === 0 ? '' : `Not measured, because its server is not installed here: ${absent.join(', ')}.\n`;
}

function contentionText({ idleUs, busyUs }: Contention): string {
  return `The p99 of hits of one caller is ${figure(idleUs?.median)} µs (${spreadText(idleUs)}) at rest, and ${figure(busyUs?.median)} µs (${spreadText(busyUs)}) while
another process keeps 64 misses in flight.\n`;
}

/** Writes run.json, README.md and the charts. @returns the folder */
export function save(run: Run, asked: string | undefined): string {
  const folder = asked === undefined ? DOCS : resolve(asked);
  mkdirSync(folder, { recursive: true });
  const charts = chartsOf(run.results);
  for (const { file, svg } of charts) writeFileSync(join(folder, file), svg);
  writeFileSync(join(folder, 'run.json'), jsonOf(run));
  const images = charts.map(({ file, title }) => `![${title}](${file})\n`).join('\n');
  const page = `# A run of the benchmarks\n\nMade by \`npm run bench\`; [performance](../performance.md) says what is measured. Only ratios carry over to another machine.\n\n`;
  writeFileSync(join(folder, 'README.md'), `${page}${textOf(run)}\n## Charts\n\n${images}`);
  return folder;
}

/** Writes a page under docs/bench/, or where it was asked for. @returns where */
export function savePage(name: string, title: string, text: string, asked: string | undefined): string {
  const file = asked === undefined ? join(DOCS, name) : resolve(asked);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${title}${text}`);
  return file;
}
