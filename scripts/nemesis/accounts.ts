import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { cached, type PgCachedClient } from '../../client/index.js';
import { type CachedPool, cachedPool } from '../../client/query/index.js';
import type { Seen } from './history.js';
import * as keys from './keys.js';
import type { Random } from './random.js';
import type { Recorder } from './recorder.js';
import { QUERY_LIMIT_MS } from './source.js';
import { Composition } from './values.js';

const CONNECTIONS_MAX = 4;

/** A watched table whose balances always add up to the same. What is slow: a function that Postgres takes to be immutable, so that it is cached. */
export const ACCOUNTS_SCHEMA = `
  CREATE TABLE nemesis_accounts (id int PRIMARY KEY, balance int NOT NULL, version int NOT NULL);
  INSERT INTO nemesis_accounts SELECT id, ${keys.ACCOUNTS_TOTAL / keys.ACCOUNTS}, 1 FROM generate_series(1, ${keys.ACCOUNTS}) AS id;
  CREATE VIEW nemesis_total AS
    SELECT sum(balance)::int AS total, array_agg(version ORDER BY id) AS versions FROM nemesis_accounts;
  CREATE FUNCTION nemesis_pause(float8) RETURNS void LANGUAGE internal IMMUTABLE STRICT AS 'pg_sleep'`;

interface Account {
  readonly id: number;
  readonly balance: number;
  readonly version: number;
}
interface Total {
  readonly total: number;
  readonly versions: readonly number[];
}
/** What was read of the accounts: their versions, and of all of them the total. */
type Found = Seen & { readonly version: 1 };

const COLUMNS = 'id, balance, version';
/** Each row takes its time, all in one snapshot: commits fall into it. */
const slow = (seconds: number) => `nemesis_pause(${seconds} + 0 * balance)`;

const ofAccounts = (accounts: readonly Account[]): Found => {
  const parts = Object.fromEntries(accounts.map(({ id, version }) => [keys.accountKey(id), version]));
  const total = accounts.reduce((sum, { balance }) => sum + balance, 0);
  return { version: 1, parts, ...(accounts.length === keys.ACCOUNTS && { total }) };
};
const ofTotal = ({ total, versions }: Total): Found => {
  return { version: 1, total, parts: Object.fromEntries(versions.map((one, at) => [keys.accountKey(at + 1), one])) };
};

/** The accounts as one process reads them: through a wrapped pool, and as values made of its queries, three deep. */
export class Accounts {
  readonly pool: CachedPool;
  /** Whether a query of the call that runs was not cached: then it tells of Postgres alone. */
  readonly #calls = new AsyncLocalStorage<{ isBypassed: boolean }>();
  readonly #page: (first: number) => Promise<Found>;

  constructor(databaseUrl: string, cache: PgCachedClient) {
    const limits = { connectionTimeoutMillis: QUERY_LIMIT_MS, query_timeout: QUERY_LIMIT_MS };
    const raw = new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS_MAX, ...limits });
    raw.on('error', () => {}); // an idle connection that a fault has cut
    const onBypass = () => {
      const call = this.#calls.getStore();
      if (call !== undefined) call.isBypassed = true;
    };
    this.pool = cachedPool(raw, { cache, tables: { nemesis_accounts: { cacheTtl: '1h' } }, onBypass });
    const options = { cache, ttl: '1h' } as const;
    const pair = cached((first: number) => this.#made([() => this.#one(first), () => this.#one(first + 1)]), {
      ...options,
      keyPrefix: 'pair',
    });
    const report = cached((first: number) => this.#made([() => this.#all(), () => pair(first)]), {
      ...options,
      keyPrefix: 'report',
    });
    this.#page = cached((first: number) => this.#made([() => report(first), () => pair(first)]), {
      ...options,
      keyPrefix: 'page',
    });
  }

  /** Reads in one of the ways, and records what the cache answered. @returns whether something was read */
  async read(recorder: Recorder, random: Random): Promise<boolean> {
    const id = 1 + random.below(keys.ACCOUNTS - 1);
    const [key, run] = random.pick<readonly [string, () => Promise<Found>]>([
      ['q:all', () => this.#all()],
      [
        'q:sum',
        () =>
          this.#total(
            'SELECT sum(balance)::int AS total, array_agg(version ORDER BY id) AS versions FROM nemesis_accounts',
          ),
      ],
      ['q:view', () => this.#total('SELECT total, versions FROM nemesis_total')],
      [`q:${id}`, () => this.#one(id)],
      [`q:${id}`, () => this.#one(id)],
      [`q:${id}+`, () => this.#some(`SELECT ${COLUMNS} FROM nemesis_accounts WHERE id IN ($1, $2)`, [id, id + 1])],
      ['q:slow', () => this.#some(`SELECT ${COLUMNS}, ${slow(0.008)} FROM nemesis_accounts`, [])],
      [`q:slow ${id}`, () => this.#some(`SELECT ${COLUMNS}, ${slow(0.06)} FROM nemesis_accounts WHERE id = $1`, [id])],
      [`q:page ${id}`, () => this.#page(id)],
      [`q:page ${id}`, () => this.#page(id)],
    ]);
    return this.#recorded(recorder, key, run);
  }

  /** Whether all can be read. */
  readAll(recorder: Recorder): Promise<boolean> {
    return this.#recorded(recorder, 'q:all', () => this.#all());
  }

  #recorded(recorder: Recorder, key: string, run: () => Promise<Found>): Promise<boolean> {
    return this.#calls.run({ isBypassed: false }, () =>
      recorder.read('query', [key], async () => {
        const found = await run();
        return this.#calls.getStore()!.isBypassed ? [] : [found];
      }),
    );
  }

  #all = (): Promise<Found> => this.#some(`SELECT ${COLUMNS} FROM nemesis_accounts ORDER BY id`, []);
  #one = (id: number): Promise<Found> => this.#some(`SELECT ${COLUMNS} FROM nemesis_accounts WHERE id = $1`, [id]);

  async #some(text: string, values: number[]): Promise<Found> {
    return ofAccounts((await this.pool.query<Account>(text, values)).rows);
  }

  async #total(text: string): Promise<Found> {
    return ofTotal((await this.pool.query<Total>(text)).rows[0]!);
  }

  /** Of several versions of one account the oldest counts; the total is that of the one query that saw all. */
  async #made(parts: readonly (() => Promise<Found>)[]): Promise<Found> {
    const made = new Composition();
    let total: number | undefined;
    for (const part of parts) {
      const found = await part();
      made.add('', { text: '', ...found, version: 1 });
      total ??= found.total;
    }
    const { parts: all } = made.value(1, '');
    return { version: 1, parts: all ?? {}, ...(total !== undefined && { total }) };
  }
}
