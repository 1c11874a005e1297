import { loadConfig } from '../../config.js';
import { connectionOptions } from '../../connection-options.js';
import { databasesOf } from '../../databases.js';
import { OPTION_NAMES } from '../../options.js';
import { activatedSocketFd } from '../../systemd.js';
import type { Command } from '../command.js';
import { startDaemon } from '../parts.js';
import { hideArguments, logFor, runUntilSignal } from '../run-daemon.js';

export const daemon: Command = {
  name: 'daemon',
  summary: 'run the daemon in the foreground',
  operands: '',
  operandsMin: 0,
  operandsMax: 0,
  details:
    'Serves until SIGTERM or SIGINT and then drains; a second signal ends it at once. It logs to stderr, as JSON unless that is a terminal. Postgres may be down at the start: the daemon waits for it.',
  own: [],
  options: OPTION_NAMES.filter((name) => name !== 'dataDir'),
  async run({ flags, environment }) {
    const config = loadConfig({ flags, environment });
    for (const { url } of databasesOf(config)) connectionOptions(config, url, environment);
    const log = logFor(config, environment);
    hideArguments(flags, 'pgcached daemon', log);
    return runUntilSignal(log, environment, {
      start: () => startDaemon(config, { log, socketFd: activatedSocketFd(environment, process.pid) }),
    });
  },
};
