import type { LoadContext } from './cache.js';
import { type CheckedSetOptions, ttlToMs } from './duration.js';
import { checkTags } from './key.js';

/** After this many refusals by the table a load's value is answered and not stored. */
export const REFUSALS_MAX = 2;

/** One run of a load: what it returned, and what it said about it. */
export class LoadRun implements LoadContext {
  readonly signal: AbortSignal;
  readonly stale: unknown;
  ttlMs: number | undefined;
  tags: readonly string[];
  skipped = false;

  /** @param stale the value that has expired, if there is one */
  constructor(signal: AbortSignal, options: CheckedSetOptions, stale?: unknown) {
    this.signal = signal;
    this.stale = stale;
    this.ttlMs = options.ttlMs;
    this.tags = options.tags;
  }

  setTtl(ttl: number | string): void {
    this.ttlMs = ttlToMs(ttl);
  }

  setTags(tags: readonly string[]): void {
    this.tags = checkTags([...this.tags, ...checkTags(tags)]);
  }

  skip(): void {
    this.skipped = true;
  }
}
