import { accessSync, constants, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ConnectOptions, PgCachedClient } from '../../client/index.js';
import type { Config } from '../config.js';
import type { RunningDaemon, StartOptions } from '../index.js';

/** The parts of the project that a command loads only when it runs, so that `--help` and `get` stay quick. */

export async function startDaemon(config: Config, start: StartOptions): Promise<RunningDaemon> {
  const daemon = await import('../index.js');
  return daemon.startDaemon(config, start);
}

export async function connect(options: ConnectOptions): Promise<PgCachedClient> {
  const client = await import('../../client/index.js');
  return client.connect(options);
}

/** Whether a socket could be made at this path: its folder can be made, or is there and can be written. */
export function canHoldSocket(path: string): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    accessSync(dirname(path), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
