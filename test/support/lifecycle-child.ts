import { setTimeout as sleep } from 'node:timers/promises';
import { hideArguments, logFor, runUntilSignal } from '../../daemon/cli/run-daemon.js';
import { loadConfig } from '../../daemon/config.js';
import { startTestServer } from './transport.js';

/**
 * A process that lives as the daemon does, around the real socket: `lifecycle-child.js CASE [DATABASE_URL]`.
 * The case says what goes wrong: nothing, a slow drain, a start that fails, an error that nothing handles.
 */
const [, , name, databaseUrl] = process.argv;
const flags = databaseUrl === undefined ? {} : { databaseUrl };
const config = loadConfig({ flags });
const log = logFor(config, {});
hideArguments(flags, 'pgcached test', log);

process.exitCode =
  (await runUntilSignal(log, process.env, {
    async start() {
      if (name === 'refused')
        throw new Error(`cannot reach ${config.databaseUrl}, not even with ${new URL(config.databaseUrl!).password}`);
      const { server, path } = await startTestServer();
      if (name === 'uncaught') setTimeout(() => Promise.reject(new Error(`lost ${config.databaseUrl}`)), 10);
      return {
        socketPath: path,
        async close() {
          if (name === 'slow') await sleep(600_000);
          await server.close();
        },
      };
    },
    async afterClose() {
      log.info('after');
    },
  })) === 'ok'
    ? 0
    : 1;
