/** Names remembered one by one; beyond it every load that is out counts as too late, which costs loads, not correctness. */
const NAMES_MAX = 10_000;

/**
 * What was written or invalidated while loads were out, so that a value which was computed before is not stored after:
 *
 *     A: load(k) begins, reads the world ... B: delete(k), or invalidateTags(t) ... A: fill(k, value, tags: [t])
 *
 * A's value is for A, who asked before the change, and is not stored. Time is a number that counts changes.
 */
export class LateFills {
  readonly #changedAt = new Map<string, number>();
  #now = 0;
  #everythingAt = 0;

  /** What a load that begins now is to remember. */
  get now(): number {
    return this.#now;
  }

  /** A name was changed. */
  note(name: string): void {
    if (this.#changedAt.size >= NAMES_MAX && !this.#changedAt.has(name)) {
      this.noteAll();
      return;
    }
    this.#changedAt.set(name, ++this.#now);
  }

  /** Everything was changed. */
  noteAll(): void {
    this.#everythingAt = ++this.#now;
    this.#changedAt.clear();
  }

  /** Whether any of the names was changed after a load began. */
  anySince(beganAt: number, names: readonly string[]): boolean {
    return this.#everythingAt > beganAt || names.some((name) => (this.#changedAt.get(name) ?? 0) > beganAt);
  }

  /** No load is out: nobody will ask. */
  forget(): void {
    if (this.#changedAt.size > 0) this.#changedAt.clear();
  }
}
