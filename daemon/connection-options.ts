import type pg from 'pg';
import { CacheError } from '../shared/errors.js';
import type { Config } from './config.js';
import type { Environment } from './options.js';

/** Connections of the main thread for small statements. Looks and wake-ups wait for no statement of another kind. */
export const DIRECT_CONNECTIONS = { reads: 2, writes: 2, looks: 2 } as const;

/** Connections of a worker for the looks that bring much. */
export const LOOK_CONNECTIONS = 1;

/** Those of the main thread, and the listener's. */
export const MAIN_CONNECTIONS = DIRECT_CONNECTIONS.reads + DIRECT_CONNECTIONS.writes + DIRECT_CONNECTIONS.looks + 1;

/** The most connections that one daemon opens: each worker's for reads, writes and looks, and the main thread's. */
export const connectionsOf = ({ workers, poolSize }: Pick<Config, 'workers' | 'poolSize'>): number =>
  workers * (2 * poolSize + LOOK_CONNECTIONS) + MAIN_CONNECTIONS;

/** What the listener's connection calls itself, so that daemons can count one another. */
export const LISTENER_NAME = 'pgcached listener';

/** Any of these says that Postgres's own environment was meant. */
const POSTGRES_VARIABLES = ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER'] as const;

type Needed = Pick<Config, 'connectTimeoutMs' | 'statementTimeoutMs' | 'pooler'>;

/** Whether anything says which Postgres is meant. */
export function isDatabaseNamed({ databaseUrl }: Pick<Config, 'databaseUrl'>, environment: Environment): boolean {
  return databaseUrl !== undefined || POSTGRES_VARIABLES.some((name) => environment[name]);
}

/**
 * What every connection of this project to Postgres is opened with.
 * @param databaseUrl one of the configuration's; undefined for what Postgres's environment names
 * @throws CacheError ERR_INVALID_CONFIG where nothing says which Postgres
 */
export function connectionOptions(
  config: Needed,
  databaseUrl: string | undefined,
  environment: Environment = process.env,
): pg.ClientConfig {
  if (!isDatabaseNamed({ databaseUrl }, environment)) {
    throw new CacheError(
      'ERR_INVALID_CONFIG',
      'no database was named: give databaseUrl (--database-url, PGCACHED_DATABASE_URL) or PGHOST; or run `pgcached dev`, which brings a Postgres along',
    );
  }
  return {
    ...(databaseUrl === undefined ? {} : { connectionString: databaseUrl }),
    application_name: 'pgcached',
    connectionTimeoutMillis: config.connectTimeoutMs,
    keepAlive: true,
    // node-pg leaves a statement running at the server when its own time is up: the server has to stop it, a little before.
    query_timeout: config.statementTimeoutMs + 1000,
    // PgBouncer refuses this at start-up.
    ...(config.pooler ? {} : { statement_timeout: config.statementTimeoutMs }),
  };
}
