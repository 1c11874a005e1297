import type { SetOptions, Ttl } from './cache.js';
import { CacheError } from './errors.js';
import { checkTags, given } from './key.js';
import { checkOptionNames, SET_OPTIONS } from './option-names.js';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const DURATION = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h|d|w)$/;

/** A program writes few durations, and gives them to each of its calls, hits included. */
const parsed = new Map<string, number>();
const PARSED_MAX = 256;

/** A hundred years. What lives longer counts as living for ever: sums with it would leave the range of timestamps. */
export const FOREVER_MS = 100 * 365.25 * UNIT_MS.d!;

/**
 * @param ttl seconds (above 0; Infinity for no expiry), or a duration: a number and one of ms, s, m, h, d, w
 * @param name what the value is called in the error
 * @returns whole milliseconds from 1, or Infinity; more than a hundred years is Infinity
 * @throws CacheError ERR_INVALID_TTL for anything else
 */
export function ttlToMs(ttl: unknown, name = 'ttl'): number {
  const ms = typeof ttl === 'number' ? ttl * 1000 : durationToMs(ttl, name);
  if (!(ms > 0)) throw new CacheError('ERR_INVALID_TTL', `${name} is ${given(ttl)}`);
  return ms > FOREVER_MS ? Number.POSITIVE_INFINITY : Math.max(1, Math.round(ms));
}

function durationToMs(text: unknown, name: string): number {
  if (typeof text !== 'string') throw new CacheError('ERR_INVALID_TTL', `${name} is ${given(text)}`);
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const match = DURATION.exec(text);
  if (match !== null) {
    const ms = Number(match[1]) * UNIT_MS[match[2]!]!;
    if (parsed.size < PARSED_MAX) parsed.set(text, ms);
    return ms;
  }
  const isNumber = text.length < 20 && /^\d+(\.\d+)?$/.test(text);
  const hint = isNumber ? `without a unit (${given(`${text}s`)} or the number ${text} for seconds)` : '';
  throw new CacheError('ERR_INVALID_TTL', `${name} is ${given(text)} ${hint}`.trim());
}

/** What `set` and its like were asked for, checked. */
export interface CheckedSetOptions {
  /** undefined for the default of the backend or namespace */
  readonly ttlMs: number | undefined;
  readonly tags: readonly string[];
  readonly graceMs: number | undefined;
}

/**
 * @param options a TTL, or options of which only ttl, tags and grace are looked at
 * @param known the names that an option may have; 'any' for who hands the options to another cache, which knows its own
 * @throws CacheError ERR_INVALID_TTL, ERR_INVALID_TAG, ERR_INVALID_ARGUMENT for another name
 */
export function setOptions(
  options?: Ttl | SetOptions,
  known: readonly string[] | 'any' = SET_OPTIONS,
): CheckedSetOptions {
  if (options === undefined) return { ttlMs: undefined, tags: [], graceMs: undefined };
  if (!isOptions(options)) return { ttlMs: ttlToMs(options), tags: [], graceMs: undefined };
  if (known !== 'any') checkOptionNames(options, known);
  const { ttl, tags, grace } = options;
  return {
    ttlMs: ttl === undefined ? undefined : ttlToMs(ttl),
    tags: checkTags(tags),
    graceMs: zeroOr(grace, 'grace'),
  };
}

/** Whether it is an object of options, and no TTL, be it a good one. */
export function isOptions<O extends object>(options: Ttl | O): options is O {
  return typeof options === 'object' && options !== null && !Array.isArray(options) && !(options instanceof Date);
}

/** @throws CacheError ERR_INVALID_TTL for what is neither undefined, nor 0, nor a TTL */
export function zeroOr(ttl: unknown, name: string): number | undefined {
  if (ttl === undefined) return undefined;
  return ttl === 0 ? 0 : ttlToMs(ttl, name);
}
