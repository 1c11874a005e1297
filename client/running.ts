import type { Load } from '../shared/cache.js';
import type { CheckedSetOptions } from '../shared/duration.js';
import { LoadRun } from '../shared/load-run.js';
import { type PartReader, Parts, within } from './parts.js';

export interface RunningOptions {
  readonly signal: AbortSignal;
  readonly terms: CheckedSetOptions;
  /** The value that has expired, if there is one. */
  readonly stale?: unknown;
  /** The database that the value is to be stored in; undefined where it inherits nothing. */
  readonly place: string | undefined;
}

/** A load that runs, and what it reads meanwhile. */
export class Running {
  readonly run: LoadRun;
  readonly parts: Parts | undefined;
  readonly #result: Promise<unknown>;

  /** Calls the load. */
  constructor(load: Load<unknown>, { signal, terms, stale, place }: RunningOptions) {
    this.run = new LoadRun(signal, terms, stale);
    this.parts = place === undefined ? undefined : new Parts(place);
    this.#result = within(this.parts, async () => load(this.run));
  }

  /** The value, or what the load threw; either way the load around it learns what it read. */
  async result(key: string, reader: PartReader | undefined): Promise<unknown> {
    try {
      return await this.#result;
    } finally {
      reader?.loaded(key, this.run.tags, this.parts);
    }
  }
}
