/** A process that asks a table's cache for one key when told to, and prints what it got. */
import pg from 'pg';
import { DatabaseCache } from '../../client/database.js';

const pool = new pg.Pool({ connectionString: process.argv[2], max: 2 });
const cache = new DatabaseCache(pool);
process.stdin.once('data', async () => {
  const value = await cache.getOrSet('race', async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { by: process.pid };
  });
  process.stdout.write(`${JSON.stringify(value)}\n`);
  await cache.close();
  await pool.end();
  process.exit(0);
});
process.stdout.write('ready\n');
