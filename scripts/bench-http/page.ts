import type pg from 'pg';

/** A shop's page of one category: its products with what people think of them. */
export const CATEGORIES = 20;
const PRODUCTS = 10_000;
const REVIEWS_EACH = 10;
const PRODUCTS_SHOWN = 60;
export const PAGE_TTL_SECONDS = 3600;

const TABLES = `
  CREATE TABLE products (id int PRIMARY KEY, category int NOT NULL, name text NOT NULL, price numeric NOT NULL);
  CREATE TABLE reviews (product int NOT NULL, stars int NOT NULL, at timestamptz NOT NULL);
  INSERT INTO products SELECT i, i % ${CATEGORIES}, 'Product No. ' || i, (i % 997) + 0.99 FROM generate_series(1, ${PRODUCTS}) AS i;
  INSERT INTO reviews SELECT i % ${PRODUCTS} + 1, i % 5 + 1, timestamptz '2026-01-01' + i * interval '1 minute'
    FROM generate_series(1, ${PRODUCTS * REVIEWS_EACH}) AS i;
  CREATE INDEX ON products (category);
  CREATE INDEX ON reviews (product)`;

const LISTED = `
  SELECT id, name, price, count(*)::int AS reviews, round(avg(stars), 2) AS stars, max(at)::date::text AS latest
  FROM products JOIN reviews ON product = id WHERE category = $1
  GROUP BY id ORDER BY stars DESC, reviews DESC, id LIMIT ${PRODUCTS_SHOWN}`;

interface Listed {
  readonly id: number;
  readonly name: string;
  readonly price: string;
  readonly reviews: number;
  readonly stars: string;
  readonly latest: string;
}

export const pathOf = (category: number): string => `/categories/${category}`;
export const PATHS = Array.from({ length: CATEGORIES }, (_, category) => pathOf(category));

export async function fillShop(client: pg.Client): Promise<void> {
  await client.query(TABLES);
  await client.query('VACUUM ANALYZE products, reviews');
}

/** @returns 10 kB of HTML */
export async function renderCategory(pool: pg.Pool, category: number): Promise<string> {
  const { rows } = await pool.query<Listed>({ name: 'listed', text: LISTED, values: [category] });
  const items = rows.map(
    ({ id, name, price, reviews, stars, latest }) =>
      `<li class="product"><a href="/products/${id}">${name}</a> <b class="price">${price} €</b> <span title="${reviews} reviews">${stars} of 5</span> <i>last on ${latest}</i></li>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Category ${category}</title></head>
<body><h1>Category ${category}</h1><ul>\n${items.join('\n')}\n</ul></body></html>\n`;
}

export const CONSTANT_PAGE = `<!doctype html><title>constant</title>${'x'.repeat(10_240 - 40)}\n`;
