import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type TestCluster, testCluster } from '../../scripts/test-cluster.js';

export { type TestCluster, testCluster };

/** Set by the gate: the URL of a cluster that all test files share. (The daemon refuses names with PGCACHED_ that it does not know.) */
const SHARED = process.env.TEST_POSTGRES_URL;

export interface TestDatabase {
  /** A fresh, empty database. */
  readonly url: string;
  close(): Promise<void>;
}

/** The same server, another database. */
export function urlOfDatabase(url: string, name: string): string {
  return url.replace(/(@[^/]*\/)[^?]*/, `$1${name}`);
}

/** Runs one statement on a connection of its own. */
export async function runSql<Row extends pg.QueryResultRow = pg.QueryResultRow>(
  url: string,
  sql: string,
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // the server may be stopped under us; the query's own rejection tells
  await client.connect();
  try {
    const { rows } = await client.query<Row>(sql);
    return rows;
  } finally {
    await client.end();
  }
}

/**
 * A fresh database for a test file: on the cluster that the gate shares, else on one of its own. Never stop or kill the
 * server of it, since other files use it at the same time: for that there is {@link testCluster}.
 */
export async function testDatabase(): Promise<TestDatabase> {
  if (SHARED === undefined) {
    const cluster = await testCluster();
    return { url: cluster.url, close: () => cluster.close() };
  }
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`;
  await runSql(SHARED, `CREATE DATABASE ${name}`);
  return {
    url: urlOfDatabase(SHARED, name),
    async close() {
      // A pool has ended before Postgres has heard of it, and who is cut off meanwhile may say so where nobody listens.
      const inUse = `SELECT FROM pg_stat_activity WHERE datname = '${name}'`;
      for (let tries = 0; tries < 50 && (await runSql(SHARED, inUse)).length > 0; tries++) await sleep(20);
      await runSql(SHARED, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

/** The process ids of the other sessions in the database of the URL, for tests that cut one off. */
export async function backendsOf(url: string): Promise<number[]> {
  const sql =
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
  return (await runSql<{ pid: number }>(url, sql)).map(({ pid }) => pid);
}

/** Cuts off all other sessions in the database of the URL, as an administrator would. */
export async function terminateBackends(url: string): Promise<void> {
  for (const pid of await backendsOf(url)) await runSql(url, `SELECT pg_terminate_backend(${pid}, 5000)`);
}
