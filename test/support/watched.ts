import pg from 'pg';
import { anyName, tagName } from '../../shared/table/names.js';
import { type WatchOptions, watchTables } from '../../shared/table/watch.js';
import { manyRowsTag, rowId, rowTag, TABLES_NAMESPACE, tableTag } from '../../shared/table-tags.js';
import { type TestDatabase, testDatabase } from './postgres.js';

/** A database of an application, and what its commits log. */
export class WatchedDatabase {
  readonly database: TestDatabase;
  readonly pool: pg.Pool;

  private constructor(database: TestDatabase, pool: pg.Pool) {
    this.database = database;
    this.pool = pool;
  }

  static async open(): Promise<WatchedDatabase> {
    const database = await testDatabase();
    const pool = new pg.Pool({ connectionString: database.url, max: 12 });
    pool.on('error', () => {});
    return new WatchedDatabase(database, pool);
  }

  async sql<Row extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>({ text, ...(values.length > 0 ? { values } : {}) })).rows;
  }

  watch(tables: string | readonly string[], options: WatchOptions = {}) {
    return watchTables(this.pool, [tables].flat(), options);
  }

  /** The tags in the log, sorted; every transaction that logs one must log the marker too. */
  async tags(): Promise<string[]> {
    const rows = await this.sql<{ xid: string; name: string }>('SELECT xid::text, name FROM hyper_cache_log');
    const marked = new Set(rows.filter(({ name }) => name === anyName(TABLES_NAMESPACE)).map(({ xid }) => xid));
    if (rows.some(({ xid }) => !marked.has(xid))) throw new Error('a transaction logged tags without their marker');
    const prefix = tagName(TABLES_NAMESPACE, '');
    return [...new Set(rows.map(({ name }) => name))]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .sort();
  }

  /** What one piece of work logs. */
  async logs(work: string | (() => Promise<unknown>)): Promise<string[]> {
    await this.sql('TRUNCATE hyper_cache_log');
    await (typeof work === 'string' ? this.sql(work) : work());
    return this.tags();
  }

  /** Runs statements on one connection of their own. */
  async session<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ connectionString: this.database.url });
    client.on('error', () => {});
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
    await this.database.close();
  }
}

/** The tags of a table and of the rows given by their keys; '*' stands for all rows. */
export function tagsOf(table: string, ...keys: (string | readonly string[])[]): string[] {
  const name = { schema: 'public', table };
  const rows = keys.map((key) => (key === '*' ? manyRowsTag(name) : rowTag(name, rowId([key].flat()))));
  return [...new Set([tableTag(name), ...rows])].sort();
}
