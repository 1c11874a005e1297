import { setTimeout as sleep } from 'node:timers/promises';
import type { GetOrSetOptions } from '../../client/index.js';
import { CacheError } from '../../shared/errors.js';
import * as keys from './keys.js';
import type { Ground } from './operations.js';
import type { Random } from './random.js';
import { Composition, makeValue, seenOf, type Value } from './values.js';

/** Short, so that most reads of a graced value meet it when it has expired. */
const GRACED_TTL_MS = 150;
const GRACES_MS = [1_000, 2_500] as const;
const SOFT_TIMEOUT_S = 0.03;
const PARTS_MAX = 3;

/** Every kind of `getOrSet`. */
export class Loads {
  readonly #ground: Ground;
  readonly #random: Random;
  readonly #name: string;
  readonly #anyRegister: () => string;
  #count = 0;

  /** @param name of the loop, unique among all processes */
  constructor(ground: Ground, random: Random, name: string, anyRegister: () => string) {
    this.#ground = ground;
    this.#random = random;
    this.#name = name;
    this.#anyRegister = anyRegister;
  }

  /** Loads a row of the source. */
  plain(key: string): Promise<boolean> {
    return this.#ground.recorder.read('getOrSet', [key], async () => [seenOf(await this.#loaded(key))]);
  }

  /** Loads what is made of other keys, at any depth; what is missing below is loaded on the way. */
  made(): Promise<boolean> {
    const key = this.anyMade();
    return this.#ground.recorder.read('getOrSet', [key], async () => [seenOf(await this.#made(key))]);
  }

  anyMade(): string {
    return keys.madeKey(this.#ground.round, 1 + this.#random.below(keys.MADE_LEVELS), this.#random.below(100));
  }

  /** Loads what may be served under grace: the load fails now and then, or takes longer than the caller's patience. */
  async graced(): Promise<void> {
    const { cache, recorder, round, loads } = this.#ground;
    const key = keys.gracedKey(round, this.#random.below(100));
    const graceMs = this.#random.pick(GRACES_MS);
    const [id, waitMs, isDown] = [this.#id(), this.#random.below(60), this.#random.below(3) === 0];
    const part = keys.calmKey(round, this.#random.below(100));
    let begun: number | undefined;
    const load = async (): Promise<Value> => {
      const terms = { version: 0, id, ttlUs: GRACED_TTL_MS * 1_000, graceUs: graceMs * 1_000 };
      begun = recorder.begin({ kind: 'load', key, ...terms });
      const made = new Composition();
      made.add(part, await this.#loaded(part));
      await sleep(waitMs);
      if (isDown) throw new Error('what is loaded from is down');
      const version = await loads.version(key);
      made.add(key, makeValue(version));
      return made.value(version, id);
    };
    let stale: string | undefined;
    const options: GetOrSetOptions = {
      ttl: GRACED_TTL_MS / 1_000,
      grace: graceMs / 1_000,
      tags: [key],
      inherit: true,
      ...this.#sharing(),
      ...(this.#random.below(2) === 0 && { softTimeout: SOFT_TIMEOUT_S }),
      onStale: (reason) => {
        stale = reason instanceof CacheError ? reason.code : 'the load failed';
      },
    };
    await recorder.read('getOrSet', [key], async () => {
      const value = await cache.getOrSet(key, load, options);
      // The value was stored, if at all, before its own call was answered.
      if (begun !== undefined && value.id === id && stale === undefined) recorder.end(begun, { outcome: 'ok' });
      return [seenOf(value, stale === undefined ? {} : { stale, graceUs: graceMs * 1_000 })];
    });
  }

  #loaded(key: string): Promise<Value> {
    const [beforeMs, afterMs] = [this.#random.below(4), this.#random.below(3) === 0 ? this.#random.below(60) : 0];
    const load = async (): Promise<Value> => {
      await sleep(beforeMs);
      const version = await this.#ground.loads.version(key);
      await sleep(afterMs); // in which others update the row
      return makeValue(version);
    };
    return this.#ground.cache.getOrSet(key, load, { ttl: '1h', tags: [key], ...this.#sharing() });
  }

  #made(key: string): Promise<Value> {
    const options: GetOrSetOptions = { ttl: '1h', inherit: true, ...this.#sharing() };
    const load = async (): Promise<Value> => {
      const made = new Composition();
      const count = 1 + this.#random.below(PARTS_MAX);
      for (let at = 0; at < count; at++) await this.#addPart(made, keys.levelOf(key));
      await sleep(this.#random.below(3) === 0 ? this.#random.below(30) : 0);
      return made.value(1, this.#id());
    };
    return this.#ground.cache.getOrSet(key, load, options);
  }

  /** A part of a value of that level, read in one of the ways in which it can be. */
  async #addPart(made: Composition, level: number): Promise<void> {
    const { cache, round } = this.#ground;
    const dice = this.#random.below(10);
    if (level > 1 && dice < 6) {
      const below = keys.madeKey(round, level - 1, this.#random.below(100));
      made.add(below, dice === 0 ? await cache.get<Value>(below) : await this.#made(below));
    } else if (dice < 8) {
      const key = this.#random.below(6) === 0 ? keys.hotKey(round, dice) : keys.calmKey(round, this.#random.below(100));
      made.add(key, dice === 7 ? await cache.get<Value>(key) : await this.#loaded(key));
    } else {
      const registers = [this.#anyRegister(), this.#anyRegister()];
      const found = await cache.getMany<Value>(registers);
      for (const [key, value] of found) made.add(key, value);
    }
  }

  #sharing(): Pick<GetOrSetOptions, 'coalesce'> {
    return this.#random.below(4) === 0 ? { coalesce: 'cluster' } : {};
  }

  #id = (): string => `${this.#name}:${this.#count++}`;
}
