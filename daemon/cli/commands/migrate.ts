import { CacheError } from '../../../shared/errors.js';
import { migrate as migrateTables } from '../../../shared/table/migrate.js';
import { type Config, loadConfig } from '../../config.js';
import { connectionOptions } from '../../connection-options.js';
import { databasesOf } from '../../databases.js';
import type { Environment, OptionName } from '../../options.js';
import { redact, secretsOf } from '../../redact.js';
import type { Command } from '../command.js';
import type { Output } from '../output.js';

export const DATABASE_OPTION_NAMES: readonly OptionName[] = [
  'config',
  'databaseUrl',
  'databaseUrlFile',
  'pooler',
  'table',
  'logged',
  'statementTimeoutMs',
  'connectTimeoutMs',
];

interface Migrated {
  readonly from: number;
  readonly to: number;
  readonly logged: boolean;
  readonly loggedBecause?: string;
}

export const migrate: Command = {
  name: 'migrate',
  summary: 'make or upgrade the tables and functions in Postgres',
  operands: '',
  operandsMin: 0,
  operandsMax: 0,
  details:
    'The daemon does this by itself where its role may. Run it with another role, once before each upgrade, where the daemon’s own may not create tables.',
  own: ['json'],
  options: DATABASE_OPTION_NAMES,
  async run({ flags, environment, own, output }) {
    const config = loadConfig({ flags, environment });
    const nodes = databasesOf(config);
    const all: (Migrated & { readonly database: string })[] = [];
    for (const { name, url } of nodes) {
      const done = await migrated(config, url, environment);
      all.push({ ...done, database: name });
      if (!own.json) tell(done, nodes.length === 1 ? config.table : `${config.table} of ${name}`, output);
    }
    if (own.json) output.json(all.length === 1 ? withoutName(all[0]!) : all);
    return 'ok';
  },
};

function tell(done: Migrated, table: string, output: Output): void {
  if (done.from === done.to) output.line(`${table} is up to date (version ${done.to})`);
  else output.line(`${table} is now at version ${done.to} (it was ${done.from || 'not there'})`);
  if (done.loggedBecause !== undefined) {
    output.note(`The tables are regular ones, since the server refused UNLOGGED: ${done.loggedBecause}`);
  }
}

function withoutName({ database: _, ...done }: Migrated & { readonly database: string }): Migrated {
  return done;
}

async function migrated(config: Config, url: string | undefined, environment: Environment): Promise<Migrated> {
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ ...connectionOptions(config, url, environment), max: 2 });
  // An idle connection's end is told by the next query; without a listener it would end the process.
  pool.on('error', () => {});
  try {
    return await migrateTables(pool, { table: config.table, logged: config.logged });
  } catch (error) {
    if (error instanceof CacheError) throw error;
    const problem = redact((error as Error).message, secretsOf(url, environment));
    throw new CacheError('ERR_DATABASE', `the tables could not be made: ${problem}`);
  } finally {
    await pool.end();
  }
}
