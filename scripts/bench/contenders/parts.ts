import type { Data } from '../data.js';

const AT_ONCE = 200;

/** Stores all keys of a size, some at a time. */
export async function inParts(data: Data, store: (from: number, keys: readonly string[]) => Promise<unknown>) {
  for (let from = 0; from < data.keys.length; from += AT_ONCE) await store(from, data.keys.slice(from, from + AT_ONCE));
}

/** @throws Error where a getMany of ten did not bring ten */
export function tens<T>(found: ReadonlyMap<string, T> | readonly T[]): typeof found {
  const count = 'size' in found ? found.size : found.length;
  if (count !== 10) throw new Error(`${count} of ten values were found`);
  return found;
}
