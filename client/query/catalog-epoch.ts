import { randomUUID } from 'node:crypto';
import { wholeNames } from '../../shared/table/names.js';
import { TABLES_NAMESPACE } from '../../shared/table-tags.js';
import type { PgCachedClient } from '../client.js';
import { dependOn, within } from '../parts.js';

const KEY = 'pgcached catalog';

/**
 * Tells that definitions have changed, on any server: an entry of the cache that dies with everything that is made of queries, as
 * each change of a definition through a wrapper logs it. What was learned of the catalog while the entry was another one counts no
 * more.
 *
 * A query's tables are found before it runs, and kept with a result that is filled under a lease. The race:
 *
 *   here                                elsewhere
 *   learns that the view v reads a
 *                                       CREATE OR REPLACE VIEW v … FROM b; logs it
 *   is given a lease, runs SELECT … FROM v, keeps it as made of a
 *
 * So the entry is looked at once more when the lease is there: a change that the lease has not seen drops the result, and one
 * that it has seen has dropped the entry.
 */
export class CatalogEpoch {
  readonly #cache: PgCachedClient;

  constructor(cache: PgCachedClient) {
    this.#cache = cache;
  }

  /** To be asked before the catalog is; undefined where the cache stores nothing. */
  current(place: string): Promise<string | undefined> {
    const load = () => {
      dependOn(place, wholeNames(TABLES_NAMESPACE));
      return randomUUID();
    };
    return within(undefined, async () => {
      const epoch = await this.#cache.getOrSet(KEY, load, { ttl: Number.POSITIVE_INFINITY, inherit: true });
      return (await this.#isStill(epoch)) ? epoch : undefined;
    });
  }

  /** Whether what was learned in that epoch holds; false also where that can't be known. */
  holds(epoch: string | undefined): Promise<boolean> {
    return epoch === undefined ? Promise.resolve(false) : this.#isStill(epoch).catch(() => false);
  }

  #isStill(epoch: string): Promise<boolean> {
    return within(undefined, async () => (await this.#cache.get(KEY)) === epoch);
  }
}
