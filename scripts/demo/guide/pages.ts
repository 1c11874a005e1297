import type pg from 'pg';
import type { Place } from '../cities.js';

/**
 * The pages of the guide. Each shows of every row that it was made from which version that is, by `data-row` in HTML and `row` in
 * JSON, as table:key:version:population, so that whoever reads it can tell how old it is. A row comes from one query in each page:
 * two queries may stand on either side of a commit, with a cache or without.
 */
export const COUNTRIES_SHOWN = 15;
export const CITIES_LISTED = 10;
const CITIES_ON_TOP = 10;

interface City {
  readonly id: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly version: number;
}
interface Country {
  readonly code: string;
  readonly version: number;
}

const CITY_COLUMNS = 'id, name, country, population, version';
const TOP = `SELECT ${CITY_COLUMNS} FROM cities ORDER BY population DESC, id LIMIT ${CITIES_ON_TOP}`;
const LISTED = `SELECT ${CITY_COLUMNS} FROM cities WHERE country = $1 ORDER BY population DESC, id LIMIT ${CITIES_LISTED}`;
const CITY = `SELECT ${CITY_COLUMNS} FROM cities WHERE id = $1`;
const COUNTRIES = 'SELECT code, version FROM countries WHERE code = ANY ($1::text[]) ORDER BY code';
const COUNTRY = 'SELECT code, version FROM countries WHERE code = $1';

const cityRow = ({ id, version, population }: City) => `cities:${id}:${version}:${population}`;
const countryRow = ({ code, version }: Country) => `countries:${code}:${version}:0`;

const escaped = (text: string) => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
const cityItem = (city: City) =>
  `<li data-row="${cityRow(city)}"><a href="/cities/${city.id}">${escaped(city.name)}</a> ${city.population.toLocaleString('en')}</li>`;
const countryItem = (country: Country) =>
  `<li data-row="${countryRow(country)}"><a href="/countries/${country.code}">${country.code}</a></li>`;
const page = (title: string, content: string) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body><h1>${title}</h1>${content}</body></html>\n`;

/** The countries that the guide shows: those of the biggest cities. */
export function shownCountries(places: readonly Place[]): string[] {
  return [...new Set(places.map(({ country }) => country))].slice(0, COUNTRIES_SHOWN);
}

export interface Answer {
  readonly type: 'html' | 'json';
  readonly body: string;
}
const html = (title: string, content: string): Answer => ({ type: 'html', body: page(title, content) });

/** What the guide answers, by path; undefined where there is no such page. */
export class Guide {
  readonly #pool: Pick<pg.Pool, 'query'>;
  readonly #countries: readonly string[];

  /** @param pool cached or not: nothing here knows of a cache */
  constructor(pool: Pick<pg.Pool, 'query'>, countries: readonly string[]) {
    this.#pool = pool;
    this.#countries = countries;
  }

  async home(): Promise<Answer> {
    const [top, countries] = await Promise.all([
      this.#rows<City>(TOP, []),
      this.#rows<Country>(COUNTRIES, [this.#countries]),
    ]);
    const lists = `<ol>${top.map(cityItem).join('\n')}</ol><ul>${countries.map(countryItem).join('\n')}</ul>`;
    return html('Cities of the world', `<p>The biggest is ${biggest(top)}</p>${lists}`);
  }

  async country(code: string): Promise<Answer | undefined> {
    const [[country], cities] = await this.#countryAndCities(code);
    if (country === undefined) return undefined;
    const list = `<ol>${cities.map(cityItem).join('\n')}</ol>`;
    const api = `<a href="/api/countries/${code}">as JSON</a>`;
    return html(code, `<p data-row="${countryRow(country)}">The biggest is ${biggest(cities)}</p>${list}${api}`);
  }

  async city(id: number): Promise<Answer | undefined> {
    const [city] = await this.#rows<City>(CITY, [id]);
    if (city === undefined) return undefined;
    const [country] = await this.#rows<Country>(COUNTRY, [city.country]);
    const links = `<a href="/">all</a> <a href="/api/cities/${id}">as JSON</a>`;
    return html(
      escaped(city.name),
      `<ul>${cityItem(city)}${country === undefined ? '' : countryItem(country)}</ul>${links}`,
    );
  }

  async cityApi(id: number): Promise<Answer | undefined> {
    const [city] = await this.#rows<City>(CITY, [id]);
    return city && { type: 'json', body: JSON.stringify({ row: cityRow(city), ...city }) };
  }

  async countryApi(code: string): Promise<Answer | undefined> {
    const [[country], cities] = await this.#countryAndCities(code);
    if (country === undefined) return undefined;
    const listed = cities.map((city) => ({ row: cityRow(city), ...city }));
    return { type: 'json', body: JSON.stringify({ row: countryRow(country), ...country, cities: listed }) };
  }

  #countryAndCities(code: string): Promise<[Country[], City[]]> {
    return Promise.all([this.#rows<Country>(COUNTRY, [code]), this.#rows<City>(LISTED, [code])]);
  }

  async #rows<Row extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<Row[]> {
    return (await this.#pool.query<Row>(text, values)).rows;
  }
}

const biggest = ([first]: readonly City[]) =>
  first === undefined ? 'none' : `<b data-row="${cityRow(first)}">${escaped(first.name)}</b>`;
