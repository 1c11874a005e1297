import { CacheError } from '../shared/errors.js';
import { LIMIT, NAMESPACE_PATTERN } from '../shared/protocol.js';
import type { LogRow } from '../shared/snapshot.js';
import { spaceTableName, splitTable } from '../shared/table/names.js';
import type { Config } from './config.js';
import type { Namespace } from './namespace.js';
import { Store, type StoreOptions } from './store.js';
import type { Space } from './tasks.js';

type Shared = Omit<
  StoreOptions,
  | 'name'
  | 'defaultTtlMs'
  | 'maxBytes'
  | 'maxEntries'
  | 'maxValueBytes'
  | 'invalidateFunction'
  | 'hasMemory'
  | 'loadTimeoutMs'
  | 'settleTimeoutMs'
  | 'learn'
  | 'lastWrites'
>;

type Limits = Pick<
  Config,
  'table' | 'defaultTtl' | 'maxBytes' | 'maxEntries' | 'maxValueBytes' | 'loadTimeoutMs' | 'namespaces'
>;

/** How long a batch whose connection broke is resent; callers give up earlier by their own deadlines. */
const SETTLE_TIMEOUT_MS = 30_000;

/** The namespaces of a daemon: made on first use, with what the configuration says of them. */
export class Stores {
  readonly #stores = new Map<string, Store>();
  readonly #config: Limits;
  readonly #shared: Shared;

  constructor(config: Limits, shared: Shared) {
    this.#config = config;
    this.#shared = shared;
  }

  /**
   * @param share of the namespace's memory, 0 to 1: what falls to this database where several share the namespace
   * @throws CacheError ERR_INVALID_NAMESPACE, ERR_OVERLOADED
   */
  open(name: string, share = 1): Namespace {
    const found = this.#stores.get(name);
    if (found !== undefined) return found;
    if (!NAMESPACE_PATTERN.test(name)) {
      throw new CacheError('ERR_INVALID_NAMESPACE', `'${name.slice(0, 64)}' can't be the name of a namespace`);
    }
    if (this.#stores.size >= LIMIT.namespacesMax) {
      throw new CacheError('ERR_OVERLOADED', `${LIMIT.namespacesMax} namespaces are open already`);
    }
    const store = this.#make(name, share);
    this.#stores.set(name, store);
    return store;
  }

  /** Whether nothing of the namespace is under way, or it is not open here. */
  isIdle(name: string): boolean {
    return this.#stores.get(name)?.isIdle ?? true;
  }

  /** Forgets one that is idle and that nobody has: who opens it again gets a new one, with an empty memory. */
  release(name: string): void {
    this.#stores.delete(name);
  }

  /** Every namespace learns of every row: what was made of parts may live in another namespace than they do. */
  learn(row: LogRow): void {
    for (const store of this.#stores.values()) store.learnRow(row);
  }

  wake(): void {
    for (const store of this.#stores.values()) store.wake();
  }

  reset(): void {
    for (const store of this.#stores.values()) store.reset();
  }

  sweep(): void {
    for (const store of this.#stores.values()) store.sweep();
  }

  async drained(): Promise<void> {
    await Promise.all([...this.#stores.values()].map((store) => store.drained()));
  }

  describe(): Record<string, object> {
    return Object.fromEntries([...this.#stores].map(([name, store]) => [name, store.stats()]));
  }

  #make(name: string, share: number): Store {
    const { defaultTtl, maxBytes, maxEntries, maxValueBytes, loadTimeoutMs } = this.#config;
    const own = this.#config.namespaces[name] ?? {};
    return new Store({
      ...this.#shared,
      name,
      maxBytes: (own.maxBytes ?? maxBytes) * share,
      maxEntries: Math.ceil((own.maxEntries ?? maxEntries) * share),
      maxValueBytes,
      invalidateFunction: invalidateFunctionOf(this.#config.table, name, own.table),
      defaultTtlMs: (own.defaultTtl ?? defaultTtl) * 1000,
      hasMemory: own.tiers !== 'table',
      loadTimeoutMs,
      settleTimeoutMs: SETTLE_TIMEOUT_MS,
      learn: (row) => this.learn(row),
      lastWrites: () => [...this.#stores.values()].flatMap((store) => store.lastWrite ?? []),
    });
  }
}

/** As an application calls it in SQL: through its own search path where the configuration names no schema. */
function invalidateFunctionOf(table: string, namespace: string, own: string | undefined): string {
  const { schema, name } = splitTable(table);
  const called = `"${spaceTableName(name, namespace, own)}_invalidate"`;
  return schema === undefined ? called : `"${schema}".${called}`;
}

/** Table and storage of a namespace, as the workers need them. */
export function spaceOf(config: Pick<Config, 'namespaces'>, namespace: string): Space {
  const own = config.namespaces[namespace] ?? {};
  return { namespace, table: own.table, storage: own.storage ?? 'jsonb' };
}
