/** Groups that are watched at a time; the one that was quiet longest is forgotten. */
const GROUPS_MAX = 10_000;

/**
 * How many entries a group (a path, a URL) may have at a time, as far as this process lets them in: what a flood of random
 * queries or headers asks for is answered, and not stored. Who is in stays in while it lives.
 */
export class Admission {
  readonly #max: number;
  readonly #groups = new Map<string, Map<string, number>>();

  constructor(max: number) {
    this.#max = max;
  }

  /** @param lifeMs how long the entry takes its place, from now on */
  admit(group: string, key: string, lifeMs: number, nowMs: number): boolean {
    const members = this.#groups.get(group) ?? new Map<string, number>();
    this.#groups.delete(group);
    this.#groups.set(group, members);
    if (this.#groups.size > GROUPS_MAX) {
      for (const oldest of this.#groups.keys()) {
        this.#groups.delete(oldest);
        break;
      }
    }
    if (!members.has(key) && members.size >= this.#max) this.#sweep(members, nowMs);
    if (!members.has(key) && members.size >= this.#max) return false;
    members.set(key, Math.max(members.get(key) ?? 0, nowMs + lifeMs));
    return true;
  }

  #sweep(members: Map<string, number>, nowMs: number): void {
    for (const [key, untilMs] of members) if (untilMs <= nowMs) members.delete(key);
  }
}

/** Keys whose pages turned out not to be shared: who asks next does not wait for somebody else's (hit-for-miss). */
export class Passing {
  readonly #until = new Map<string, number>();

  add(key: string, nowMs: number): void {
    this.#until.delete(key);
    this.#until.set(key, nowMs + PASSING_MS);
    if (this.#until.size <= PASSING_MAX) return;
    for (const oldest of this.#until.keys()) {
      this.#until.delete(oldest);
      break;
    }
  }

  has(key: string, nowMs: number): boolean {
    const untilMs = this.#until.get(key);
    if (untilMs === undefined) return false;
    if (untilMs > nowMs) return true;
    this.#until.delete(key);
    return false;
  }

  delete(key: string): void {
    this.#until.delete(key);
  }
}

const PASSING_MS = 60_000;
const PASSING_MAX = 10_000;
