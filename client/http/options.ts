import type { CacheAdapter, Ttl } from '../../shared/cache.js';
import { ttlToMs } from '../../shared/duration.js';
import { CacheError } from '../../shared/errors.js';
import { given } from '../../shared/key.js';
import { checkOptionNames } from '../../shared/option-names.js';
import { LIMIT } from '../../shared/protocol.js';
import { checkAdapter, getAdapter } from '../backends/registry.js';
import type { CacheChoice } from '../cached-types.js';
import { getCache } from '../global-cache.js';
import type { RequestHead } from './types.js';

export interface HttpCacheOptions {
  /** Where pages are kept: a cache, a function that returns one, or a registered name. Default: what `getCache()` returns at the request. */
  cache?: CacheChoice;
  /** How long a page lives whose response says nothing about it. Default: a tenth of its age where it has a Last-Modified, else not at all. */
  ttl?: Ttl;
  /** Paths that are not cached: a string excludes itself and what lies below it; a function is asked. */
  exclude?: readonly (string | RegExp)[] | ((request: RequestHead) => boolean);
  /**
   * Keep responses to requests that name a user, each user's apart: `true` by the whole of Authorization, Cookie and their like, or by
   * what the function returns; undefined: not cached. Default: such a request has part only in responses that say `public` or `s-maxage`.
   */
  cacheAuthenticated?: boolean | ((request: RequestHead) => string | undefined);
  /** Request fields that every key holds, before the response says `Vary`; 'cookie' among them makes each cookie a user of its own. */
  varyHeaders?: readonly string[];
  /** What identifies a page in place of host, path and query; undefined: not cached. */
  key?: (request: RequestHead) => string | undefined;
  /** Put before every key: pages under different prefixes are apart, those of one path in two versions of an application, say. */
  keyPrefix?: string;
  /** A longer body passes through, not cached. In bytes; 1 MiB where it is missing. */
  maxBodyBytes?: number;
  /** Variants of one URL, by what Vary names, that this process lets in; 32 where it is missing. */
  variantsMax?: number;
  /** Entries of one path, whatever the query and the host, that this process lets in; 1000 where it is missing. */
  entriesPerRouteMax?: number;
  /** Whether what a page was made of drops it too, as in `getOrSet`; 'auto' where it is missing. A client of the daemon offers it, others do without. */
  inherit?: boolean | 'auto';
  /** Where one handler at a time computes a page: this host's processes, or with 'cluster' every server's; of a client. */
  coalesce?: 'host' | 'cluster';
  /** How long past its freshness a page is kept, to be validated or served stale; 0 for not at all, 1h where it is missing. */
  grace?: Ttl;
  /** For pages that don't say it themselves; not at all where they are missing. */
  staleWhileRevalidate?: Ttl;
  staleIfError?: Ttl;
  /** Told what went wrong behind a response that could be given all the same: the cache being away, an invalidation that failed. */
  onError?: (error: unknown) => void;
}

export interface CheckedHttpOptions {
  readonly cache: () => CacheAdapter;
  readonly ttlMs: number | undefined;
  readonly isExcluded: (request: RequestHead) => boolean;
  /** 'all': by everything that says who asks. */
  readonly userKey: ((request: RequestHead) => string | undefined) | 'all' | undefined;
  readonly varyHeaders: readonly string[];
  readonly key: ((request: RequestHead) => string | undefined) | undefined;
  readonly keyPrefix: string | undefined;
  readonly maxBodyBytes: number;
  readonly variantsMax: number;
  readonly entriesPerRouteMax: number;
  readonly inherit: boolean | 'auto';
  readonly coalesce: 'host' | 'cluster';
  readonly graceMs: number;
  readonly whileRevalidateMs: number;
  readonly ifErrorMs: number;
  readonly onError: (error: unknown) => void;
}

const known: Readonly<Record<keyof HttpCacheOptions, true>> = {
  cache: true,
  ttl: true,
  exclude: true,
  cacheAuthenticated: true,
  varyHeaders: true,
  key: true,
  keyPrefix: true,
  maxBodyBytes: true,
  variantsMax: true,
  entriesPerRouteMax: true,
  inherit: true,
  coalesce: true,
  grace: true,
  staleWhileRevalidate: true,
  staleIfError: true,
  onError: true,
};
const KNOWN = Object.keys(known);

