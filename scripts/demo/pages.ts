import type { Cache } from '../../shared/cache.js';
import type { Checker } from './checker.js';
import type { Counts } from './counts.js';
import { nowNs, type Page } from './messages.js';
import {
  type City,
  type Country,
  cityKey,
  countryKey,
  countryTag,
  type Queryable,
  readCity,
  readCountry,
  viewsKey,
} from './model.js';

/** Short, so that pages expire while the demo runs. */
const PAGE_TTL = '10s';
const VIEWS_TTL = '2h';
/** Of so many reads one is repeated without the cache, to compare. */
const COMPARE_EVERY = 10;

interface Versioned {
  readonly version: number;
}

interface PageSource<T> {
  readonly key: string;
  query(): Promise<T | undefined>;
  tagsOf(value: T): string[];
}

interface PageRead<T> {
  readonly value: T | undefined;
  /** Whether this process did not have to run the query. */
  readonly isHit: boolean;
  readonly tookNs: number;
}

/** What the application reads, all of it through the cache; the checker hears of every value. */
export class Pages {
  readonly #cache: Cache;
  readonly #database: Queryable;
  readonly #checker: Checker;
  readonly #counts: Counts;

  constructor(cache: Cache, database: Queryable, checker: Checker, counts: Counts) {
    this.#cache = cache;
    this.#database = database;
    this.#checker = checker;
    this.#counts = counts;
  }

  city(id: number): Promise<City | undefined> {
    return this.#timed('city', this.#cityPage(id));
  }

  country(code: string): Promise<Country | undefined> {
    const query = () => readCountry(this.#database, code);
    return this.#timed('country', { key: countryKey(code), query, tagsOf: () => [countryTag(code)] });
  }

  /** The city's page again, as somebody reads it who waits for a change: left out of the latencies. */
  async watchedCity(id: number): Promise<City | undefined> {
    return (await this.#read(this.#cityPage(id))).value;
  }

  /** The city's page if the cache has it. */
  async cachedCity(id: number): Promise<City | undefined> {
    const startedNs = nowNs();
    const city = await this.#cache.get<City>(cityKey(id));
    this.#saw(cityKey(id), city, startedNs);
    return city;
  }

  /** Those of the keys that the cache has. */
  async cachedMany(keys: readonly string[]): Promise<Map<string, Versioned>> {
    const startedNs = nowNs();
    const found = await this.#cache.getMany<Versioned>(keys);
    for (const [key, value] of found) this.#saw(key, value, startedNs);
    return found;
  }

  async countView(id: number): Promise<number> {
    const views = await this.#cache.incr(viewsKey(id), 1, VIEWS_TTL);
    this.#counts.incremented(viewsKey(id));
    return views;
  }

  #cityPage(id: number): PageSource<City> {
    const query = () => readCity(this.#database, id);
    return { key: cityKey(id), query, tagsOf: ({ country }) => [countryTag(country)] };
  }

  async #timed<T extends Versioned>(page: Page, source: PageSource<T>): Promise<T | undefined> {
    const latency = this.#counts.latency[page];
    const { value, isHit, tookNs } = await this.#read(source);
    latency.all.record(tookNs);
    if (isHit) latency.hit.record(tookNs);
    if (latency.all.total % COMPARE_EVERY === 0) {
      const startedNs = nowNs();
      await source.query();
      latency.query.record(nowNs() - startedNs);
    }
    return value;
  }

  async #read<T extends Versioned>({ key, query, tagsOf }: PageSource<T>): Promise<PageRead<T>> {
    let isHit = true;
    const startedNs = nowNs();
    const value = await this.#cache.getOrSet(
      key,
      async (load) => {
        isHit = false;
        const row = await query();
        if (row !== undefined) load.setTags(tagsOf(row));
        return row;
      },
      PAGE_TTL,
    );
    const tookNs = this.#saw(key, value, startedNs);
    if (!isHit) this.#counts.loads += 1;
    return { value, isHit, tookNs };
  }

  #saw(key: string, value: Versioned | undefined, startedNs: number): number {
    const endedNs = nowNs();
    this.#counts.reads += 1;
    if (value !== undefined) this.#checker.observe(key, value.version, startedNs, endedNs);
    return endedNs - startedNs;
  }
}
