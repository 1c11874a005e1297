import type { CacheStatistics, TierStats } from '../shared/cache.js';
import { pack } from '../shared/codec.js';
import { CacheError } from '../shared/errors.js';
import { type Continuum, ketamaHash, ownerOf } from '../shared/ketama.js';
import { all } from './all.js';
import type { Awaitable, Bytes, FillTerms, Holder, LoadAsk, LoadOutcome, Namespace } from './namespace.js';
import { type NearSource, SpreadNear } from './near-source.js';
import type { Packed } from './packed.js';

/**
 * One namespace over several databases: each key lies on the one that the ring says. What concerns one key goes there;
 * what concerns all goes to all. Tags are refused, because a transaction can invalidate only where it runs.
 */
export class SpreadNamespace implements Namespace {
  readonly name: string;
  readonly maxValueBytes: number;
  readonly invalidateFunction = undefined;
  readonly near: NearSource | undefined;
  readonly #shards: readonly Namespace[];
  readonly #continuum: Continuum;

  /** @param shards one for each node that the continuum was made of, in that order; at least one */
  constructor(name: string, shards: readonly Namespace[], continuum: Continuum) {
    this.name = name;
    this.maxValueBytes = Math.min(...shards.map((shard) => shard.maxValueBytes));
    this.#shards = shards;
    this.#continuum = continuum;
    const parts = shards.map((shard) => shard.near).filter((part) => part !== undefined);
    this.near = parts.length === shards.length ? new SpreadNear(parts, (key) => this.#at(key)) : undefined;
  }

  get(key: string, fromTable: boolean): Awaitable<Packed | undefined> {
    return this.#of(key).get(key, fromTable);
  }

  getMany(keys: readonly string[], fromTable: boolean, partial: boolean): Awaitable<(Packed | undefined)[]> {
    const values: (Packed | undefined)[] = new Array(keys.length).fill(undefined);
    const pending: Promise<void>[] = [];
    const parts = this.#split(keys);
    for (const { shard, positions } of parts) {
      const put = (found: readonly (Packed | undefined)[]) => {
        for (const [i, position] of positions.entries()) values[position] = found[i];
      };
      const found = shard.getMany(pick(keys, positions), fromTable, partial);
      if (found instanceof Promise) pending.push(found.then(put));
      else put(found);
    }
    if (pending.length === 0) return values;
    return Promise.allSettled(pending).then((settled) => {
      const failed = settled.find((result) => result.status === 'rejected');
      const isAnswered = pending.length < parts.length || settled.some(({ status }) => status === 'fulfilled');
      if (failed !== undefined && !(partial && isAnswered)) throw failed.reason;
      return values;
    });
  }

  has(key: string, fromTable: boolean): Awaitable<boolean> {
    return this.#of(key).has(key, fromTable);
  }

  async set(
    key: string,
    value: Bytes,
    ttlMs: number | undefined,
    tags: readonly string[],
    graceMs: number,
  ): Promise<void> {
    this.#refuseTags(tags);
    await this.#of(key).set(key, value, ttlMs, tags, graceMs);
  }

  async setMany(
    keys: readonly string[],
    values: readonly Bytes[],
    ttlMs: number | undefined,
    tags: readonly string[],
    graceMs: number,
  ): Promise<void> {
    this.#refuseTags(tags);
    await all(
      this.#split(keys).map(({ shard, positions }) =>
        shard.setMany(pick(keys, positions), pick(values, positions), ttlMs, tags, graceMs),
      ),
    );
  }

  async add(
    key: string,
    value: Bytes,
    ttlMs: number | undefined,
    tags: readonly string[],
    graceMs: number,
  ): Promise<boolean> {
    this.#refuseTags(tags);
    return this.#of(key).add(key, value, ttlMs, tags, graceMs);
  }

  delete(key: string): Awaitable<boolean> {
    return this.#of(key).delete(key);
  }

