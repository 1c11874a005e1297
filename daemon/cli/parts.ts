import { accessSync, constants, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type pg from 'pg';
import type { ConnectOptions, PgCachedClient } from '../../client/index.js';
import type { Config } from '../config.js';
import type { Log } from '../log.js';

/** The parts of the project that a command loads only when it runs, so that `--help` and `get` stay quick. */

export interface RunningDaemon {
  readonly socketPath: string;
  close(): Promise<void>;
}

interface DaemonModule {
  startDaemon(config: Config, parts: { log: Log }): Promise<RunningDaemon>;
}

export async function startDaemon(config: Config, log: Log): Promise<RunningDaemon> {
  const { startDaemon: start } = await load<DaemonModule>('../index.js');
  return start(config, { log });
}

export async function connect(options: ConnectOptions): Promise<PgCachedClient> {
  const { connect: open } = await import('../../client/index.js');
  return open(options);
}

interface MigrationsModule {
  readonly CORE_VERSION: number;
  readonly SPACE_VERSION: number;
  migrate(
    pool: pg.Pool,
    options: { table: string; logged: boolean },
  ): Promise<{ from: number; to: number; logged: boolean; loggedBecause?: string }>;
}

export function loadMigrations(): Promise<MigrationsModule> {
  return load('../../shared/table/migrate.js');
}

async function load<Module>(path: string): Promise<Module> {
  return (await import(new URL(path, import.meta.url).href)) as Module;
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
