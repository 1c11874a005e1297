import type { GetOrSetOptions, Ttl } from './cache.js';
import { type CheckedSetOptions, isOptions, setOptions, ttlToMs, zeroOr } from './duration.js';
import { CacheError } from './errors.js';
import { checkTags, given } from './key.js';
import { checkOptionNames, LOAD_OPTIONS } from './option-names.js';

/** Options of `getOrSet`, checked. */
export interface CheckedLoadOptions extends CheckedSetOptions {
  readonly beta: number;
  readonly inherit: boolean | 'auto';
  readonly isClusterWide: boolean;
  readonly softTimeoutMs: number | undefined;
  readonly hardTimeoutMs: number | undefined;
  readonly onStale: ((reason: unknown) => void) | undefined;
}

const NO_TAGS: readonly string[] = Object.freeze([]);

/** Where nothing is asked for. The same for all calls, so that one without options, the usual, costs nothing. */
const NONE = Object.freeze(ofTtl(undefined));

/**
 * What `getOrSet` of the client takes. Checked anew at each call, a hit too: who keeps an object of options may change it
 * between two calls. So it is one pass, and nothing is made but the result.
 * @throws CacheError ERR_INVALID_TTL, ERR_INVALID_TAG, ERR_INVALID_ARGUMENT
 */
export function checkLoadOptions(options: Ttl | GetOrSetOptions | undefined): CheckedLoadOptions {
  if (options === undefined) return NONE;
  if (!isOptions(options)) return ofTtl(ttlToMs(options));
  checkOptionNames(options, LOAD_OPTIONS);
  const { ttl, tags, grace, inherit = false, beta, softTimeout, hardTimeout, coalesce, onStale } = options;
  const checked: CheckedLoadOptions = {
    ttlMs: ttl === undefined ? undefined : ttlToMs(ttl),
    tags: tags === undefined ? NO_TAGS : checkTags(tags),
    graceMs: zeroOr(grace, 'grace'),
    beta: checkBeta(beta),
    inherit,
    isClusterWide: isForCluster(coalesce),
    softTimeoutMs: zeroOr(softTimeout, 'softTimeout'),
    hardTimeoutMs: hardTimeout === undefined ? undefined : ttlToMs(hardTimeout, 'hardTimeout'),
    onStale,
  };
  if (typeof inherit !== 'boolean' && inherit !== 'auto') {
    throw new CacheError('ERR_INVALID_ARGUMENT', `inherit is true, false or 'auto', not ${given(inherit)}`);
  }
  if (checked.softTimeoutMs !== undefined && (checked.graceMs ?? 0) === 0) {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'softTimeout is for values under grace: give a grace as well');
  }
  if (onStale !== undefined && typeof onStale !== 'function') {
    throw new CacheError('ERR_INVALID_ARGUMENT', `onStale is ${given(onStale)}, not a function`);
  }
  return checked;
}

/** Written out: to spread another object into it takes ten times as long. */
function ofTtl(ttlMs: number | undefined): CheckedLoadOptions {
  return {
    ttlMs,
    tags: NO_TAGS,
    graceMs: undefined,
    beta: 0,
    inherit: false,
    isClusterWide: false,
    softTimeoutMs: undefined,
    hardTimeoutMs: undefined,
    onStale: undefined,
  };
}

/** @throws CacheError ERR_INVALID_ARGUMENT */
export function checkSharing(options: { beta?: unknown; coalesce?: unknown }): {
  beta: number;
  isClusterWide: boolean;
} {
  checkOptionNames(options, ['beta', 'coalesce']);
  return { beta: checkBeta(options.beta), isClusterWide: isForCluster(options.coalesce) };
}

function checkBeta(beta: unknown = 0): number {
  if (typeof beta === 'number' && Number.isFinite(beta) && beta >= 0) return beta;
  throw new CacheError('ERR_INVALID_ARGUMENT', `beta is a number from 0, not ${given(beta)}`);
}

function isForCluster(coalesce: unknown = 'host'): boolean {
  if (coalesce === 'host' || coalesce === 'cluster') return coalesce === 'cluster';
  throw new CacheError('ERR_INVALID_ARGUMENT', `coalesce is 'host' or 'cluster', not ${given(coalesce)}`);
}

/** Values of options that ask for nothing. */
const OFF: Readonly<Record<string, unknown>> = { grace: 0, inherit: false, beta: 0, coalesce: 'host' };
const OPTIONAL = ['grace', 'inherit', 'beta', 'coalesce', 'softTimeout', 'hardTimeout', 'onStale'] as const;

/**
 * Options for a backend that offers ttl and tags alone: what would be ignored is refused.
 * @param backend its name
 * @param known as for `setOptions`
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL, ERR_INVALID_TAG
 */
export function checkPlainOptions(
  options: Ttl | GetOrSetOptions | undefined,
  backend: string,
  known?: readonly string[],
): CheckedSetOptions {
  const given = optionsOf<GetOrSetOptions>(options);
  for (const name of OPTIONAL) {
    if (given[name] === undefined || given[name] === OFF[name]) continue;
    throw new CacheError('ERR_INVALID_ARGUMENT', `${backend} does not offer the option ${name}`);
  }
  return setOptions(options, known);
}

function optionsOf<O extends object>(options: Ttl | O | undefined): Partial<O> {
  return typeof options === 'object' && options !== null ? options : {};
}
