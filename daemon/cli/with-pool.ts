import type pg from 'pg';
import { CacheError } from '../../shared/errors.js';
import { type Config, loadConfig } from '../config.js';
import { connectionOptions } from '../connection-options.js';
import { databasesOf, urlsOf } from '../databases.js';
import { redact, secretsOf } from '../redact.js';
import type { Call } from './command.js';
import { UsageError } from './exit.js';

/** Runs `work` with connections to the one database that is named; what it can't be reached for is told without passwords. */
export async function withPool<T>(call: Call, work: (pool: pg.Pool, config: Config) => Promise<T>): Promise<T> {
  const { flags, environment } = call;
  const config = loadConfig({ flags, environment });
  const nodes = databasesOf(config);
  if (nodes.length > 1)
    throw new UsageError('several databases are named: give --database-url the one with the tables');
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ ...connectionOptions(config, nodes[0]!.url, environment), max: 2 });
  // An idle connection's end is told by the next query; without a listener it would end the process.
  pool.on('error', () => {});
  try {
    return await work(pool, config);
  } catch (error) {
    if (error instanceof CacheError) throw error;
    const problem = redact((error as Error).message, secretsOf(urlsOf(config), environment));
    throw new CacheError('ERR_DATABASE', `the database could not be asked: ${problem}`);
  } finally {
    await pool.end();
  }
}
