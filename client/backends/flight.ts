import type { LoadContext, Ttl } from '../../shared/cache.js';
import { ttlToMs } from '../../shared/duration.js';
import { checkTags } from '../../shared/key.js';

/**
 * A load that is out, and what it has said about the value that it will bring.
 *
 * A late fill must not bring back what was dropped: a flight that began before its key was written or dropped is voided,
 * and its value returned but not stored. With tags it is not known before the end whether an invalidation concerns the
 * value (`setTags` may come last), so each is remembered, with its number:
 *
 *     A: getOrSet(k), load reads the row of t ... B: invalidateTags(t) ... C: getOrSet(k) joins A ... A: setTags(t), done
 *
 * A's value is for A, who asked before the invalidation, and for nobody else: C asked after it, and loads again.
 */
export class Flight implements LoadContext {
  /** The value for all who wait; undefined while a load that may yet turn out synchronous runs. */
  promise: Promise<unknown> | undefined;
  voided = false;
  skipped = false;
  ttlMs: number | undefined;
  readonly stale: unknown;
  readonly #tags: Set<string>;
  readonly #invalidated = new Map<string, number>();
  #invalidations = 0;
  #controller: AbortController | undefined;

  constructor(tags: readonly string[], ttlMs: number | undefined, stale: unknown) {
    this.#tags = new Set(tags);
    this.ttlMs = ttlMs;
    this.stale = stale;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  get tags(): string[] {
    return [...this.#tags];
  }

  /** How many invalidations of tags this flight has seen. */
  get invalidations(): number {
    return this.#invalidations;
  }

  setTtl(ttl: Ttl): void {
    this.ttlMs = ttlToMs(ttl);
  }

  setTags(tags: readonly string[]): void {
    for (const tag of checkTags([...this.#tags, ...checkTags(tags)])) this.#tags.add(tag);
  }

  skip(): void {
    this.skipped = true;
  }

  invalidate(tags: readonly string[]): void {
    this.#invalidations++;
    for (const tag of tags) if (!this.#invalidated.has(tag)) this.#invalidated.set(tag, this.#invalidations);
  }

  /** Whether the tags of the value were invalidated among the first `count` invalidations of this flight's life. */
  invalidatedWithin(count: number): boolean {
    for (const tag of this.#tags) {
      const number = this.#invalidated.get(tag);
      if (number !== undefined && number <= count) return true;
    }
    return false;
  }

  get storable(): boolean {
    return !this.voided && !this.skipped && !this.invalidatedWithin(this.#invalidations);
  }

  abort(reason: unknown): void {
    this.#controller?.abort(reason);
  }
}
