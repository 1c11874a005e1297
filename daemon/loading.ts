import { CacheError } from '../shared/errors.js';
import { tagName } from '../shared/table/names.js';
import { leadMs } from '../shared/xfetch.js';
import type { Clock } from './clock.js';
import type { ClusterLeases } from './cluster-leases.js';
import { asCacheError } from './database.js';
import type { Loads } from './loads.js';
import type { KeptEntry, Memory } from './memory.js';
import type { Awaitable, Bytes, FillTerms, Holder, LoadAsk, LoadOutcome, NamedValue, Names } from './namespace.js';
import type { Packed } from './packed.js';
import type { Reads } from './reads.js';
import type { StoreStats } from './store-stats.js';

export interface LoadingOptions {
  readonly namespace: string;
  readonly defaultTtlMs: number;
  readonly clock: Clock;
  /** A number from 0 (included) to 1 (excluded). */
  random(): number;
  readonly memory: Memory;
  readonly reads: Reads;
  readonly loads: Loads;
  readonly clusterLeases: ClusterLeases;
  readonly stats: StoreStats;
  /** The entry in memory, where memory may answer. */
  fromMemory(key: string): KeptEntry | undefined;
}

/** A value that has not expired, and what XFetch has to know of it. */
interface Current {
  readonly bytes: Packed;
  readonly names: Names;
  readonly leftMs: number;
  readonly deltaMs?: number | undefined;
}

/**
 * `getOrSet` on the daemon's side: the value, or the right to load it, or a wait for whoever has that right.
 *
 *     asked -- in memory, or in the table -------> value; one in a while is picked to refresh it before it expires
 *           -- nowhere, somebody loads it -------> waits; see loads.ts for how that ends
 *           -- nowhere, nobody loads it ---------> the load is the caller's
 *           -- and with `cluster`, another server loads it --> waits, looking at the table now and then
 *     failed: the load threw, or the database does not answer --> under grace, the value that has expired
 */
export class Loading {
  readonly #options: LoadingOptions;

  constructor(options: LoadingOptions) {
    this.#options = options;
  }

  load(key: string, holder: Holder, ask: LoadAsk): Awaitable<LoadOutcome> {
    return this.#fromMemory(key, holder, ask) ?? this.#load(key, holder, ask, 0);
  }

  async fill(token: number, holder: Holder, value: Bytes, terms: FillTerms): Promise<LoadOutcome> {
    const { loads, namespace, defaultTtlMs, stats } = this.#options;
    const { ttlMs = defaultTtlMs, graceMs, deltaMs } = terms;
    const key = loads.keyOf(token, holder);
    const tagNames = terms.tags.map((tag) => tagName(namespace, tag));
    const names = terms.names === undefined ? tagNames : [...new Set([...tagNames, ...terms.names])];
    const result = await loads.fill(token, holder, value, { ttlMs, names, graceMs, deltaMs });
    if (result.kind === 'refused') {
      if (terms.once) return { kind: 'nothing' };
      return this.#load(key, holder, { ...result.ask, fromTable: false }, result.refusals);
    }
    stats.sets += 1;
    return result;
  }

  stale(key: string, graceMs: number): Awaitable<LoadOutcome> {
    const entry = this.#options.fromMemory(key);
    if (entry !== undefined) return asValue(entry);
    const stale = this.#options.memory.stale(key, graceMs);
    return stale === undefined ? this.#staleInTable(key, graceMs) : this.#served(stale);
  }

