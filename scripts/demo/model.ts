import type pg from 'pg';

/** A row of `cities`. Whoever changes it counts its version up. */
export interface City {
  readonly id: number;
  readonly name: string;
  readonly country: string;
  readonly region: string;
  readonly population: number;
  readonly longitude: number;
  readonly latitude: number;
  readonly version: number;
}

/** What a country's page shows: computed from all its cities. */
export interface Country {
  readonly code: string;
  readonly version: number;
  readonly cities: number;
  readonly population: number;
  readonly biggest: readonly { readonly id: number; readonly name: string; readonly population: number }[];
}

/** The versions that one statement made. */
export interface Written {
  readonly city: City;
  readonly countryVersion: number | undefined;
}

export const cityKey = (id: number): string => `city:${id}`;
export const countryKey = (code: string): string => `country:${code}`;
export const viewsKey = (id: number): string => `views:${id}`;
/** Everything that shows something of the country carries this tag. */
export const countryTag = (code: string): string => `country:${code}`;

const CITY = { name: 'city', text: 'SELECT * FROM cities WHERE id = $1' };

const COUNTRY = {
  name: 'country',
  text: `
    SELECT code, version,
      (SELECT count(*)::int FROM cities WHERE country = code) AS cities,
      (SELECT sum(population)::float8 FROM cities WHERE country = code) AS population,
      (SELECT json_agg(json_build_object('id', id, 'name', name, 'population', population))
       FROM (SELECT id, name, population FROM cities WHERE country = code ORDER BY population DESC LIMIT 5) AS big
      ) AS biggest
    FROM countries WHERE code = $1`,
};

const TOUCH = { name: 'touch', text: 'UPDATE cities SET version = version + 1 WHERE id = $1 RETURNING *' };

/** One statement, one transaction: the two versions become visible together. */
const GROW = {
  name: 'grow',
  text: `
    WITH city AS (
      UPDATE cities SET population = population + 1, version = version + 1 WHERE id = $1 RETURNING *
    ), land AS (
      UPDATE countries SET version = countries.version + 1 FROM city WHERE code = city.country RETURNING countries.version
    )
    SELECT city.*, land.version AS land_version FROM city, land`,
};

export type Queryable = Pick<pg.Pool, 'query'>;

export async function readCity(database: Queryable, id: number): Promise<City | undefined> {
  return (await database.query<City>({ ...CITY, values: [id] })).rows[0];
}

export async function readCountry(database: Queryable, code: string): Promise<Country | undefined> {
  return (await database.query<Country>({ ...COUNTRY, values: [code] })).rows[0];
}

/** Changes a row that only the city's page shows. */
export async function touchCity(database: Queryable, id: number): Promise<Written | undefined> {
  const [city] = (await database.query<City>({ ...TOUCH, values: [id] })).rows;
  return city && { city, countryVersion: undefined };
}

/** Changes what the city's page and its country's page show. */
export async function growCity(database: Queryable, id: number): Promise<Written | undefined> {
  const [row] = (await database.query<City & { land_version: number }>({ ...GROW, values: [id] })).rows;
  if (row === undefined) return undefined;
  const { land_version: countryVersion, ...city } = row;
  return { city, countryVersion };
}
