import pg from 'pg';
import type { PgCachedClient } from '../../client/index.js';

const QUERY_LIMIT_MS = 5_000;

/** What loads read: rows of a table of the application's, in the Postgres of the cache; not through the proxy. */
export const SOURCE_TABLE = `CREATE TABLE nemesis_source (name text PRIMARY KEY, version int NOT NULL)`;

/** One connection to the source, made anew when it broke. */
export class Source {
  readonly #url: string;
  #client: pg.Client | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  async version(name: string): Promise<number> {
    return this.#using(async (client) => {
      const { rows } = await client.query<{ version: number }>('SELECT version FROM nemesis_source WHERE name = $1', [
        name,
      ]);
      return rows[0]!.version;
    });
  }

  /** Any language's way. @returns the version that was committed */
  async update(name: string): Promise<number> {
    return this.#using(async (client) => {
      await client.query('BEGIN');
      const version = await raise(client, name);
      await client.query(`SELECT hyper_cache_invalidate('tag', $1)`, [name]);
      await client.query('COMMIT');
      return version;
    });
  }

  /** The client's way. @returns the version that was committed */
  async updateWith(cache: PgCachedClient, name: string): Promise<number> {
    return this.#using((client) =>
      cache.withTransaction(client, async (transaction) => {
        const version = await raise(client, name);
        await transaction.invalidateTags([name]);
        return version;
      }),
    );
  }

  /** After any error the connection is given up: what it was in the middle of is rolled back, or of unknown outcome. */
  async #using<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    this.#client ??= await connected(this.#url);
    const client = this.#client;
    try {
      return await work(client);
    } catch (error) {
      this.#client = undefined;
      client.end().catch(() => {});
      throw error;
    }
  }
}

async function connected(url: string): Promise<pg.Client> {
  const limits = { connectionTimeoutMillis: QUERY_LIMIT_MS, query_timeout: QUERY_LIMIT_MS };
  const client = new pg.Client({ connectionString: url, ...limits });
  client.on('error', () => {}); // the query under way rejects by itself
  await client.connect();
  return client;
}

async function raise(client: pg.Client, name: string): Promise<number> {
  const sql = 'UPDATE nemesis_source SET version = version + 1 WHERE name = $1 RETURNING version';
  return (await client.query<{ version: number }>(sql, [name])).rows[0]!.version;
}