const COUNT_MAX = 100_000;
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL */
export function checkHttpOptions(options: HttpCacheOptions = {}): CheckedHttpOptions {
  if (typeof options !== 'object' || options === null) {
    throw refusal('the HTTP cache takes an object of options, such as { cache, ttl: 60 }');
  }
  checkOptionNames(options, KNOWN);
  const {
    ttl,
    grace = '1h',
    staleWhileRevalidate = 0,
    staleIfError = 0,
    inherit = 'auto',
    coalesce = 'host',
  } = options;
  if (typeof inherit !== 'boolean' && inherit !== 'auto') {
    throw refusal(`inherit is true, false or 'auto', not ${given(inherit)}`);
  }
  if (coalesce !== 'host' && coalesce !== 'cluster') {
    throw refusal(`coalesce is 'host' or 'cluster', not ${given(coalesce)}`);
  }
  return {
    cache: cacheOf(options.cache),
    ttlMs: ttl === undefined ? undefined : ttlToMs(ttl),
    isExcluded: exclusion(options.exclude),
    userKey: userKeyOf(options.cacheAuthenticated),
    varyHeaders: headerNames(options.varyHeaders),
    key: aFunction(options.key, 'key'),
    keyPrefix: prefix(options.keyPrefix),
    maxBodyBytes: count(options.maxBodyBytes, 'maxBodyBytes', 1024 * 1024, LIMIT.valueBytesMax),
    variantsMax: count(options.variantsMax, 'variantsMax', 32, COUNT_MAX),
    entriesPerRouteMax: count(options.entriesPerRouteMax, 'entriesPerRouteMax', 1000, COUNT_MAX),
    inherit,
    coalesce,
    graceMs: orNone(grace, 'grace'),
    whileRevalidateMs: orNone(staleWhileRevalidate, 'staleWhileRevalidate'),
    ifErrorMs: orNone(staleIfError, 'staleIfError'),
    onError: aFunction(options.onError, 'onError') ?? (() => {}),
  };
}

/** As long as a URL may be, the whole stays far below the limit of keys. */
const PREFIX_LENGTH_MAX = 255;

function prefix(wanted: string | undefined): string | undefined {
  if (wanted === undefined || (typeof wanted === 'string' && wanted !== '' && wanted.length <= PREFIX_LENGTH_MAX)) {
    return wanted;
  }
  throw refusal(`keyPrefix is a string of 1 to ${PREFIX_LENGTH_MAX} characters, not ${given(wanted)}`);
}

function cacheOf(choice: CacheChoice | undefined): () => CacheAdapter {
  if (choice === undefined) return getCache;
  if (typeof choice === 'string') return () => getAdapter(choice);
  if (typeof choice === 'function') return () => checkAdapter(choice(), 'what the cache option returned');
  const cache = checkAdapter(choice, 'the cache option');
  return () => cache;
}

function exclusion(exclude: HttpCacheOptions['exclude']): (request: RequestHead) => boolean {
  if (exclude === undefined) return () => false;
  if (typeof exclude === 'function') return (request) => exclude(request);
  if (!Array.isArray(exclude) || !exclude.every((one) => typeof one === 'string' || one instanceof RegExp)) {
    throw refusal(`exclude is a list of paths and expressions, or a function, not ${given(exclude)}`);
  }
  return ({ url }) => exclude.some((one) => (typeof one === 'string' ? liesBelow(url, one) : url.search(one) !== -1));
}

/** By the path as written and as a router reads it, in any case: `/Admin//x` and `/%61dmin` are excluded by '/admin'. */
function liesBelow(url: string, prefix: string): boolean {
  const end = url.search(/[?#]/);
  const path = end === -1 ? url : url.slice(0, end);
  const below = (one: string) => {
    const base = plain(prefix).replace(/\/$/, '');
    const at = plain(one);
    return at === base || at.startsWith(`${base}/`);
  };
  try {
    return below(path) || below(decodeURIComponent(path));
  } catch {
    return true;
  }
}

const plain = (path: string) => path.replace(/[\\/]+/g, '/').toLowerCase();

function userKeyOf(choice: HttpCacheOptions['cacheAuthenticated']): CheckedHttpOptions['userKey'] {
  if (choice === undefined || choice === false) return undefined;
  if (choice === true) return 'all';
  if (typeof choice !== 'function')
    throw refusal(`cacheAuthenticated is true, false or a function, not ${given(choice)}`);
  return choice;
}

function headerNames(names: readonly string[] = []): readonly string[] {
  if (!Array.isArray(names)) throw refusal(`varyHeaders is a list of header names, not ${given(names)}`);
  const lower = names.map((name) => (typeof name === 'string' ? name.toLowerCase() : name));
  for (const name of lower) {
    if (typeof name !== 'string' || !NAME.test(name))
      throw refusal(`varyHeaders holds ${given(name)}, which is no header name`);
  }
  return [...new Set(lower)].sort();
}

function aFunction<F>(candidate: F | undefined, name: string): F | undefined {
  if (candidate !== undefined && typeof candidate !== 'function') {
    throw refusal(`${name} is ${given(candidate)}, not a function`);
  }
  return candidate;
}

function count(value: number | undefined, name: string, ifMissing: number, max: number): number {
  if (value === undefined) return ifMissing;
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw refusal(`${name} is a whole number from 1 to ${max}, not ${given(value)}`);
  }
  return value;
}

function orNone(ttl: Ttl, name: string): number {
  return ttl === 0 ? 0 : ttlToMs(ttl, name);
}

function refusal(problem: string): CacheError {
  return new CacheError('ERR_INVALID_ARGUMENT', problem);
}
