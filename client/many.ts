import { LIMIT } from '../shared/protocol.js';
import type { Caller } from './caller.js';

// Calls of more keys than one message may have.

/** The values of the keys, in their order, from the near tier where there is one, and the rest from the daemon. */
export async function readAll(caller: Caller, keys: readonly string[]): Promise<readonly unknown[]> {
  if (caller.near === undefined) return ask(caller, keys);
  const values = keys.map((key) => caller.nearFor(key)?.get(key));
  const missing = [...values.keys()].filter((i) => values[i] === undefined);
  const answers = await ask(
    caller,
    missing.map((i) => keys[i] as string),
  );
  for (const [at, answer] of answers.entries()) values[missing[at] as number] = answer;
  return values;
}

async function ask(caller: Caller, keys: readonly string[]): Promise<readonly unknown[]> {
  if (keys.length === 0) return [];
  if (keys.length <= LIMIT.keysPerCallMax) return caller.readMany(keys);
  const values = new Array<unknown>(keys.length);
  for (let from = 0; from < keys.length; from += LIMIT.keysPerCallMax) {
    const answers = await caller.readMany(keys.slice(from, from + LIMIT.keysPerCallMax));
    for (const [at, answer] of answers.entries()) values[from + at] = answer;
  }
  return values;
}

/** Ranges of values that fit into one frame and one call each. */
export function* parts(values: readonly Uint8Array[]): Generator<readonly [from: number, to: number]> {
  let from = 0;
  let bytes = 0;
  for (const [i, value] of values.entries()) {
    const full = i - from >= LIMIT.keysPerCallMax || bytes + value.length > LIMIT.frameBytesMax / 2;
    if (i > from && full) {
      yield [from, i];
      from = i;
      bytes = 0;
    }
    bytes += value.length;
  }
  if (from < values.length) yield [from, values.length];
}
