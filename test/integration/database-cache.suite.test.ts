import pg from 'pg';
import { DatabaseCache, type DatabaseCacheOptions } from '../../client/database.js';
import { cacheSuite } from '../support/cache-suite.js';
import { testDatabase } from '../support/postgres.js';

/** The behaviour of every cache, on a real table. Rows that others killed count in `cleanup`: see database-cache.test.ts. */
function suiteOf(name: string, options: DatabaseCacheOptions) {
  return cacheSuite(
    name,
    async () => {
      const database = await testDatabase();
      const pool = new pg.Pool({ connectionString: database.url, max: 5 });
      pool.on('error', () => {});
      const cache = new DatabaseCache(pool, options);
      const other = new DatabaseCache(pool, { ...options, namespace: 'other' });
      return {
        cache,
        other,
        async close() {
          await Promise.all([cache.close(), other.close()]);
          await pool.end();
          await database.close();
        },
      };
    },
    { inexactCleanup: true },
  );
}

suiteOf('DatabaseCache', {}).run();
suiteOf('DatabaseCache, packed', { storage: 'packed', prepare: false }).run();
