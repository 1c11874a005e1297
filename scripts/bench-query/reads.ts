import type { Zipf } from './random.js';
import { ACTIVE, COUNTS, type Places } from './schema.js';

/** One kind of query, with one parameter. */
export interface ReadKind {
  readonly weight: number;
  readonly kind: string;
  /** The counter of changes that column `v` of its result shows, by the parameter; missing where it shows none. */
  readonly counter?: string;
  readonly text: string;
  value(places: Places, zipf: Zipf): number | string;
}

const product = (_places: Places, zipf: Zipf): number => 1 + zipf(COUNTS.products);
const customer = (_places: Places, zipf: Zipf): number => 1 + zipf(ACTIVE.users);

/** What a shop is asked: rows by primary key, joins, aggregates, views. */
export const READS: readonly ReadKind[] = [
  {
    weight: 25,
    kind: 'product by key',
    counter: 'product',
    text: 'SELECT *, version AS v FROM products WHERE id = $1',
    value: product,
  },
  {
    weight: 20,
    kind: 'city by key',
    counter: 'city',
    text: 'SELECT *, version AS v FROM cities WHERE id = $1',
    value: ({ cities }, zipf) => cities[zipf(ACTIVE.cities)]!,
  },
  {
    weight: 15,
    kind: 'order by key',
    counter: 'order',
    text: 'SELECT *, version AS v FROM orders WHERE id = $1',
    value: (_places, zipf) => 1 + zipf(ACTIVE.orders),
  },
  {
    weight: 10,
    kind: 'user and city (join)',
    text: 'SELECT u.*, c.name AS city_name FROM users AS u JOIN cities AS c ON c.id = u.city WHERE u.id = $1',
    value: customer,
  },
  {
    weight: 10,
    kind: 'rating (view)',
    counter: 'ratings',
    text: 'SELECT * FROM product_ratings WHERE id = $1',
    value: product,
  },
  {
    weight: 8,
    kind: 'products of a category',
    counter: 'category',
    text: `SELECT count(*)::int AS n, array_agg(id ORDER BY price DESC, id) AS ids, sum(version)::int AS v FROM products WHERE category = $1`,
    value: (_places, zipf) => 1 + zipf(COUNTS.categories),
  },
  {
    weight: 6,
    kind: 'orders of a user (view)',
    counter: 'orders',
    text: `SELECT count(*)::int AS n, sum(total)::int AS spent, coalesce(sum(v), 0)::int AS v FROM order_totals WHERE customer = $1`,
    value: customer,
  },
  {
    weight: 4,
    kind: 'cities of a country',
    counter: 'country',
    text: 'SELECT count(*)::int AS n, sum(population::bigint) AS people, sum(version)::int AS v FROM cities WHERE country = $1',
    value: ({ countries }, zipf) => countries[zipf(countries.length)]!,
  },
  {
    weight: 3,
    kind: 'best sellers',
    text: `SELECT product, sum(quantity)::int AS sold FROM order_lines GROUP BY product ORDER BY sold DESC, product LIMIT $1`,
    value: (_places, zipf) => 10 * (1 + zipf(3)),
  },
  {
    weight: 3,
    kind: 'sales in a country (view)',
    text: 'SELECT * FROM country_sales WHERE country = $1',
    value: ({ countries }, zipf) => countries[zipf(20)]!,
  },
];
