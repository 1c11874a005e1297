import type { Cache, CacheAdapter, GetOrSetOptions, LoadContext } from '../../shared/cache.js';
import { storedKey } from '../../shared/key.js';
import { PgCachedClient } from '../client.js';
import { internalsOf } from '../internals.js';
import { valueFrom } from '../near-value.js';
import type { CheckedHttpOptions } from './options.js';
import { asPage, type Page } from './page.js';

/**
 * Computes a page. @returns null where there is none to be kept; those who wait then compute for themselves
 * @param stale one past its freshness, if it is kept
 */
export type Compute = (stale: Page | undefined, context: LoadContext) => Promise<Page | null>;

export interface Loaded {
  /** Undefined where there is none to be shared. */
  readonly page: Page | undefined;
  /** What is past its freshness: because of an error, or of haste, since the computation goes on. */
  readonly staleBecause?: 'error' | 'haste';
}

/** Where pages are kept, and computed one at a time. */
export interface PageStore {
  /** What the process itself has, at once. */
  near(key: string): Page | undefined;
  /** @returns a page that was not dropped; the policy knows whether it is fresh */
  get(key: string): Promise<Page | undefined>;
  /** @param isPatient wait for the page, also where there is a stale one */
  load(key: string, compute: Compute, isPatient: boolean): Promise<Loaded>;
}

/** After this long those who wait for a page look whether there is a stale one; who computes it has been told by then. */
const HASTE_SECONDS = 0.02;

export function pageStore(cache: CacheAdapter, options: CheckedHttpOptions): PageStore {
  return cache instanceof PgCachedClient ? new ClientStore(cache, options) : new PlainStore(cache, options);
}

/** Over a client of the daemon: its grace keeps what is stale, its leases see to it that no late page is stored. */
class ClientStore implements PageStore {
  readonly #cache: PgCachedClient;
  readonly #options: CheckedHttpOptions;
  /** Pages by the copies of the near tier that they were unpacked from: a page goes when its copy is dropped. */
  readonly #unpacked = new WeakMap<object, Page>();

  constructor(cache: PgCachedClient, options: CheckedHttpOptions) {
    this.#cache = cache;
    this.#options = options;
  }

  async get(key: string): Promise<Page | undefined> {
    return this.near(key) ?? asPage(await this.#cache.get(key));
  }

  /** A page is the same for all who are given it, and nobody changes it: it need not be unpacked for each. */
  near(key: string): Page | undefined {
    const stored = storedKey(key);
    const held = internalsOf(this.#cache)?.caller.nearFor(stored)?.held(stored);
    if (held === undefined) return undefined;
    let page = this.#unpacked.get(held);
    if (page === undefined) {
      page = asPage(valueFrom(held));
      if (page !== undefined) this.#unpacked.set(held, page);
    }
    return page;
  }

  async load(key: string, compute: Compute, isPatient: boolean): Promise<Loaded> {
    const { inherit, coalesce, graceMs } = this.#options;
    let staleBecause: Loaded['staleBecause'];
    const options: GetOrSetOptions = {
      inherit,
      coalesce,
      ...(graceMs > 0 && {
        grace: graceMs / 1000,
        onStale: (reason) => {
          staleBecause = (reason as { code?: unknown } | null)?.code === 'ERR_TIMEOUT' ? 'haste' : 'error';
        },
        ...(!isPatient && { softTimeout: HASTE_SECONDS }),
      }),
    };
    const page = await this.#cache.getOrSet(key, (context) => compute(asPage(context.stale), context), options);
    return { page: asPage(page), ...(staleBecause !== undefined && { staleBecause }) };
  }
}

/** Over any cache: a second entry holds what is stale, of the pages that can be of use then. */
class PlainStore implements PageStore {
  /** Behind promises or not: every answer is awaited. */
  readonly #cache: Cache;
  readonly #options: CheckedHttpOptions;
  /** Keys that this process computes. */
  readonly #flying = new Set<string>();

  constructor(cache: CacheAdapter, options: CheckedHttpOptions) {
    this.#cache = cache as Cache;
    this.#options = options;
  }

  near(): undefined {}

  async get(key: string): Promise<Page | undefined> {
    return asPage(await this.#cache.get(key));
  }

  async load(key: string, compute: Compute, isPatient: boolean): Promise<Loaded> {
    const stale = await this.#stale(key);
    if (stale !== undefined && !isPatient && this.#flying.has(key)) return { page: stale, staleBecause: 'haste' };
    let own: Page | null = null;
    const load = async (context: LoadContext) => {
      this.#flying.add(key);
      own = await compute(stale, context).finally(() => this.#flying.delete(key));
      return own;
    };
    try {
      const page = asPage(await this.#cache.getOrSet(key, load));
      if (own !== null) await this.#keep(key, own);
      return { page };
    } catch (error) {
      if (stale === undefined) throw error;
      return { page: stale, staleBecause: 'error' };
    }
  }

  async #stale(key: string): Promise<Page | undefined> {
    return this.#options.graceMs > 0 ? asPage(await this.#cache.get(staleKey(key))) : undefined;
  }

  /** After the page itself: where that was refused, or an invalidation came between, it is gone, and the copy goes too. */
  async #keep(key: string, page: Page): Promise<void> {
    const { graceMs } = this.#options;
    if (graceMs === 0 || !(page.isHandlers || page.whileRevalidateMs > 0 || page.ifErrorMs > 0)) return;
    const ttl = (Math.max(1, page.lifetimeMs) + graceMs) / 1000;
    await this.#cache.set(staleKey(key), page, { ttl, tags: page.tags });
    if (page.lifetimeMs > 0 && !(await this.#cache.has(key))) await this.#cache.delete(staleKey(key));
  }
}

/** In front, so that it is no page's own key, whatever a `key` function returns. */
const staleKey = (key: string) => `stale:${key}`;
