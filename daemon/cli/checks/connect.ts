import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Config } from '../../config.js';
import { connectionOptions, isDatabaseNamed } from '../../connection-options.js';
import { databasesOf, urlsOf } from '../../databases.js';
import type { Environment } from '../../options.js';
import { redact, secretsOf } from '../../redact.js';
import {
  checkHeadroom,
  checkMigrations,
  checkPrimary,
  checkServerVersion,
  checkTables,
  checkWritable,
} from './database.js';
import { type Finding, findingsOf } from './finding.js';
import { checkListen, checkPrepared } from './wake-up.js';
import { checkWatched } from './watched.js';

type DatabaseCheck = (client: pg.Client, other: pg.Client, config: Config) => Promise<Finding | Finding[]>;

/** Every check that needs a connection, by the name that its findings carry. */
const DATABASE_CHECKS: Readonly<Record<string, DatabaseCheck>> = {
  'server version': (client) => checkServerVersion(client),
  primary: (client) => checkPrimary(client),
  writable: (client) => checkWritable(client),
  tables: (client, _, config) => checkTables(client, config),
  migrations: (client, _, config) => checkMigrations(client, config),
  'watched tables': (client, _, config) => checkWatched(client, config),
  LISTEN: checkListen,
  'prepared statements': checkPrepared,
  connections: (client, _, config) => checkHeadroom(client, config),
};

/** The whole of the checks must end, whatever a database that answers half does. */
const CHECK_LIMIT_MS = 10_000;

/** Makes every check of every database; where they are several, each finding names its own. */
export async function checkDatabases(config: Config, environment: Environment): Promise<Finding[]> {
  const nodes = databasesOf(config);
  const findings = await Promise.all(nodes.map(({ url }) => checkDatabase(config, url, environment)));
  if (nodes.length === 1) return findings.flat();
  return findings.flatMap((some, at) => some.map((one) => ({ ...one, check: `${one.check} of ${nodes[at]!.name}` })));
}

/** Connects twice, as the daemon would, and makes every check of the database. */
async function checkDatabase(config: Config, url: string | undefined, environment: Environment): Promise<Finding[]> {
  const { ok, warn, fail } = findingsOf('database');
  const rest = Object.keys(DATABASE_CHECKS).map((check) => findingsOf(check).skip('no connection'));
  if (!isDatabaseNamed(config, environment)) {
    return [
      warn('doctor was not told which', 'give it the options of the daemon: --database-url, --config, …'),
      ...rest,
    ];
  }
  const clean = (text: string): string => redact(text, secretsOf(urlsOf(config), environment));
  const { default: pg } = await import('pg');
  const clients: pg.Client[] = [];
  try {
    for (let n = 0; n < 2; n++) {
      const client = new pg.Client(connectionOptions(config, url, environment));
      // What ends a connection also rejects its query, which tells; without a listener it would end the process.
      client.on('error', () => {});
      clients.push(client);
      await client.connect();
    }
  } catch (error) {
    const problem = fail(clean(messageOf(error)), adviceOn(error));
    await close(clients);
    return [problem, ...rest];
  }
  const findings = [ok('it answers')];
  for (const [check, run] of Object.entries(DATABASE_CHECKS)) {
    try {
      findings.push(...[await inTime(run(clients[0]!, clients[1]!, config))].flat());
    } catch (error) {
      findings.push(findingsOf(check).fail(clean(messageOf(error)), 'see the message'));
    }
  }
  await close(clients);
  return findings;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const timeout = new AbortController();
  const late = sleep(CHECK_LIMIT_MS, undefined, { signal: timeout.signal, ref: false }).then(() => {
    throw new Error(`no answer within ${CHECK_LIMIT_MS} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => {});
    timeout.abort();
  }
}

async function close(clients: readonly pg.Client[]): Promise<void> {
  await Promise.all(clients.map((client) => client.end().catch(() => {})));
}

/** A host name with several addresses fails with one error for each, and no message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map((each: Error) => each.message).join('; ');
  return error instanceof Error ? error.message : String(error);
}

const ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'start Postgres, or correct host and port in the database URL',
  ENOENT: 'start Postgres, or correct the folder of its socket in the database URL (?host=/run/postgresql)',
  ENOTFOUND: 'correct the host in the database URL',
  EAI_AGAIN: 'correct the host in the database URL, or mend name resolution',
  ETIMEDOUT: 'see whether a firewall is between',
  '28P01': 'correct user or password',
  '28000': 'let pg_hba.conf admit this user from this host',
  '3D000': 'create the database, or correct its name in the URL',
  '53300': 'raise max_connections, or close what is not needed',
  '57P03': 'wait: Postgres is starting up',
};

function adviceOn(error: unknown): string {
  const source = error instanceof AggregateError ? error.errors[0] : error;
  const advice = ADVICE[(source as { code?: string }).code ?? ''];
  return advice ?? 'try the same URL with psql: it must work there';
}
