import type pg from 'pg';
import { weighted, type Zipf, zipf } from './random.js';
import { READS } from './reads.js';
import { ACTIVE, COUNTS, type Places } from './schema.js';

/** A read: what it asks, and which of the counters of changes its result shows, if any. */
export interface ReadQuery {
  readonly kind: string;
  readonly counter: string | undefined;
  readonly text: string;
  readonly values: readonly [number | string];
}

/** A write: one transaction, and the counters that it raises by one each. */
export interface WriteWork {
  readonly counters: readonly string[];
  run(client: Pick<pg.ClientBase, 'query'>): Promise<unknown>;
}

/** Reads and writes as a shop of its kind makes them; hot cities, products and users first. */
export class Workload {
  readonly #random: () => number;
  readonly #zipf: Zipf;
  readonly #places: Places;
  readonly #writes: readonly { readonly weight: number; readonly make: () => WriteWork }[];

  /** @param random numbers from 0 to below 1 */
  constructor(places: Places, random: () => number) {
    this.#places = places;
    this.#random = random;
    this.#zipf = zipf(random);
    this.#writes = [
      { weight: 35, make: () => this.#changePrice() },
      { weight: 25, make: () => this.#changeStatus() },
      { weight: 20, make: () => this.#placeOrder() },
      { weight: 15, make: () => this.#review() },
      { weight: 5, make: () => this.#growCity() },
    ];
  }

  read(): ReadQuery {
    const { kind, counter, text, value } = weighted(READS, this.#random);
    const given = value(this.#places, this.#zipf);
    return { kind, counter: counter === undefined ? undefined : `${counter} ${given}`, text, values: [given] };
  }

  write(): WriteWork {
    return weighted(this.#writes, this.#random).make();
  }

  #product = () => 1 + this.#zipf(COUNTS.products);
  #user = () => 1 + this.#zipf(ACTIVE.users);
  #order = () => 1 + this.#zipf(ACTIVE.orders);
  #city = () => this.#zipf(ACTIVE.cities);

  #changePrice(): WriteWork {
    const id = this.#product();
    const price = 1 + Math.floor(this.#random() * 500);
    return {
      // The category of a product never changes: see schema.ts.
      counters: [`product ${id}`, `category ${1 + (id % COUNTS.categories)}`],
      run: (client) => client.query('UPDATE products SET price = $2, version = version + 1 WHERE id = $1', [id, price]),
    };
  }

  #changeStatus(): WriteWork {
    const id = this.#order();
    const customer = 1 + ((id * 7919) % COUNTS.users);
    return {
      counters: [`order ${id}`, `orders ${customer}`],
      run: (client) => client.query(`UPDATE orders SET status = 'sent', version = version + 1 WHERE id = $1`, [id]),
    };
  }

  #placeOrder(): WriteWork {
    const [customer, products] = [this.#user(), [this.#product(), this.#product()]];
    const run = async (client: Pick<pg.ClientBase, 'query'>) => {
      await client.query('BEGIN');
      const { rows } = await client.query<{ id: number }>(
        `INSERT INTO orders (id, customer, version) VALUES (nextval('order_ids'), $1, 1) RETURNING id`,
        [customer],
      );
      await client.query(
        'INSERT INTO order_lines SELECT $1, n, product, 1 FROM unnest($2::int[]) WITH ORDINALITY AS l (product, n)',
        [rows[0]!.id, products],
      );
      await client.query('COMMIT');
    };
    return { counters: [`orders ${customer}`], run };
  }

  #review(): WriteWork {
    const [product, customer] = [this.#product(), this.#user()];
    const stars = 1 + Math.floor(this.#random() * 5);
    return {
      counters: [`ratings ${product}`],
      run: (client) =>
        client.query(`INSERT INTO reviews VALUES (nextval('review_ids'), $1, $2, $3, 1)`, [product, customer, stars]),
    };
  }

  #growCity(): WriteWork {
    const at = this.#city();
    const id = this.#places.cities[at]!;
    const run = (client: Pick<pg.ClientBase, 'query'>) =>
      client.query('UPDATE cities SET population = population + 1, version = version + 1 WHERE id = $1', [id]);
    return { counters: [`city ${id}`, `country ${this.#places.countryOf[at]}`], run };
  }
}
