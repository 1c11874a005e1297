import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type FileResult, readWishes, type Wishes } from './gate-file.js';

/** A test file to run, or one that cannot be. */
export interface Planned {
  /** As shown: relative to the folder of the tests. */
  readonly name: string;
  readonly path: string;
  readonly wishes: Wishes;
}

export interface Plan {
  readonly files: readonly Planned[];
  /** Sources that have no compiled file. */
  readonly missing: readonly string[];
}

function walk(folder: string, accept: (name: string) => boolean): string[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && accept(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function planned(name: string, path: string): Planned {
  return { name, path, wishes: readWishes(path) };
}

/** The tests by their sources, so that a compiled file whose source is gone does not count, and one that is missing does. */
export function planSources(sources: string, compiled: string, filter: string): Plan {
  const names = walk(sources, (name) => name.endsWith('.test.ts')).map((path) => relative(sources, path).slice(0, -3));
  const wanted = names.filter((name) => name.includes(filter));
  const pathOf = (name: string): string => join(compiled, `${name}.js`);
  return {
    files: inOrder(wanted.filter((name) => existsSync(pathOf(name))).map((name) => planned(name, pathOf(name)))),
    missing: wanted.filter((name) => !existsSync(pathOf(name))),
  };
}

/** The tests of a folder of JavaScript. */
export function planFolder(folder: string, filter: string): Plan {
  const paths = walk(folder, (name) => /\.test\.m?js$/.test(name));
  const wanted = paths.map((path) => planned(relative(folder, path), path)).filter(({ name }) => name.includes(filter));
  return { files: inOrder(wanted), missing: [] };
}

/**
 * Costly ones first, so that none of them runs alone at the end while cores idle; before them those that cost nothing, which
 * wait rather than work, beside all others.
 */
function inOrder(files: readonly Planned[]): Planned[] {
  const weight = ({ wishes }: Planned) => wishes.cost || Number.POSITIVE_INFINITY;
  const byWeight = (a: Planned, b: Planned) => (weight(a) === weight(b) ? 0 : weight(b) - weight(a));
  return [...files].sort((a, b) => byWeight(a, b) || (a.name < b.name ? -1 : 1));
}

/**
 * Runs the files, as many at a time as their costs fit the slots.
 * @param run must not throw
 */
export async function schedule(
  files: readonly Planned[],
  slots: number,
  run: (file: Planned) => Promise<FileResult>,
): Promise<FileResult[]> {
  const waiting = [...files];
  const running = new Set<Promise<void>>();
  const results: FileResult[] = [];
  let free = slots;
  while (waiting.length > 0 || running.size > 0) {
    const next = waiting[0];
    const cost = Math.min(next?.wishes.cost ?? 0, slots);
    if (next === undefined || cost > free) {
      await Promise.race(running);
      continue;
    }
    waiting.shift();
    free -= cost;
    const job: Promise<void> = run(next).then((result) => {
      results.push(result);
      free += cost;
      running.delete(job);
    });
    running.add(job);
  }
  return results;
}
