import { resolve } from 'node:path';
import { ttlToMs } from '../shared/duration.js';
import { splitTable } from '../shared/table/names.js';
import type { Option } from './options.js';

/** Readers of single values, from text or from JSON. What is not as it must be throws a plain Error that says how. */

export function readTable(raw: unknown): string {
  const text = readText(raw);
  try {
    splitTable(text);
  } catch {
    throw new Error(
      'must be a table name of a-z, 0-9 and _ with up to 40 bytes, with a schema and a dot before it if wanted',
    );
  }
  return text;
}

/** In seconds. */
export function readTtl(raw: unknown): number {
  const problem = "must be a positive number of seconds, a duration such as '5m', or Infinity";
  const ms = raw === 'Infinity' ? Infinity : readDurationMs(raw, 1000, problem);
  if (!(ms > 0)) throw new Error(problem);
  return ms / 1000;
}

export function readInteger(raw: unknown): number {
  const number = typeof raw === 'string' && /^[+-]?\d+$/.test(raw.trim()) ? Number(raw) : raw;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw new Error('must be a whole number');
  return number;
}

/** Numbers above 0: as an array, or as text with commas between them. */
export function readWeights(raw: unknown): readonly number[] {
  const items: readonly unknown[] = typeof raw === 'string' ? raw.split(',') : Array.isArray(raw) ? raw : [raw];
  const weights = items.map((item) => (typeof item === 'string' && item.trim() !== '' ? Number(item) : item));
  for (const weight of weights) {
    if (typeof weight !== 'number' || !(weight > 0 && Number.isFinite(weight))) {
      throw new Error('must be numbers above 0, one for each database, such as 1,2');
    }
  }
  return Object.freeze(weights as number[]);
}

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** 1024 is the base of every unit, as in Postgres. */
export function readBytes(raw: unknown): number {
  if (typeof raw === 'number' && Number.isSafeInteger(raw)) return raw;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(String(raw).trim()) ?? [];
  const bytes = Number(amount) * (BYTE_UNITS[(unit ?? '').toLowerCase()] ?? Number.NaN);
  if (typeof raw !== 'string' || !Number.isSafeInteger(bytes)) {
    throw new Error("must be a number of bytes, or a size such as '256mb'");
  }
  return bytes;
}

export function readMilliseconds(raw: unknown): number {
  const problem = "must be a whole number of milliseconds, or a duration such as '250ms' or '30s'";
  const ms = readDurationMs(raw, 1, problem);
  if (!Number.isSafeInteger(ms)) throw new Error(problem);
  return ms;
}

/** A bare number counts in the option's own unit, anything else is a duration as everywhere in this project. */
function readDurationMs(raw: unknown, bareUnitMs: number, problem: string): number {
  const bare = typeof raw === 'string' && /^\d+(\.\d+)?$/.test(raw.trim()) ? Number(raw) : raw;
  if (typeof bare === 'number') return bare * bareUnitMs;
  try {
    return ttlToMs(typeof bare === 'string' ? bare.trim() : bare);
  } catch {
    throw new Error(problem);
  }
}

export function readText(raw: unknown): string {
  if (typeof raw !== 'string' || raw === '' || raw.includes('\0')) throw new Error('must be a non-empty text');
  return raw;
}

export function readPath(raw: unknown): string {
  return resolve(readText(raw));
}

export function readBoolean(raw: unknown): boolean {
  if (typeof raw === 'boolean') return raw;
  if (raw === 'true' || raw === '1') return true;
  if (raw === 'false' || raw === '0') return false;
  throw new Error('must be true or false');
}

export function readMode(raw: unknown): string {
  if (typeof raw !== 'string' || !/^0?[0-7]{3}$/.test(raw))
    throw new Error("must be three octal digits, such as '660'");
  return raw.slice(-3);
}

export function oneOf<T extends string>(raw: unknown, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === raw);
  if (found === undefined) throw new Error(`must be one of ${allowed.join(', ')}`);
  return found;
}

export function inRange(
  value: number,
  { min = -Infinity, max = Infinity }: Option,
  show: (n: number) => string,
): number {
  if (value < min) throw new Error(`must be at least ${show(min)}`);
  if (value > max) throw new Error(`must be at most ${show(max)}`);
  return value;
}

/** 67108864 → `64mb`: what `readBytes` reads back to the same number. */
export function showBytes(bytes: number): string {
  for (const [unit, size] of Object.entries(BYTE_UNITS).reverse()) {
    if (unit !== '' && unit !== 'b' && bytes >= size && bytes % size === 0) return `${bytes / size}${unit}b`;
  }
  return `${bytes} bytes`;
}
