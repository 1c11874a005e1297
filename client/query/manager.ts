import { createHash } from 'node:crypto';
import type { Cache, CacheAdapter, Ttl } from '../../shared/cache.js';
import { ttlToMs } from '../../shared/duration.js';
import { CacheError } from '../../shared/errors.js';
import { checkOptionNames } from '../../shared/option-names.js';
import { manyRowsTag, rowId, rowTag, tableTag } from '../../shared/table-tags.js';
import { checkAdapter } from '../backends/registry.js';
import { DependencyTracker, fullName } from './dependencies.js';
import { CacheStats } from './stats.js';
import { tableNamed } from './table-ttl.js';

export interface QueryCacheManagerOptions {
  /** Where entries lie: any cache of this package that takes tags. */
  backend: CacheAdapter;
  /** Of entries that are set without one; 300 seconds where it is missing. */
  defaultTtl?: Ttl;
  /** false: everything is a miss, and nothing is stored; true where it is missing. */
  enabled?: boolean;
}

export interface QueryEntryOptions {
  ttl?: Ttl;
  /** The tables that the value was read from; those of the key where it is missing. */
  tables?: readonly string[];
  /** The only rows that were read of a table, by primary key: other rows' changes leave the entry alone. */
  rows?: Readonly<Record<string, readonly (string | number | bigint)[]>>;
  /** What `getTableVersions` said before the value was read: where a table was invalidated since, nothing is stored. */
  versions?: ReadonlyMap<string, number>;
}

export interface WarmEntry extends QueryEntryOptions {
  key: string;
  load: () => unknown;
}

const OF_ENTRY = { ttl: true, tables: true, rows: true, versions: true } satisfies Record<
  keyof QueryEntryOptions,
  true
>;
const ENTRY_OPTIONS = Object.keys(OF_ENTRY);
const WARM_OPTIONS = Object.keys({ ...OF_ENTRY, key: true, load: true } satisfies Record<keyof WarmEntry, true>);
const OPTIONS = Object.keys({ backend: true, defaultTtl: true, enabled: true } satisfies Record<
  keyof QueryCacheManagerOptions,
  true
>);

/** Every entry carries it. */
const ALL_TAG = 'queries';
const MANAGER_TTL_DEFAULT_SECONDS = 300;
const KEY_PREFIX = 'query:';

/**
 * A query cache by hand: keys for queries, and tags for the tables that they read, over any cache. What is invalidated here
 * is known to this backend alone; commits are heard of by `cachedPool` and `watchTables`.
 */
export class QueryCacheManager {
  enabled: boolean;
  readonly stats = new CacheStats();
  readonly dependencies = new DependencyTracker();
  readonly #backend: CacheAdapter;
  readonly #defaultTtlMs: number;
  readonly #versions = new Map<string, number>();
  #epoch = 0;

  /** @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL */
  constructor(options: QueryCacheManagerOptions) {
    checkOptionNames(options, OPTIONS, 'QueryCacheManager');
    const { backend, defaultTtl = MANAGER_TTL_DEFAULT_SECONDS, enabled = true } = options;
    this.#backend = checkAdapter(backend, 'backend');
    this.#defaultTtlMs = ttlToMs(defaultTtl, 'defaultTtl');
    this.enabled = enabled;
  }

  /** A key for a query of one table. Different queries and values never share one. */
  makeKey(table: string, sql: string, values: readonly unknown[] = []): string {
    return this.makeMultiTableKey([table], sql, values);
  }

  /** A key for a query of several tables, which it names, whatever their order. */
  makeMultiTableKey(tables: readonly string[], sql: string, values: readonly unknown[] = []): string {
    const named = [...new Set(tables.map(fullName))].sort();
    const digest = createHash('sha256')
      .update(JSON.stringify([named, sql, values.map(spelled)]))
      .digest('base64url');
    return `${KEY_PREFIX}${named.map(encodeURIComponent).join(',')}:${digest}`;
  }