  async #staleInTable(key: string, graceMs: number): Promise<LoadOutcome> {
    try {
      const { entry, stale } = await this.#options.reads.answerTo(key);
      if (entry !== undefined) return asValue(entry);
      const usableMs = Math.min(graceMs, stale?.graceMs ?? 0);
      if (stale !== undefined && -stale.leftMs < usableMs) return this.#served(stale);
    } catch {
      // There is nothing, then.
    }
    return { kind: 'nothing' };
  }

  #served({ bytes, names }: NamedValue): LoadOutcome {
    this.#options.stats.stale += 1;
    return { kind: 'stale', bytes, error: undefined, names };
  }

  #fromMemory(key: string, holder: Holder, ask: LoadAsk): Awaitable<LoadOutcome> | undefined {
    const entry = ask.fromTable ? undefined : this.#options.fromMemory(key);
    if (entry === undefined) return undefined;
    if (ask.beta === 0) return asValue(entry);
    const { bytes, names, deltaMs, expiresAtMs } = entry;
    return this.#current(key, holder, ask, { bytes, names, leftMs: expiresAtMs - this.#options.clock.now(), deltaMs });
  }

  /** The value, and for one in a while a refresh of it: see shared/xfetch.ts. One refresh a key at a time. */
  #current(key: string, holder: Holder, ask: LoadAsk, current: Current): Awaitable<LoadOutcome> {
    const { bytes, names, leftMs, deltaMs } = current;
    const { random, loads } = this.#options;
    const isPicked = ask.beta > 0 && leftMs <= leadMs(deltaMs, ask.beta, random()) && loads.flight(key) === undefined;
    if (!isPicked) return asValue(current);
    if (ask.cluster) return this.#refreshInCluster(key, holder, ask, current);
    const refresh = loads.beginRefresh(key, holder, ask);
    return refresh === undefined ? asValue(current) : { kind: 'refresh', token: refresh.token, bytes, names };
  }

  /** Another server may have just done it: a fill tells nobody, so this server's memory has still the older value. */
  async #refreshInCluster(key: string, holder: Holder, ask: LoadAsk, current: Current): Promise<LoadOutcome> {
    const { loads, reads, clusterLeases } = this.#options;
    const value = asValue(current);
    const lease = await clusterLeases.take(key).catch(() => undefined);
    if (lease === undefined) return value;
    let refresh: ReturnType<Loads['beginRefresh']>;
    try {
      const { entry } = await reads.answerTo(key);
      if (entry !== undefined && entry.leftMs > current.leftMs) return asValue(entry);
      refresh = loads.beginRefresh(key, holder, ask);
    } catch {
      return value;
    } finally {
      if (refresh === undefined) lease.release();
    }
    if (refresh === undefined) return value;
    void refresh.flight.done.then(() => lease.release());
    return { kind: 'refresh', token: refresh.token, bytes: current.bytes, names: current.names };
  }

  async #load(key: string, holder: Holder, ask: LoadAsk, refusals: number): Promise<LoadOutcome> {
    try {
      return await this.#valueOrLoad(key, holder, ask, refusals);
    } catch (error) {
      const stale =
        asCacheError(error).code === 'ERR_DATABASE' ? this.#options.memory.stale(key, ask.graceMs) : undefined;
      if (stale === undefined) throw asCacheError(error);
      return this.#served(stale);
    }
  }

  async #valueOrLoad(key: string, holder: Holder, ask: LoadAsk, refusals: number): Promise<LoadOutcome> {
    const { loads, reads, stats } = this.#options;
    const askedAt = loads.askNumber();
    for (;;) {
      const flight = loads.flight(key);
      if (flight !== undefined) {
        const outcome = await flight.done;
        if (outcome.kind === 'failed') return this.#failed(key, ask, outcome);
        const isMine = outcome.kind !== 'passed' && (outcome.kind !== 'value' || askedAt < flight.beganAt);
        if (isMine) return outcome;
        const found = this.#fromMemory(key, holder, ask);
        if (found !== undefined) return found;
        continue;
      }
      const landed = ask.fromTable ? undefined : reads.landed(key);
      if (landed !== undefined) {
        await landed;
        const found = this.#fromMemory(key, holder, ask);
        if (found !== undefined) return found;
      }
      const answer = await reads.answerTo(key);
      stats.countTable(answer.entry !== undefined);
      if (answer.entry !== undefined) return this.#current(key, holder, ask, answer.entry);
      if (loads.flight(key) !== undefined) continue;
      if (ask.cluster) return this.#loadInCluster(key, holder, ask, refusals);
      return loads.handOut(loads.begin(key, holder), holder, answer, ask, refusals);
    }
  }

  async #failed(key: string, ask: LoadAsk, failed: Extract<LoadOutcome, { kind: 'failed' }>): Promise<LoadOutcome> {
    if (ask.graceMs === 0) return failed;
    const instead = await this.stale(key, ask.graceMs);
    if (instead.kind === 'nothing') return failed;
    return instead.kind === 'stale' ? { ...instead, error: failed.error } : instead;
  }

  /** Takes the load where no other server has it. Those of this host who ask meanwhile wait for the flight. */
  async #loadInCluster(key: string, holder: Holder, ask: LoadAsk, refusals: number): Promise<LoadOutcome> {
    const { loads, reads, clusterLeases } = this.#options;
    const flight = loads.begin(key, holder);
    try {
      for (let attempt = 0; ; attempt++) {
        const lease = await clusterLeases.take(key);
        if (lease === undefined) await clusterLeases.wait(attempt);
        else void flight.done.then(() => lease.release());
        const answer = await reads.answerTo(key);
        if (answer.entry !== undefined) {
          flight.end({ kind: 'passed' });
          return await this.#current(key, holder, ask, answer.entry);
        }
        if (lease !== undefined) return await loads.handOut(flight, holder, answer, ask, refusals);
        if (loads.isGone(holder))
          throw new CacheError('ERR_CLOSED', 'the connection closed while another server loaded');
      }
    } catch (error) {
      flight.end({ kind: 'passed' });
      throw error;
    }
  }
}

function asValue({ bytes, names }: NamedValue): LoadOutcome {
  return { kind: 'value', bytes, names };
}