  deleteMany(keys: readonly string[]): Promise<number> {
    return sum(this.#split(keys).map(({ shard, positions }) => shard.deleteMany(pick(keys, positions))));
  }

  incr(key: string, delta: number, ttlMs: number | undefined): Awaitable<number> {
    return this.#of(key).incr(key, delta, ttlMs);
  }

  ttl(key: string): Awaitable<number | undefined> {
    return this.#of(key).ttl(key);
  }

  expire(key: string, ttlMs: number): Awaitable<boolean> {
    return this.#of(key).expire(key, ttlMs);
  }

  /** Where one database fails, the others are cleared all the same, and the call rejects. */
  async clear(): Promise<void> {
    await all(this.#shards.map((shard) => shard.clear()));
  }

  async invalidateTags(tags: readonly string[]): Promise<void> {
    this.#refuseTags(tags);
  }

  async sync(): Promise<void> {
    await all(this.#shards.map((shard) => shard.sync()));
  }

  count(): Promise<number> {
    return sum(this.#shards.map((shard) => shard.count()));
  }

  cleanup(): Promise<number> {
    return sum(this.#shards.map((shard) => shard.cleanup()));
  }

  stats(): CacheStatistics {
    return addUp(this.#shards.map((shard) => shard.stats()));
  }

  load(key: string, holder: Holder, ask: LoadAsk): Awaitable<LoadOutcome> {
    const at = this.#at(key);
    const outcome = this.#shards[at]!.load(key, holder, ask);
    return outcome instanceof Promise ? outcome.then((one) => this.#outward(one, at)) : this.#outward(outcome, at);
  }

  async fill(token: number, holder: Holder, value: Bytes, terms: FillTerms): Promise<LoadOutcome> {
    const { at, own } = this.#inward(token);
    try {
      this.#refuseTags(terms.tags);
    } catch (error) {
      // The load has come to its end, for those who wait too.
      this.#shards[at]!.abandon(own, holder, pack({ thrown: error }));
      throw error;
    }
    return this.#outward(await this.#shards[at]!.fill(own, holder, value, terms), at);
  }

  stale(key: string, graceMs: number): Awaitable<LoadOutcome> {
    return this.#of(key).stale(key, graceMs);
  }

  abandon(token: number, holder: Holder, end: Bytes | undefined | 'passed'): void {
    const { at, own } = this.#inward(token);
    this.#shards[at]!.abandon(own, holder, end);
  }

  release(holder: Holder): void {
    for (const shard of this.#shards) shard.release(holder);
  }

  #at(key: string): number {
    return ownerOf(this.#continuum, ketamaHash(key));
  }

  #of(key: string): Namespace {
    return this.#shards[this.#at(key)]!;
  }

  /** The keys of each shard that has any, as positions in the list. */
  #split(keys: readonly string[]): { readonly shard: Namespace; readonly positions: readonly number[] }[] {
    const positions = this.#shards.map((): number[] => []);
    for (const [position, key] of keys.entries()) positions[this.#at(key)]!.push(position);
    return this.#shards
      .map((shard, at) => ({ shard, positions: positions[at]! }))
      .filter((part) => part.positions.length > 0);
  }

  /** A token as the client knows it holds the shard's own and which shard that is. */
  #outward(outcome: LoadOutcome, at: number): LoadOutcome {
    if (outcome.kind !== 'load' && outcome.kind !== 'refresh') return outcome;
    return { ...outcome, token: outcome.token * this.#shards.length + at };
  }

  #inward(token: number): { readonly at: number; readonly own: number } {
    const at = token % this.#shards.length;
    return { at, own: (token - at) / this.#shards.length };
  }

  #refuseTags(tags: readonly string[]): void {
    if (tags.length === 0) return;
    throw new CacheError(
      'ERR_TAGS_NOT_AVAILABLE',
      `the namespace ${this.name} is spread over ${this.#shards.length} databases, and tags need all of it on one`,
    );
  }
}

const pick = <T>(list: readonly T[], positions: readonly number[]): T[] => positions.map((at) => list[at] as T);

async function sum(counts: readonly Awaitable<number>[]): Promise<number> {
  return (await all(counts)).reduce((total, count) => total + count, 0);
}

function addUp(shards: readonly CacheStatistics[]): CacheStatistics {
  const tierNames = [...new Set(shards.flatMap(({ tiers }) => Object.keys(tiers)))];
  const tiers = Object.fromEntries(
    tierNames.map((name) => [name, addTiers(shards.flatMap((shard) => shard.tiers[name] ?? []))]),
  );
  const total = addTiers(shards);
  const asked = total.hits + total.misses;
  const stale = shards.reduce((sum, one) => sum + (one.stale ?? 0), 0);
  return { ...total, hitRate: asked === 0 ? 0 : total.hits / asked, stale, tiers };
}

function addTiers(all: readonly TierStats[]): TierStats {
  const add = (field: keyof TierStats) => all.reduce((total, one) => total + one[field], 0);
  return {
    hits: add('hits'),
    misses: add('misses'),
    sets: add('sets'),
    evictions: add('evictions'),
    expirations: add('expirations'),
    invalidations: add('invalidations'),
    bytes: add('bytes'),
    entries: add('entries'),
  };
}