  /** @returns the value, which may be null; undefined where there is none */
  async get<T = unknown>(key: string): Promise<T | undefined> {
    const value = this.enabled ? await (this.#backend as Cache).get<T>(key) : undefined;
    if (value === undefined) this.stats.misses += 1;
    else this.stats.hits += 1;
    return value;
  }

  /**
   * @returns whether it was stored: not where the cache is off, nor where one of the `versions` is out of date
   * @throws CacheError ERR_INVALID_ARGUMENT for a key of unknown tables; as `set` of the backend
   */
  async set(key: string, value: unknown, options: QueryEntryOptions = {}): Promise<boolean> {
    checkOptionNames(options, ENTRY_OPTIONS);
    const { ttl = this.#defaultTtlMs / 1000, tables = tablesOf(key), rows = {}, versions } = options;
    if (tables === undefined) {
      throw new CacheError('ERR_INVALID_ARGUMENT', 'give the tables that the value was read from, or a key of makeKey');
    }
    const isOld = versions !== undefined && [...versions].some(([table, version]) => this.#version(table) !== version);
    if (!this.enabled || isOld) return false;
    const byRow = new Map(Object.entries(rows).map(([table, ids]) => [fullName(table), ids]));
    const tags = tables.map(fullName).flatMap((table) => {
      const name = tableNamed(table);
      const ids = byRow.get(table);
      return ids === undefined
        ? [tableTag(name)]
        : [manyRowsTag(name), ...ids.map((id) => rowTag(name, rowId([String(id)])))];
    });
    await this.#backend.set(key, value, { ttl, tags: [ALL_TAG, ...tags] });
    this.stats.sets += 1;
    return true;
  }

  /** Drops all that was read from a table, and from those that depend on it. */
  async invalidateTable(table: string): Promise<void> {
    const tables = [fullName(table), ...this.dependencies.getDependents(table)];
    await this.#invalidate(
      tables,
      tables.flatMap((one) => [tableTag(tableNamed(one)), manyRowsTag(tableNamed(one))]),
    );
    this.stats.tableInvalidations += 1;
  }

  /** Drops what was read from one row, and what was read from the table or those that depend on it without naming rows. */
  async invalidateRow(
    table: string,
    primaryKey: string | number | bigint | readonly (string | number | bigint)[],
  ): Promise<void> {
    const name = tableNamed(fullName(table));
    const id = rowId((Array.isArray(primaryKey) ? primaryKey : [primaryKey]).map(String));
    const dependents = [...this.dependencies.getDependents(table)];
    const others = dependents.flatMap((one) => [tableTag(tableNamed(one)), manyRowsTag(tableNamed(one))]);
    await this.#invalidate([fullName(table), ...dependents], [rowTag(name, id), tableTag(name), ...others]);
    this.stats.rowInvalidations += 1;
  }

  /** Drops every entry of this cache; what else lies in the backend stays. */
  async invalidateAll(): Promise<void> {
    this.#epoch += 1;
    await this.#backend.invalidateTags([ALL_TAG]);
    this.stats.invalidations += 1;
  }

  /** Drops every entry, and forgets counters and dependencies. */
  async clear(): Promise<void> {
    await this.invalidateAll();
    this.stats.reset();
    this.dependencies.clear();
  }

  /**
   * Loads and stores what is not there.
   * @returns how many were loaded; what a load throws ends it
   */
  async warm(entries: Iterable<WarmEntry>): Promise<number> {
    let count = 0;
    for (const entry of entries) {
      checkOptionNames(entry, WARM_OPTIONS);
      const { key, load, ...options } = entry;
      if (!this.enabled || (await this.#backend.has(key))) continue;
      const versions = this.getTableVersions(options.tables ?? tablesOf(key) ?? []);
      const value = await load();
      if (value !== undefined && (await this.set(key, value, { versions, ...options }))) count += 1;
    }
    return count;
  }

  /** For `set`: how often each table was invalidated through this object. */
  getTableVersions(tables: readonly string[]): Map<string, number> {
    return new Map(tables.map(fullName).map((table) => [table, this.#version(table)]));
  }

  #version(table: string): number {
    return (this.#versions.get(table) ?? 0) + this.#epoch;
  }

  async #invalidate(tables: readonly string[], tags: readonly string[]): Promise<void> {
    // First: a value that is read meanwhile is refused, whichever comes first.
    for (const table of tables) this.#versions.set(table, (this.#versions.get(table) ?? 0) + 1);
    await this.#backend.invalidateTags(tags);
    this.stats.invalidations += 1;
  }
}

function tablesOf(key: string): string[] | undefined {
  if (!key.startsWith(KEY_PREFIX)) return undefined;
  const [named = ''] = key.slice(KEY_PREFIX.length).split(':');
  return named.split(',').map(decodeURIComponent);
}

/** 1 and '1', null and 'null', a date and its text stay apart. */
function spelled(value: unknown): unknown {
  if (typeof value === 'bigint') return { bigint: String(value) };
  if (typeof value === 'number')
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { number: Object.is(value, -0) ? '-0' : String(value) };
  if (value === undefined) return { undefined: 1 };
  if (value instanceof Date) return { date: value.getTime() };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(spelled);
  if (typeof value === 'object' && value !== null)
    return { object: Object.entries(value).map(([key, one]) => [key, spelled(one)]) };
  return value;
}
