import type { Test } from 'uvu';
import type { PgCachedClient } from '../../client/index.js';
import { type TestServer, testServer } from './daemon.js';
import { type TestDatabase, testDatabase } from './postgres.js';

/** What the tests of a suite share: a daemon on a database of its own, and a client whose namespace is empty before each test. */
export interface OverDaemon {
  database: TestDatabase;
  server: TestServer;
  client: PgCachedClient;
}

/** @returns what is there from the suite's beginning to its end; not before it runs */
export function overDaemon<T>(test: Test<T>): OverDaemon {
  const shared = {} as OverDaemon;
  test.before(async () => {
    shared.database = await testDatabase();
    shared.server = await testServer(shared.database.url);
    shared.client = shared.server.client();
    await shared.client.ready();
  });
  test.after(async () => {
    await shared.server?.close();
    await shared.database?.close();
  });
  test.before.each(() => shared.client.clear());
  return shared;
}
