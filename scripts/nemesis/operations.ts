import type { PgCachedClient } from '../../client/index.js';
import type { Accounts } from './accounts.js';
import { nowUs, type Seen } from './history.js';
import * as keys from './keys.js';
import { Loads } from './loads.js';
import type { Random } from './random.js';
import { DROPPED, type Recorder } from './recorder.js';
import type { Change, Invalidation, Source } from './source.js';
import { Transfers } from './transfers.js';
import { makeValue, seenOf, type Value } from './values.js';

export interface Ground {
  readonly cache: PgCachedClient;
  /** A namespace that is never cleared, for counters and adds. */
  readonly strict: PgCachedClient;
  readonly loads: Source;
  readonly accounts: Accounts;
  readonly recorder: Recorder;
  readonly slot: number;
  readonly life: number;
  readonly round: number;
  /** Of every slot, the life that its client is in. */
  lives: readonly number[];
}

/** One loop of a client: makes one operation after the other. */
export class Operations {
  readonly #ground: Ground;
  readonly #random: Random;
  readonly #changes: Source;
  readonly #loads: Loads;
  readonly #own: readonly string[];
  readonly #versions = new Map<string, number>();
  readonly #bag: readonly (() => Promise<unknown>)[];

  constructor(ground: Ground, loop: number, random: Random, changes: Source) {
    this.#ground = ground;
    this.#random = random;
    this.#changes = changes;
    const name = `${ground.slot}.${ground.life}.${loop}`;
    this.#loads = new Loads(ground, random, name, () => this.#anyRegister());
    this.#own = keys.registersOf(ground.slot, ground.life, loop);
    const transfers = new Transfers(changes, ground.accounts.pool, ground.recorder, random);
    const weights: readonly [number, () => Promise<unknown>][] = [
      [300, () => this.#get(this.#anyRegister())],
      [60, () => this.#get(this.#anyLoaded())],
      [60, () => this.#get(this.#loads.anyMade())],
      [20, () => this.#get(keys.gracedKey(ground.round, random.below(100)))],
      [80, () => this.#getMany()],
      [100, () => this.#peek()],
      [160, () => this.#set()],
      [20, () => this.#delete()],
      [20, () => this.#expire()],
      [60, () => this.#incr()],
      [20, () => this.#get(this.#anyCounter(), this.#ground.strict)],
      [30, () => this.#add()],
      [8, () => this.#invalidate()],
      [1, () => this.#clear()],
      [150, () => this.#loads.plain(this.#anyLoaded())],
      [150, () => this.#loads.made()],
      [120, () => this.#loads.graced()],
      [40, () => this.#update()],
      [6, () => this.#invalidateInSql()],
      [300, () => ground.accounts.read(ground.recorder, random)],
      [25, () => transfers.next()],
    ];
    this.#bag = weights.flatMap(([weight, run]) => Array.from({ length: weight }, () => run));
  }

  next(): Promise<unknown> {
    return this.#random.pick(this.#bag)();
  }

  #anyRegister(): string {
    const { lives, slot } = this.#ground;
    const hot = Math.floor(nowUs() / 1_000_000) % keys.SLOTS; // many readers at once meet its writer
    const other = this.#random.pick([hot, hot, slot, this.#random.below(keys.SLOTS)]);
    const isFirst = lives[other]! % keys.LIVES_PER_ROUND <= 1;
    const life = lives[other]! - (!isFirst && this.#random.below(10) === 0 ? 1 : 0);
    return this.#random.pick(keys.registersOfSlot(other, life));
  }

  #anyLoaded = (): string => keys.loadedKey(this.#ground.round, this.#random.below(keys.SOURCES));

  #anyUpdated(): string {
    const { round } = this.#ground;
    const [dice, number] = [this.#random.below(8), this.#random.below(100)];
    if (dice === 0) return keys.calmKey(round, number);
    return dice <= 2 ? keys.gracedKey(round, number) : keys.hotKey(round, number);
  }

  #anyCounter = (): string => keys.counterKey(this.#ground.round, this.#random.below(keys.SOURCES));

  #get(key: string, cache = this.#ground.cache): Promise<boolean> {
    return this.#ground.recorder.read('get', [key], async () => {
      const value = await cache.get<Value | number>(key);
      return [typeof value === 'number' ? { version: value } : seenOf(value)];
    });
  }

  #getMany(): Promise<boolean> {
    return readMany(this.#ground, [
      ...new Set([this.#anyRegister(), this.#anyRegister(), this.#anyLoaded(), this.#loads.anyMade()]),
    ]);
  }

  async #peek(): Promise<void> {
    const key = this.#random.pick([this.#anyLoaded(), this.#loads.anyMade(), this.#anyRegister()]);
    const inv = nowUs();
    const value = this.#ground.cache.peek<Value>(key);
    if (value !== undefined) this.#ground.recorder.readDone('peek', [key], inv, [seenOf(value)]);
  }

  #set(): Promise<unknown> {
    const key = this.#random.pick(this.#own);
    const version = this.#raise(key);
    const tag = keys.tagOf(key);
    const ttlMs = this.#random.below(12) === 0 ? 100 + this.#random.below(1_000) : undefined;
    const options = { tags: [tag], ttl: ttlMs === undefined ? 3_600 : ttlMs / 1_000 };
    const what = { kind: 'set', key, version, tag, ...(ttlMs && { ttlUs: ttlMs * 1_000 }) } as const;
    const { cache, recorder } = this.#ground;
    return recorder.write(what, async () => {
      const before = cache.dropped; // of this one, or of one beside it: either way it may not have been done
      await cache.set(key, makeValue(version), options);
      return cache.dropped === before ? undefined : DROPPED;
    });
  }

  #delete(): Promise<unknown> {
    const key = this.#random.pick(this.#own);
    const what = { kind: 'delete', key, version: this.#raise(key) } as const;
    return this.#ground.recorder.write(what, async () => void (await this.#ground.cache.delete(key)));
  }

  #expire(): Promise<unknown> {
    const key = this.#random.pick(this.#own);
    const ttlMs = 100 + this.#random.below(1_000);
    const what = { kind: 'expire', key, version: this.#versions.get(key) ?? 0, ttlUs: ttlMs * 1_000 } as const;
    return this.#ground.recorder.write(what, () => this.#ground.cache.expire(key, ttlMs / 1_000));
  }

  #incr(): Promise<unknown> {
    const key = this.#anyCounter();
    const what = { kind: 'incr', key, version: 0 } as const;
    return this.#ground.recorder.write(what, () => this.#ground.strict.incr(key, 1, Number.POSITIVE_INFINITY));
  }

  /** All processes come to a new key at about the same time: it is named by the clock. */
  #add(): Promise<unknown> {
    const key = keys.addKey(this.#ground.round, Math.floor(nowUs() / 50_000));
    const what = { kind: 'add', key, version: 0 } as const;
    return this.#ground.recorder.write(what, () => this.#ground.strict.add(key, this.#ground.slot, '1h'));
  }

  #invalidate(): Promise<unknown> {
    const tag = keys.tagNumber(this.#random.below(100));
    const what = { kind: 'invalidateTags', key: '', version: 0, tag } as const;
    return this.#ground.recorder.write(what, () => this.#ground.cache.invalidateTags([tag]));
  }

  #clear(): Promise<unknown> {
    return this.#ground.recorder.write({ kind: 'clear', key: '', version: 0 }, () => this.#ground.cache.clear());
  }

  /** In a transaction of the application's, in SQL alone or through the client; now and then it is rolled back. */
  #update(): Promise<unknown> {
    const key = this.#anyUpdated();
    return this.#inSql('update', key, { row: key, kind: this.#random.pick(['tag', 'key']), name: key });
  }

  /** What registers are tagged with, as psql would invalidate it. */
  #invalidateInSql(): Promise<unknown> {
    const name = keys.tagNumber(this.#random.below(100));
    return this.#inSql('invalidateTags', '', { kind: 'tag', name });
  }

  #inSql(kind: 'update' | 'invalidateTags', key: string, change: Invalidation & { row?: string }): Promise<unknown> {
    const [own, rolledBack] = [this.#random.below(2) === 0, this.#random.below(5) === 0];
    const { row, ...invalidation } = change;
    const wanted: Change = { ...(row !== undefined && { row }), invalidation, rolledBack };
    const tag = kind === 'invalidateTags' ? { tag: invalidation.name } : {};
    const what = { kind, key, version: 0, sql: true, own, rolledBack, ...tag } as const;
    const { cache, recorder } = this.#ground;
    return recorder.write(what, () => (own ? this.#changes.changeWith(cache, wanted) : this.#changes.change(wanted)));
  }

  #raise(key: string): number {
    const version = (this.#versions.get(key) ?? 0) + 1;
    this.#versions.set(key, version);
    return version;
  }
}

export function readMany({ cache, recorder }: Ground, wanted: readonly string[]): Promise<boolean> {
  return recorder.read('getMany', wanted, async () => {
    const found = await cache.getMany<Value>(wanted);
    return wanted.map((key): Seen => seenOf(found.get(key)));
  });
}
