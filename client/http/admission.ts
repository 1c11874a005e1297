import { createHash } from 'node:crypto';

/** Groups that are watched at a time, and entries in all of them; the group that was quiet longest is forgotten. */
const GROUPS_MAX = 10_000;
const MEMBERS_MAX = 200_000;
/** Keys that are marked at a time as not shared, and for how long. */
const PASSING_MAX = 10_000;
const PASSING_MS = 60_000;
/** A longer name is held as its digest: names come from clients. */
const NAME_LENGTH_MAX = 64;

const held = (name: string) =>
  name.length <= NAME_LENGTH_MAX ? name : createHash('sha256').update(name).digest('base64url');

/**
 * How many entries a group (a path, a URL) may have at a time, as far as this process lets them in: what a flood of random
 * queries or headers asks for is answered, and not stored. Who is in stays in while it lives.
 */
export class Admission {
  readonly #max: number;
  readonly #groups = new Map<string, Map<string, number>>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** @param lifeMs how long the entry takes its place, from now on */
  admit(groupName: string, name: string, lifeMs: number, nowMs: number): boolean {
    const group = held(groupName);
    const key = held(name);
    const members = this.#groups.get(group) ?? new Map<string, number>();
    this.#groups.delete(group);
    this.#groups.set(group, members);
    const untilMs = members.get(key);
    if (untilMs === undefined) {
      if (members.size >= this.#max) this.#sweep(members, nowMs);
      if (members.size >= this.#max) return false;
      this.#count++;
    }
    members.set(key, Math.max(untilMs ?? 0, nowMs + lifeMs));
    this.#forget();
    return true;
  }

  #sweep(members: Map<string, number>, nowMs: number): void {
    for (const [key, untilMs] of members) {
      if (untilMs > nowMs) continue;
      members.delete(key);
      this.#count--;
    }
  }

  /** Of the groups, the one that came last stays. */
  #forget(): void {
    for (const [group, members] of this.#groups) {
      const isWithin = this.#groups.size <= GROUPS_MAX && this.#count <= MEMBERS_MAX;
      if (isWithin || this.#groups.size === 1) return;
      this.#groups.delete(group);
      this.#count -= members.size;
    }
  }
}

/** Keys whose pages turned out not to be shared: who asks next does not wait for somebody else's (hit-for-miss). */
export class Passing {
  readonly #until = new Map<string, number>();

  add(name: string, nowMs: number): void {
    const key = held(name);
    this.#until.delete(key);
    this.#until.set(key, nowMs + PASSING_MS);
    for (const oldest of this.#until.keys()) {
      if (this.#until.size <= PASSING_MAX) return;
      this.#until.delete(oldest);
    }
  }

  has(name: string, nowMs: number): boolean {
    const key = held(name);
    const untilMs = this.#until.get(key);
    if (untilMs === undefined) return false;
    if (untilMs > nowMs) return true;
    this.#until.delete(key);
    return false;
  }

  delete(name: string): void {
    this.#until.delete(held(name));
  }
}
