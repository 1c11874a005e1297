import type { Effect, Tx } from './postgres.js';
import type { World } from './world.js';

/** A promise was broken. */
export class Violation extends Error {
  readonly promise: string;

  constructor(promise: string, message: string) {
    super(`${promise}: ${message}`);
    this.promise = promise;
  }
}

/** A moment: how many transactions had committed, and when. */
export interface Moment {
  readonly seq: number;
  readonly atMs: number;
}

interface Kill extends Moment {
  readonly host: string | undefined;
}

/** What the checker knows of one value, whoever made it. */
export interface Value {
  readonly id: number;
  readonly place: string;
  /** By each name that can kill it: how many transactions had committed when what it is made of was read. */
  readonly births: Map<string, number>;
  /** Of a set: when it committed (undefined before); of a load: when it read its source. */
  birth: number | undefined;
  expiresAtMs: number;
  /** Made by an early refresh: it takes the place of what is there. */
  refreshes: boolean;
  /** How long past its expiry it may be served where a load fails. */
  graceMs: number;
  /** How many crashes there had been when it was written: what a crash took may be written again. */
  crashes: number;
  /** Who asked for it to be written, and as which of all writes: those of one asker land in order. */
  readonly asked: { readonly by: string; readonly number: number };
}

const NOTHING: ReadonlyMap<string, number> = new Map();

export const placeOf = (namespace: string, key: string) => `${namespace}/${key}`;
/** The name under which writes of a key are entered here. */
export const writtenName = (place: string) => `w:${place}`;

/**
 * What truly happened, in the order of commits, and the checks of what was read against it. A value is dead from the
 * first commit after its birth of something that names it: a write of its key, or an invalidation of a name it carries.
 */
export class Truth {
  readonly world: World;
  readonly staleBoundMs: number;
  readonly source = new Map<string, number>();
  seq = 0;
  crashes = 0;
  lastCrashMs = Number.NEGATIVE_INFINITY;
  readonly values: Value[] = [];
  /** Values whose writers were told that they were not written. */
  readonly mustNotExist = new Set<Value>();
  readonly #kills = new Map<string, Kill[]>();
  readonly counts = new Map<string, CounterTruth>();
  readonly #floors = new Map<string, ReadonlyMap<string, number>>();
  readonly #processFloors = new Map<string, number>();
  readonly #lastAsked = new Map<string, number>();
  largestStalenessMs = 0;
  violation: Violation | undefined;

  constructor(world: World, staleBoundMs: number) {
    this.world = world;
    this.staleBoundMs = staleBoundMs;
  }

  now(): Moment {
    return { seq: this.seq, atMs: this.world.nowMs };
  }

  newValue(place: string, births: Map<string, number>, birth: number | undefined, asked: Value['asked']): Value {
    const value = {
      id: this.values.length,
      place,
      births,
      birth,
      expiresAtMs: Number.NEGATIVE_INFINITY,
      refreshes: false,
      graceMs: 0,
      crashes: 0,
      asked,
    };
    this.values.push(value);
    return value;
  }

  commit(tx: Tx): void {
    if (tx.effects.length === 0) return;
    this.seq += 1;
    for (const effect of tx.effects) this.#take(effect);
    for (const effect of tx.effects) if (effect.kind === 'kill') this.#checkOrder(tx, effect.name);
  }

