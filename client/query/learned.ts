import type pg from 'pg';
import { CacheError } from '../../shared/errors.js';
import type { AskCatalog } from './catalog.js';
import { CatalogEpoch } from './catalog-epoch.js';
import { type Classified, Classifier } from './classifier.js';
import type { Gate, OnConnection, Passage } from './gate.js';
import type { CheckedPoolOptions } from './options.js';
import { isProven } from './query-key.js';
import type { QueryRequest } from './request.js';
import type { Session } from './session.js';
import { withClient } from './with-client.js';

/** What queries read, as far as the catalog was asked, and whether that still holds. */
export class Learned {
  readonly #pool: pg.Pool;
  readonly #gate: Gate;
  readonly #catalogTtlMs: number;
  readonly #epochs: CatalogEpoch;
  #classifier: Classifier;
  /** What the classifier knows was learned in this session's sight, while the catalog's epoch was this. */
  #learned: { settings: string; epoch: string } | undefined;
  readonly #learnedIn = new WeakMap<Classified, string>();

  constructor(pool: pg.Pool, gate: Gate, { cache, catalogTtlMs }: Pick<CheckedPoolOptions, 'cache' | 'catalogTtlMs'>) {
    this.#pool = pool;
    this.#gate = gate;
    this.#catalogTtlMs = catalogTtlMs;
    this.#epochs = new CatalogEpoch(cache);
    this.#classifier = new Classifier(catalogTtlMs);
  }

  /** What the catalog said counts no more. What is being found out now is thrown away too: it may be from before. */
  forget(): void {
    this.#classifier = new Classifier(this.#catalogTtlMs);
    this.#learned = undefined;
  }

  /**
   * Which tables and rows a query reads, or why that can't be known.
   * @param onConnection where the catalog is asked; on any connection of the pool where it is missing
   */
  async classify(
    { text, parameters = [] }: Pick<QueryRequest, 'text' | 'parameters'>,
    { session, place }: Passage,
    onConnection?: OnConnection,
  ): Promise<Classified> {
    if (this.#learned?.settings !== session.settings) {
      const epoch = await this.#epochs.current(place);
      if (epoch === undefined) return { bypass: 'the cache stores nothing for now' };
      // Names mean something else in another session, and what others changed was heard of.
      this.forget();
      this.#learned = { settings: session.settings, epoch };
    }
    const learned = this.#learned;
    const classified = await this.#classifier.classify(text, parameters, this.#asking(session, onConnection));
    if (classified.bypass === undefined) this.#learnedIn.set(classified, learned.epoch);
    return classified;
  }

  /** Whether what was learned of the catalog for it holds; false also where that can't be known. */
  isCurrent(classified: Classified): Promise<boolean> {
    return this.#epochs.holds(this.#learnedIn.get(classified));
  }

  /** Asks on a connection of the same session, whose names mean the same. */
  #asking(session: Session, onConnection: OnConnection = (work) => withClient(this.#pool, work)): AskCatalog {
    return (text, values) =>
      onConnection(async (client) => {
        if (!(await isProven(client, session))) {
          this.#gate.reset();
          throw new CacheError('ERR_DATABASE', "the pool's connections differ in their settings");
        }
        const { rows } = await client.query({ text, values });
        return rows as Record<string, unknown>[];
      });
  }
}
