import pg from 'pg';
import type { CacheTransaction, PgCachedClient } from '../../client/index.js';

export const QUERY_LIMIT_MS = 5_000;
/** So far beyond all others is the version that a transaction writes which is given up. */
export const NEVER_COMMITTED = 1_000_000;

/** What loads read: rows of a table of the application's, in the Postgres of the cache; not through the proxy. */
export const SOURCE_TABLE = `CREATE TABLE nemesis_source (name text PRIMARY KEY, version int NOT NULL)`;

/** What a transaction invalidates. */
export interface Invalidation {
  readonly kind: 'tag' | 'key';
  readonly name: string;
}

export interface Change {
  /** The row to update, if any. */
  readonly row?: string;
  readonly invalidation: Invalidation;
  /** Gives the transaction up instead of committing it. */
  readonly rolledBack: boolean;
}

/** Thrown in a transaction, to give it up. */
class GivenUp extends Error {}

/** One connection to the source, made anew when it broke. */
export class Source {
  readonly #url: string;
  #client: pg.Client | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  async version(name: string): Promise<number> {
    return this.using(async (client) => {
      const { rows } = await client.query<{ version: number }>('SELECT version FROM nemesis_source WHERE name = $1', [
        name,
      ]);
      return rows[0]!.version;
    });
  }

  /** Any language's way, psql's too. @returns the version that was written */
  async change({ row, invalidation, rolledBack }: Change): Promise<number | undefined> {
    return this.using(async (client) => {
      await client.query('BEGIN');
      const version = await raise(client, row, rolledBack);
      await client.query('SELECT hyper_cache_invalidate($1, $2)', [invalidation.kind, invalidation.name]);
      await client.query(rolledBack ? 'ROLLBACK' : 'COMMIT');
      return version;
    });
  }

  /** The client's way. @returns the version that was written */
  async changeWith(cache: PgCachedClient, { row, invalidation, rolledBack }: Change): Promise<number | undefined> {
    const work = async (client: pg.Client, transaction: CacheTransaction): Promise<number | undefined> => {
      const version = await raise(client, row, rolledBack);
      if (invalidation.kind === 'tag') await transaction.invalidateTags([invalidation.name]);
      else await transaction.delete(invalidation.name);
      if (rolledBack) throw new GivenUp();
      return version;
    };
    return this.using((client) =>
      cache
        .withTransaction(client, (transaction) => work(client, transaction))
        .catch((error) => {
          if (!(error instanceof GivenUp)) throw error;
          return undefined;
        }),
    );
  }

  /** After any error the connection is given up: what it was in the middle of is rolled back, or of unknown outcome. */
  async using<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
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

async function raise(client: pg.Client, row: string | undefined, rolledBack: boolean): Promise<number | undefined> {
  if (row === undefined) return undefined;
  const sql = 'UPDATE nemesis_source SET version = version + $2 WHERE name = $1 RETURNING version';
  const by = rolledBack ? NEVER_COMMITTED : 1;
  return (await client.query<{ version: number }>(sql, [row, by])).rows[0]!.version;
}
