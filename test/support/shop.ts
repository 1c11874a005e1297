/** A small shop for random tests of the query cache: tables that hang together, views, a partitioned table; queries and commits at random. */

export type Below = (limit: number) => number;

export const SHOP_SCHEMA = `
  CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, region int NOT NULL);
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price int NOT NULL);
  CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE, note int NOT NULL DEFAULT 0);
  CREATE TABLE lines (order_id int REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE, n int,
    product int REFERENCES products ON DELETE SET NULL ON UPDATE CASCADE, quantity int NOT NULL, PRIMARY KEY (order_id, n));
  CREATE TABLE events (id int PRIMARY KEY, customer int NOT NULL, n int NOT NULL) PARTITION BY HASH (id);
  CREATE TABLE events_a PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE events_b PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE VIEW totals AS SELECT o.id, o.customer, sum(l.quantity * p.price)::int AS total FROM orders AS o
    JOIN lines AS l ON l.order_id = o.id JOIN products AS p ON p.id = l.product GROUP BY o.id;
  CREATE VIEW cheap AS SELECT id, name FROM products WHERE price < 6;
  CREATE VIEW spent AS SELECT c.id, c.region, coalesce(sum(t.total), 0)::int AS spent FROM customers AS c
    LEFT JOIN totals AS t ON t.customer = c.id GROUP BY c.id;
  INSERT INTO customers SELECT i, 'c' || i, i % 3 FROM generate_series(1, 16) AS i;
  INSERT INTO products SELECT i, 'p' || i, i % 12 FROM generate_series(1, 16) AS i;
  INSERT INTO orders SELECT i, 1 + i % 16 FROM generate_series(1, 24) AS i;
  INSERT INTO lines SELECT 1 + i % 24, i, 1 + i % 16, i % 5 FROM generate_series(1, 60) AS i;
  INSERT INTO events SELECT i, 1 + i % 16, i FROM generate_series(1, 20) AS i`;

export const SHOP_TABLES = ['customers', 'products', 'orders', 'lines', 'events'] as const;
/** Identifiers are drawn from a few more than there are. */
const IDS = 18;

export interface ShopQuery {
  readonly text: string;
  readonly values: readonly unknown[];
}

const asked = (text: string, ...values: unknown[]): ShopQuery => ({ text, values });

/** By primary key and by another column, IN, joins, aggregates, subqueries, CTEs, views, the partitioned table and its partitions. */
export function randomQuery(next: Below): ShopQuery {
  const id = () => 1 + next(IDS);
  const kinds: (() => ShopQuery)[] = [
    () => asked('SELECT * FROM customers WHERE id = $1', id()),
    () => asked('SELECT name, price FROM products WHERE id = $1', id()),
    () => asked('SELECT * FROM orders WHERE id = $1', id()),
    () => asked('SELECT * FROM lines WHERE order_id = $1 AND n = $2', id(), id()),
    () => asked('SELECT * FROM events WHERE id = $1', id()),
    () => asked('SELECT n FROM events_a WHERE id = $1', id()),
    () => asked(`SELECT id, name FROM products WHERE id IN (${id()}, ${id()}, ${id()}) ORDER BY id`),
    () => asked('SELECT id, name FROM customers WHERE id = ANY ($1::int[]) ORDER BY id', [id(), id()]),
    () => asked('SELECT id, name FROM customers WHERE region = $1 ORDER BY id', next(3)),
    () => asked('SELECT order_id, n FROM lines WHERE product = $1 ORDER BY order_id, n', id()),
    () => asked('SELECT count(*)::int AS n, max(price) AS top FROM products'),
    () => asked('SELECT customer, count(*)::int AS n FROM orders GROUP BY customer ORDER BY customer'),
    () => asked('SELECT o.id, c.name FROM orders AS o JOIN customers AS c ON c.id = o.customer WHERE o.id = $1', id()),
    () =>
      asked(
        'SELECT l.n, p.name FROM lines AS l LEFT JOIN products AS p ON p.id = l.product WHERE l.order_id = $1 ORDER BY l.n',
        id(),
      ),
    () => asked('SELECT total FROM totals WHERE id = $1', id()),
    () => asked('SELECT * FROM cheap ORDER BY id LIMIT 4'),
    () => asked('SELECT region, sum(spent)::int AS spent FROM spent GROUP BY region ORDER BY region'),
    () => asked('SELECT spent FROM spent WHERE id = $1', id()),
    () => asked('SELECT sum(n)::int AS n FROM events'),
    () => asked('SELECT count(*)::int AS n FROM events_b WHERE customer < $1', id()),
    () =>
      asked(
        'SELECT name FROM customers WHERE EXISTS (SELECT FROM orders WHERE customer = customers.id AND note > 0) ORDER BY name',
      ),
    () => asked('WITH big AS (SELECT id FROM totals WHERE total > $1) SELECT count(*)::int AS n FROM big', next(30)),
    () =>
      asked(
        'SELECT (SELECT name FROM products WHERE id = $1) AS a, (SELECT name FROM customers WHERE id = $2) AS b',
        id(),
        id(),
      ),
    () =>
      asked(
        'SELECT id FROM orders WHERE customer = $1 UNION SELECT id FROM events WHERE customer = $1 ORDER BY 1',
        id(),
      ),
  ];
  return kinds[next(kinds.length)]!();
}

