import { CacheError } from '../../../shared/errors.js';
import { migrate as migrateTables } from '../../../shared/table/migrate.js';
import { type Config, loadConfig } from '../../config.js';
import { connectionOptions } from '../../connection-options.js';
import type { Environment, OptionName } from '../../options.js';
import { redact, secretsOf } from '../../redact.js';
import type { Command } from '../command.js';

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
    const done = await migrated(config, environment);
    if (own.json) output.json(done);
    else if (done.from === done.to) output.line(`${config.table} is up to date (version ${done.to})`);
    else output.line(`${config.table} is now at version ${done.to} (it was ${done.from || 'not there'})`);
    if (done.loggedBecause !== undefined) {
      output.note(`The tables are regular ones, since the server refused UNLOGGED: ${done.loggedBecause}`);
    }
    return 'ok';
  },
};

async function migrated(config: Config, environment: Environment): Promise<Migrated> {
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ ...connectionOptions(config, environment), max: 2 });
  // An idle connection's end is told by the next query; without a listener it would end the process.
  pool.on('error', () => {});
  try {
    return await migrateTables(pool, { table: config.table, logged: config.logged });
  } catch (error) {
    if (error instanceof CacheError) throw error;
    const problem = redact((error as Error).message, secretsOf(config.databaseUrl, environment));
    throw new CacheError('ERR_DATABASE', `the tables could not be made: ${problem}`);
  } finally {
    await pool.end();
  }
}
