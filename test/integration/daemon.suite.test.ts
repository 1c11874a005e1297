import { type Capabilities, cacheSuite } from '../support/cache-suite.js';
import { testServer } from '../support/daemon.js';
import { testDatabase } from '../support/postgres.js';

/** The behaviour of every cache, by a client over the socket of a real daemon with a real Postgres, in real time. */
function overDaemon(name: string, tiers: 'memory+table' | 'table', capabilities: Capabilities, near = false): void {
  cacheSuite(
    name,
    async () => {
      const database = await testDatabase();
      const server = await testServer(database.url, { namespaces: { default: { tiers }, other: { tiers } } });
      const cache = server.client({ near });
      await cache.ready();
      return {
        cache,
        other: server.client({ namespace: 'other', near }),
        async close() {
          await server.close();
          await database.close();
        },
      };
    },
    capabilities,
  ).run();
}

overDaemon('client of a daemon', 'memory+table', { inexactCleanup: true, inexactStats: true });
overDaemon('client of a daemon without memory', 'table', { inexactCleanup: true, inexactStats: true });
overDaemon('client with a near tier', 'memory+table', { inexactCleanup: true, inexactStats: true, frozen: true }, true);
