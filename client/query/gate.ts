import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { CacheError } from '../../shared/errors.js';
import { tagName } from '../../shared/table/names.js';
import { TABLES_NAMESPACE } from '../../shared/table-tags.js';
import { PgCachedClient } from '../client.js';
import { type Internals, internalsOf } from '../internals.js';
import * as ops from '../ops.js';
import { dependOn, within } from '../parts.js';
import { type DriverClient, type Session, sessionOf } from './session.js';
import { notCached, type QueryWarning } from './warnings.js';
import { withClient } from './with-client.js';

/** How long a first query waits for a daemon that is on its way. */
const READY_MS = 1000;
/** After a proof has failed it is not tried again for so long. */
const PROOF_RETRY_MS = 2000;
/** SQLSTATEs of a function that is not there. */
const UNDEFINED_FUNCTION = '42883';
const INVALID_SCHEMA_NAME = '3F000';
/** And of one that may not be called. */
const INSUFFICIENT_PRIVILEGE = '42501';

/** What was proven of pool and cache: queries of such sessions may be cached in this place. */
export interface Passage {
  readonly bypass: undefined;
  readonly session: Session;
  readonly place: string;
}
/** Runs work on a connection. */
export type OnConnection = <T>(work: (client: DriverClient) => Promise<T>) => Promise<T>;
/** A bypass that `lasts` is of how pool, cache and database were set up; another may be over soon. */
export type Admission = Passage | { readonly bypass: string; readonly lasts?: boolean };

/**
 * Proves, before anything is cached, that the log that the pool's commits are written to is the one that the cache's
 * daemon follows: an entry of the cache that depends on a tag made up for this is invalidated through the pool, in SQL, and
 * must be gone. This fails, as it should, for another database, for a standby, and without the right to do so.
 */
export class Gate {
  readonly #pool: pg.Pool;
  readonly #cache: PgCachedClient;
  readonly #internals: Internals;
  /** The namespace whose tags are tables. */
  readonly tables: PgCachedClient;
  #admission: Promise<Admission> | undefined;
  /** What that came to; undefined while it is under way. */
  #settled: Admission | undefined;
  #failedMs: number | undefined;

  readonly #onWarning: (warning: QueryWarning) => void;
  #hasWarned = false;

  /**
   * @param onWarning told, once, of a bypass that lasts
   * @throws CacheError ERR_INVALID_ARGUMENT for a cache that is no client of a daemon
   */
  constructor(pool: pg.Pool, cache: PgCachedClient, onWarning: (warning: QueryWarning) => void) {
    const internals = internalsOf(cache);
    if (internals === undefined) {
      throw new CacheError(
        'ERR_INVALID_ARGUMENT',
        'cache must be a client that connect() made: commits are heard by its daemon',
      );
    }
    this.#pool = pool;
    this.#onWarning = onWarning;
    this.#cache = cache;
    this.#internals = internals;
    this.tables = new PgCachedClient({ ...internals.options, namespace: TABLES_NAMESPACE, near: undefined });
  }

