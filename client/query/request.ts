import pg from 'pg';
import type { SetOptions, Ttl } from '../../shared/cache.js';
import { checkLoadOptions } from '../../shared/load-options.js';
import { checkOptionNames } from '../../shared/option-names.js';
import type { TypeParsers } from './raw-result.js';
import type { Parameter } from './row-names.js';

/** How a query is to be cached, whatever tables it reads. */
export interface QueryCacheOptions {
  /** Seconds, or a text such as '5m'; `defaultTtl` where it is missing. */
  ttl?: Ttl;
  /** More tags of the cache's own namespace. */
  tags?: SetOptions['tags'];
  /** As for `getOrSet`. */
  grace?: Ttl;
  /** As for `getOrSet`. */
  beta?: number;
  /** As for `getOrSet`. */
  coalesce?: 'host' | 'cluster';
}

const CACHE_OPTIONS: readonly string[] = Object.keys({
  ttl: true,
  tags: true,
  grace: true,
  beta: true,
  coalesce: true,
} satisfies Record<keyof QueryCacheOptions, true>);

/** @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL, ERR_INVALID_TAG */
export function checkQueryCache(cache: QueryCacheOptions | boolean | undefined): void {
  if (typeof cache !== 'object') return;
  checkOptionNames(cache, CACHE_OPTIONS);
  checkLoadOptions(cache);
}

/** A call of `query`, taken apart. */
export interface QueryRequest {
  readonly text: string;
  readonly parameters: readonly Parameter[] | undefined;
  readonly rowMode: string | undefined;
  readonly types: TypeParsers | undefined;
  readonly name: string | undefined;
  readonly queryTimeoutMs: number | undefined;
  /** undefined: by the tables' configuration; false: not at all. */
  readonly cache: QueryCacheOptions | boolean | undefined;
}

type Callback = (error: Error | undefined, result?: pg.QueryResult) => void;

/** The arguments of a call, in whichever of the driver's forms. */
export interface QueryCall {
  /** undefined for what only the driver itself can run. */
  readonly request: QueryRequest | undefined;
  /** The text, where there is one: also of what only the driver can run. */
  readonly text: string | undefined;
  readonly callback: Callback | undefined;
  /** For the driver, without the callback and without what is ours. */
  readonly args: readonly unknown[];
}

const prepareValue = (pg as unknown as { utils: { prepareValue(value: unknown): string | Buffer | null } }).utils
  .prepareValue;

/** Options of the driver that change what a query returns in a way that is not kept. */
const DRIVER_ONLY = ['submit', 'binary', 'portal', 'rows', 'queryMode'] as const;

export function queryCall(args: readonly unknown[]): QueryCall {
  const last = args.at(-1);
  const callback = args.length > 1 && typeof last === 'function' ? (last as Callback) : undefined;
  const [first, second] = callback === undefined ? args : args.slice(0, -1);
  if (typeof first === 'string') {
    const values = Array.isArray(second) ? second : undefined;
    const isPlain = second === undefined || second === null || values !== undefined;
    const request = isPlain ? requestOf({ text: first }, values) : undefined;
    return { request, text: first, callback, args: second === undefined ? [first] : [first, second] };
  }
  if (typeof first !== 'object' || first === null)
    return { request: undefined, text: undefined, callback, args: [first, second] };
  const config = first as Record<string, unknown>;
  const text = typeof config.text === 'string' ? config.text : undefined;
  const isOurs = text !== undefined && DRIVER_ONLY.every((option) => !config[option]);
  const own = typeof config.callback === 'function' ? (config.callback as Callback) : undefined;
  if (!isOurs) return { request: undefined, text, callback, args: second === undefined ? [first] : [first, second] };
  const { cache: _cache, callback: _callback, ...rest } = config;
  const given = Array.isArray(config.values) ? config.values : Array.isArray(second) ? second : undefined;
  return {
    request: requestOf(config, given),
    text,
    callback: callback ?? own,
    args: second === undefined ? [rest] : [rest, second],
  };
}

function requestOf(config: Record<string, unknown>, values: readonly unknown[] | undefined): QueryRequest {
  return {
    text: config.text as string,
    // Once, and now: the caller may change what he gave before it is sent.
    parameters: values?.map((given) => ({
      given: Array.isArray(given) ? [...given] : undefined,
      sent: prepareValue(given),
    })),
    rowMode: typeof config.rowMode === 'string' ? config.rowMode : undefined,
    types: config.types as TypeParsers | undefined,
    name: typeof config.name === 'string' && config.name !== '' ? config.name : undefined,
    queryTimeoutMs: typeof config.query_timeout === 'number' ? config.query_timeout : undefined,
    cache: config.cache as QueryRequest['cache'],
  };
}
