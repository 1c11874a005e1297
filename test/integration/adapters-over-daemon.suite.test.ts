import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { StampedeProtection } from '../../client/backends/stampede-protection.js';
import { TwoTierCache } from '../../client/backends/two-tier-cache.js';
import type { PgCachedClient } from '../../client/index.js';
import type { Cache } from '../../shared/cache.js';
import { type Capabilities, cacheSuite } from '../support/cache-suite.js';
import { testServer } from '../support/daemon.js';
import { testDatabase } from '../support/postgres.js';

/** The behaviour suite, in real time, over adapters whose far end is a real daemon with a real Postgres. */
function overDaemon(
  name: string,
  make: (client: PgCachedClient, near: PgCachedClient) => Cache,
  capabilities: Capabilities,
): void {
  cacheSuite(
    name,
    async () => {
      const database = await testDatabase();
      const server = await testServer(database.url);
      const cache = make(server.client(), server.client({ namespace: 'near' }));
      return {
        cache,
        other: make(server.client({ namespace: 'other' }), server.client({ namespace: 'other_near' })),
        async close() {
          await cache.close();
          await server.close();
          await database.close();
        },
      };
    },
    capabilities,
  ).run();
}

const capabilities: Capabilities = { inexactCleanup: true, inexactStats: true };
overDaemon('StampedeProtection over a daemon', (backend) => new StampedeProtection({ backend }), capabilities);
overDaemon('TwoTierCache of LocMemCache and a daemon', (l2) => new TwoTierCache({ l1: new LocMemCache(), l2 }), {
  ...capabilities,
  byReference: 'in part',
});
overDaemon('TwoTierCache of two namespaces of a daemon', (l2, l1) => new TwoTierCache({ l1, l2 }), capabilities);