/** One statement that writes: often one row, now and then many, all, or what others cascade to. */
export function randomWrite(next: Below): string {
  const id = () => 1 + next(IDS);
  const rare = next(25) === 0;
  if (rare) {
    const wide = [
      'TRUNCATE events',
      'TRUNCATE lines',
      'TRUNCATE orders CASCADE',
      'UPDATE products SET price = price + 1',
      'DELETE FROM customers WHERE region = 0',
    ];
    return wide[next(wide.length)]!;
  }
  const kinds = [
    () => `UPDATE customers SET name = name || 'x' WHERE id = ${id()}`,
    () => `UPDATE customers SET region = ${next(3)} WHERE id = ${id()}`,
    () => `UPDATE products SET price = ${next(12)} WHERE id = ${id()}`,
    () => `UPDATE products SET name = 'new' || price WHERE id IN (${id()}, ${id()})`,
    () => `UPDATE orders SET note = note + 1 WHERE id = ${id()}`,
    () => `UPDATE lines SET quantity = ${next(9)} WHERE order_id = ${id()}`,
    () => `UPDATE events SET n = n + 1 WHERE id = ${id()}`,
    () => `UPDATE events_${next(2) === 0 ? 'a' : 'b'} SET n = n + 1 WHERE id < ${id()}`,
    () =>
      `INSERT INTO customers VALUES (${id()}, 'again', ${next(3)}) ON CONFLICT (id) DO UPDATE SET region = ${next(3)}`,
    () => `INSERT INTO products VALUES (${id()}, 'again', ${next(12)}) ON CONFLICT DO NOTHING`,
    () => `INSERT INTO orders SELECT ${id()}, min(id) FROM customers WHERE id >= ${id()} ON CONFLICT DO NOTHING`,
    () =>
      `INSERT INTO lines SELECT id, ${id()}, (SELECT max(id) FROM products), 2 FROM orders WHERE id = ${id()} ON CONFLICT DO NOTHING`,
    () => `INSERT INTO events VALUES (${id()}, ${id()}, 1) ON CONFLICT (id) DO UPDATE SET n = events.n + 1`,
    () => `DELETE FROM customers WHERE id = ${id()}`,
    () => `DELETE FROM products WHERE id = ${id()}`,
    () => `DELETE FROM orders WHERE id = ${id()}`,
    () =>
      `UPDATE customers SET id = id + 100 WHERE id = ${id()} AND NOT EXISTS (SELECT FROM customers AS c WHERE c.id = customers.id + 100)`,
    () =>
      `UPDATE customers SET id = id - 100 WHERE id = (SELECT min(id) FROM customers WHERE id > 100) AND NOT EXISTS (SELECT FROM customers AS c WHERE c.id = customers.id - 100)`,
    () =>
      `WITH gone AS (DELETE FROM lines WHERE order_id = ${id()} RETURNING *) UPDATE orders SET note = note + 1 WHERE id IN (SELECT order_id FROM gone)`,
    () => `UPDATE products SET price = price WHERE false`,
  ];
  return kinds[next(kinds.length)]!();
}

/** A commit or a rollback, as the statements of one connection. */
export function randomTransaction(next: Below): string[] {
  if (next(3) === 0) return [randomWrite(next)];
  const some = () => Array.from({ length: 1 + next(2) }, () => randomWrite(next));
  const undone = next(4) === 0 ? ['SAVEPOINT s', ...some(), 'ROLLBACK TO s'] : [];
  return ['BEGIN', ...some(), ...undone, next(4) === 0 ? 'ROLLBACK' : 'COMMIT'];
}