  /** Of a write and an invalidation that names it, one comes first: within one transaction nobody can tell which. */
  #checkOrder(tx: Tx, name: string): void {
    if (!name.startsWith('t:')) return;
    for (const effect of tx.effects) {
      if (effect.kind !== 'put' || !(this.values[effect.id] as Value).births.has(name)) continue;
      this.fail('order', `${effect.place} was written and ${name} invalidated in one transaction`);
    }
  }

  crashed(): void {
    this.seq += 1;
    this.crashes += 1;
    this.lastCrashMs = this.world.nowMs;
    for (const count of this.counts.values()) count.crash();
  }

  counter(place: string): CounterTruth {
    let counter = this.counts.get(place);
    if (counter === undefined) {
      counter = new CounterTruth(place);
      this.counts.set(place, counter);
    }
    return counter;
  }

  #take(effect: Effect): void {
    if (effect.kind === 'kill') this.#kill(effect.name, effect.host);
    else if (effect.kind === 'count') this.counter(effect.place).apply(effect.delta, effect.from);
    else if (effect.kind === 'expiry') {
      const value = this.values[effect.id] as Value;
      value.expiresAtMs = Math.max(value.expiresAtMs, effect.expiresAtMs);
    } else this.#put(effect);
  }

  #kill(name: string, host: string | undefined): void {
    const kill = { seq: this.seq, atMs: this.world.nowMs, host };
    const kills = this.#kills.get(name);
    if (kills === undefined) this.#kills.set(name, [kill]);
    else kills.push(kill);
  }

  #put(effect: Extract<Effect, { kind: 'put' }>): void {
    const value = this.values[effect.id] as Value;
    const order = `${value.asked.by} ${effect.place}`;
    const last = this.#lastAsked.get(order);
    if (value.birth !== undefined && value.crashes === this.crashes)
      this.fail('exactly once', `value ${value.id} of ${effect.place} was written twice`);
    if (last !== undefined && last > value.asked.number) {
      this.fail('order', `value ${value.id} of ${effect.place} landed after a later write of ${value.asked.by}`);
    }
    this.#lastAsked.set(order, value.asked.number);
    this.#kill(writtenName(effect.place), effect.host);
    value.birth = this.seq;
    value.crashes = this.crashes;
    for (const name of value.births.keys()) value.births.set(name, this.seq);
  }

  /** When a value died, if it has. */
  death(value: Value): (Moment & { name: string }) | undefined {
    let first: (Moment & { name: string }) | undefined;
    for (const [name, birth] of value.births) {
      const kill = this.#kills.get(name)?.find((each) => each.seq > birth);
      if (kill !== undefined && (first === undefined || kill.seq < first.seq)) first = { ...kill, name };
    }
    return first;
  }

  /** An operation of a host (and, where it has a near tier, of a process) that kills what carries a name was acknowledged. */
  acknowledged(host: string, process: string | undefined, name: string, asked: Moment): void {
    const kill = this.#kills.get(name)?.find((each) => each.seq > asked.seq && each.host === host);
    if (kill === undefined) {
      this.fail('nothing lost', `${host} was told of ${name}, which never committed`);
      return;
    }
    this.#raiseFloor(host, name, kill.seq);
    if (process !== undefined) this.#raiseFloor(process, name, kill.seq);
  }

  #raiseFloor(who: string, name: string, seq: number): void {
    // A new map each time: reads that are out keep the one that they were asked under.
    const floors = new Map(this.#floors.get(who));
    floors.set(name, Math.max(floors.get(name) ?? 0, seq));
    this.#floors.set(who, floors);
  }

  /** What a host, or one of its connected processes, had been told of by now: taken when a read is asked. */
  floor(who: string): ReadonlyMap<string, number> {
    return this.#floors.get(who) ?? NOTHING;
  }

  processFloor(process: string, place: string): number {
    return this.#processFloors.get(`${process} ${place}`) ?? 0;
  }

  raiseProcessFloor(process: string, place: string, birth: number): void {
    const name = `${process} ${place}`;
    this.#processFloors.set(name, Math.max(birth, this.#processFloors.get(name) ?? 0));
  }

  /** A load is handed out where nothing is there: it takes the place of nothing, which came later. */
  replaced(id: number): void {
    const value = this.values[id] as Value;
    if (!value.refreshes)
      this.fail('no late fill', `value ${id} of ${value.place} replaced what its load had not missed`);
  }

  /** After everything has come to an end. */
  checkEnd(): void {
    for (const value of this.mustNotExist) {
      if (value.birth !== undefined && value.crashes === this.crashes)
        this.fail('answers', `value ${value.id} of ${value.place} was written, its caller was told otherwise`);
    }
    for (const counter of this.counts.values()) counter.check(this);
  }

  fail(promise: string, message: string): void {
    if (this.violation !== undefined) return;
    this.world.trace?.(`VIOLATION ${promise}: ${message}`);
    this.violation = new Violation(promise, message);
  }
}

/**
 * Increments of one counter. The n-th has the delta 4^n, so a value's digits to base 4 tell which increments it holds,
 * and how often.
 */
export class CounterTruth {
  readonly place: string;
  value = 0;
  asked = 0;
  restarts = 0;
  /** By the number of an increment: what its caller was told. */
  readonly told = new Map<number, 'done' | 'failed'>();
  /** How often each was applied since the last crash; which ever were. */
  readonly applied = new Map<number, number>();
  readonly ever = new Set<number>();

  constructor(place: string) {
    this.place = place;
  }

  apply(delta: number, from: number | undefined): void {
    if (from === undefined) this.restarts += 1;
    this.value = (from ?? 0) + delta;
    for (const [at, times] of digits(delta)) {
      this.applied.set(at, (this.applied.get(at) ?? 0) + times);
      this.ever.add(at);
    }
  }

  crash(): void {
    this.value = 0;
    this.applied.clear();
  }

  acknowledge(truth: Truth, number: number, value: number, isSameCrash: boolean): void {
    this.told.set(number, 'done');
    if (digits(value).get(number) !== 1) {
      truth.fail('exactly once', `increment ${number} of ${this.place} was answered with ${value}, which lacks it`);
    }
    if (!this.ever.has(number) || (isSameCrash && this.applied.get(number) !== 1)) {
      truth.fail('nothing lost', `increment ${number} of ${this.place} was acknowledged and did not take effect`);
    }
  }

  /** After everything has come to an end. */
  check(truth: Truth): void {
    for (const [number, times] of this.applied) {
      if (times > 1) truth.fail('exactly once', `increment ${number} of ${this.place} took effect ${times} times`);
    }
    for (const number of this.ever) {
      if (this.told.get(number) === 'failed') {
        truth.fail('exactly once', `increment ${number} of ${this.place} took effect, its caller was told otherwise`);
      }
    }
  }
}

export function digits(value: number): Map<number, number> {
  const found = new Map<number, number>();
  for (let at = 0, rest = value; rest > 0; at += 1, rest = Math.floor(rest / 4)) {
    if (rest % 4 > 0) found.set(at, rest % 4);
  }
  return found;
}