  /**
   * What was proven, for who holds a connection of the pool: he must not wait for another, nor for who waits for one. Never
   * rejects.
   */
  async admissionOn(client: DriverClient): Promise<Admission> {
    const known = this.#settled;
    if (this.#admission !== undefined && known === undefined) return { bypass: 'nothing is proven yet' };
    if (known === undefined || !this.#isGood(known)) this.#begin((work) => work(client));
    return this.#admission ?? { bypass: 'nothing is proven yet' };
  }

  /** What was proven, or why nothing is to be cached for now. Never rejects. */
  async admission(): Promise<Admission> {
    const known = await this.#admission;
    if (known !== undefined && this.#isGood(known)) return known;
    // Who came meanwhile has begun another proof already.
    if (this.#admission === undefined || (await this.#admission) === known)
      this.#begin((work) => withClient(this.#pool, work));
    return this.#admission ?? { bypass: 'nothing is proven yet' };
  }

  /** Neither out of date nor to be tried again. */
  #isGood(known: Admission): boolean {
    if (known.bypass === undefined) return known.place === this.#place;
    return this.#failedMs !== undefined && performance.now() - this.#failedMs < PROOF_RETRY_MS;
  }

  /** Something is not as it was proven. */
  reset(): void {
    this.#admission = undefined;
    this.#settled = undefined;
  }

  /** Has the daemon look at what is committed: what is read after this through the cache is not older. */
  async seeCommits(): Promise<void> {
    await this.#internals.caller.seeCommits();
  }

  /** The same, as far as it is known by now. */
  get knownFunction(): string | undefined {
    return internalsOf(this.tables)!.caller.channel.invalidateFunction;
  }

  /** What logs for this cache in its own database; undefined while no daemon has told. */
  async invalidateFunction(): Promise<string | undefined> {
    const { caller, options } = internalsOf(this.tables)!;
    if (caller.channel.invalidateFunction === undefined)
      await caller.channel.ready(Math.min(READY_MS, options.timeoutMs)).catch(() => {});
    return caller.channel.invalidateFunction;
  }

  get #place(): string | undefined {
    return this.#internals.caller.channel.place;
  }

  #begin(onConnection: OnConnection): void {
    this.#failedMs = undefined;
    this.#settled = undefined;
    const begun: Promise<Admission> = within(undefined, () => this.#prove(onConnection))
      .catch((error: Error) => ({ bypass: `nothing is proven of the cache: ${error.message}` }))
      .then((admission) => {
        if (admission.bypass !== undefined) this.#failed(admission);
        if (this.#admission === begun) this.#settled = admission;
        return admission;
      });
    this.#admission = begun;
  }

  #failed({ bypass, lasts }: Exclude<Admission, Passage>): void {
    this.#failedMs = performance.now();
    if (lasts !== true || this.#hasWarned) return;
    this.#hasWarned = true;
    this.#onWarning(notCached(bypass));
  }

  async #prove(onConnection: OnConnection): Promise<Admission> {
    const { caller, options } = this.#internals;
    const tables = internalsOf(this.tables)!.caller.channel;
    const patienceMs = Math.min(READY_MS, options.timeoutMs);
    await Promise.all([caller.channel.ready(patienceMs), tables.ready(patienceMs)]);
    const { place } = caller.channel;
    const { invalidateFunction } = tables;
    if (place === undefined || tables.place !== place || invalidateFunction === undefined) {
      return lasting(`the namespaces ${options.namespace} and ${TABLES_NAMESPACE} do not lie whole on one database`);
    }
    // A namespace gets its functions when it is first used.
    await this.tables.has('-');
    return onConnection(async (client): Promise<Admission> => {
      if (typeof client.getTransactionStatus !== 'function') return lasting('the driver is not the one in JavaScript');
      const session = await sessionOf(client);
      if (session.isStandby) return lasting('the pool reads from a standby: its rows may be older than the log');
      return (await this.#refute(client, place, invalidateFunction)) ?? { bypass: undefined, session, place };
    });
  }

  /** @returns why pool and cache are not of one database; undefined where they are */
  async #refute(client: DriverClient, place: string, invalidateFunction: string): Promise<Admission | undefined> {
    const tag = `proof/${randomUUID()}`;
    const key = `pgcached ${tag}`;
    const load = () => {
      dependOn(place, [tagName(TABLES_NAMESPACE, tag)]);
      return true;
    };
    await this.#cache.getOrSet(key, load, { ttl: 60, inherit: true });
    if ((await this.#cache.get(key)) !== true) return { bypass: 'the cache stores nothing for now' };
    try {
      await client.query(`SELECT ${invalidateFunction}('tag', $1)`, [tag]);
      await this.#internals.caller.channel.call(ops.SYNC, []);
      if ((await this.#cache.get(key)) === undefined) return undefined;
      return lasting("the pool's database is not the one that the cache's daemon follows");
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code === INSUFFICIENT_PRIVILEGE) return lasting(`nothing is proven of the cache: ${message}`);
      if (code !== UNDEFINED_FUNCTION && code !== INVALID_SCHEMA_NAME) throw error;
      const elsewhere = "it is not the one that the cache's daemon follows, or search_path does not lead there";
      return lasting(`the pool's database has no function ${invalidateFunction}: ${elsewhere}`);
    } finally {
      await this.#cache.delete(key).catch(() => {});
    }
  }
}

const lasting = (bypass: string): Admission => ({ bypass, lasts: true });
