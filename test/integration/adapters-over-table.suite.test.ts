import pg from 'pg';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { StampedeProtection } from '../../client/backends/stampede-protection.js';
import { TwoTierCache } from '../../client/backends/two-tier-cache.js';
import { DatabaseCache } from '../../client/database.js';
import type { Cache } from '../../shared/cache.js';
import { type Capabilities, cacheSuite } from '../support/cache-suite.js';
import { testDatabase } from '../support/postgres.js';

/** The behaviour suite, in real time, over adapters whose far end is a real table. */
function overTable(name: string, make: (backend: DatabaseCache) => Cache, capabilities: Capabilities): void {
  cacheSuite(
    name,
    async () => {
      const database = await testDatabase();
      const pool = new pg.Pool({ connectionString: database.url, max: 5 });
      pool.on('error', () => {});
      const backends = [new DatabaseCache(pool), new DatabaseCache(pool, { namespace: 'other' })] as const;
      const cache = make(backends[0]);
      const other = make(backends[1]);
      return {
        cache,
        other,
        async close() {
          await Promise.all([cache.close(), other.close(), ...backends.map((backend) => backend.close())]);
          await pool.end();
          await database.close();
        },
      };
    },
    capabilities,
  ).run();
}

const capabilities: Capabilities = { inexactCleanup: true, inexactStats: true };
overTable('StampedeProtection over DatabaseCache', (backend) => new StampedeProtection({ backend }), capabilities);
overTable('TwoTierCache of LocMemCache and DatabaseCache', (l2) => new TwoTierCache({ l1: new LocMemCache(), l2 }), {
  ...capabilities,
  byReference: 'in part',
});
