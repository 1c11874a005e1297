import type pg from 'pg';
import type { Cache } from '../../shared/cache.js';
import type { Counts } from './counts.js';
import { type Acknowledged, nowNs, type WriteStyle } from './messages.js';
import { cityKey, countryKey, countryTag, growCity, type Queryable, touchCity, type Written } from './model.js';

const WRITTEN_TTL = '10s';

/** One style a city: writing through has a rule of its own (below), which all writers of a key must keep. */
export function styleOf(id: number): WriteStyle {
  const part = id % 16;
  if (part === 0) return 'invalidateTags';
  return part <= 8 ? 'delete' : 'set';
}

/**
 * What the application writes: the row in Postgres first, then the cache.
 *
 * Who deletes the key, or invalidates a tag, need not care about other writers. Who puts the new value there must: the
 * writers of one key take turns from before the row's change until the cache has it. Otherwise: A commits version 5; B
 * commits version 6 and stores it; A stores 5.
 */
export class Writes {
  readonly #cache: Cache;
  readonly #pool: pg.Pool;
  readonly #counts: Counts;
  readonly #acknowledged: (writes: readonly Acknowledged[]) => void;

  constructor(cache: Cache, pool: pg.Pool, counts: Counts, acknowledged: (writes: readonly Acknowledged[]) => void) {
    this.#cache = cache;
    this.#pool = pool;
    this.#counts = counts;
    this.#acknowledged = acknowledged;
  }

  /** @returns the new version and when its row was committed; undefined where there is no such city */
  async change(id: number): Promise<{ version: number; committedNs: number } | undefined> {
    const style = styleOf(id);
    if (style === 'set') return this.#inTurn(id, (connection) => this.#write(style, id, connection));
    return this.#write(style, id, this.#pool);
  }

  async #write(
    style: WriteStyle,
    id: number,
    database: Queryable,
  ): Promise<{ version: number; committedNs: number } | undefined> {
    const written = await (style === 'invalidateTags' ? growCity(database, id) : touchCity(database, id));
    if (written === undefined) return undefined;
    const committedNs = nowNs();
    await this.#tellCache(style, written);
    const atNs = nowNs();
    this.#counts.writes[style] += 1;
    const { city, countryVersion } = written;
    const writes = [{ key: cityKey(id), version: city.version, atNs }];
    if (countryVersion !== undefined) writes.push({ key: countryKey(city.country), version: countryVersion, atNs });
    this.#acknowledged(writes);
    return { version: city.version, committedNs };
  }

  async #tellCache(style: WriteStyle, { city }: Written): Promise<void> {
    const tags = [countryTag(city.country)];
    if (style === 'set') await this.#cache.set(cityKey(city.id), city, { ttl: WRITTEN_TTL, tags });
    else if (style === 'delete') await this.#cache.delete(cityKey(city.id));
    else await this.#cache.invalidateTags(tags);
  }

  async #inTurn<T>(id: number, write: (connection: pg.PoolClient) => Promise<T>): Promise<T> {
    const connection = await this.#pool.connect();
    try {
      await connection.query('SELECT pg_advisory_lock($1)', [id]);
      const result = await write(connection);
      await connection.query('SELECT pg_advisory_unlock($1)', [id]);
      connection.release();
      return result;
    } catch (error) {
      connection.release(true); // closing the connection gives back the turn
      throw error;
    }
  }
}
