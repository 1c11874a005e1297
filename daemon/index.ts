/// <reference types="node" preserve="true" />
import { createHash, randomUUID } from 'node:crypto';
import { RELEASE } from '../shared/release.js';
import type { Config, ConfigInput } from './config.js';
import { resolveConfig } from './config.js';
import { urlsOf } from './databases.js';
import { Engine } from './engine.js';
import { loadIdentity, newIdentity } from './identity.js';
import { createLog, type Log } from './log.js';
import { secretsOf } from './redact.js';
import { Server } from './server.js';

export type { Config, ConfigInput } from './config.js';

export interface RunningDaemon {
  /** What applications give to `connect({ socket })`. */
  readonly socketPath: string;
  /** Whether the daemon follows the log: false while the database is away. For a watchdog or a probe. */
  isFresh(): boolean;
  /** Stops accepting, answers what is pending within drainTimeoutMs (twice that at most, with Postgres), and closes. */
  close(): Promise<void>;
}

export interface StartOptions {
  /** Takes the place of a log on standard error at the level `logLevel`. */
  readonly log?: Log;
  /** A listening socket to inherit (socket activation), in place of one made at the configured path. */
  readonly socketFd?: number | undefined;
}

/**
 * Starts a daemon in this process: serves the socket, follows the log, writes through to Postgres. It comes up whether
 * the database does or not, and says so. Signals are left to the caller.
 * @param options by the names of docs/configuration.md; the environment (PGCACHED_…, PG…) fills in what is missing
 * @returns when the socket answers, and the database too if it does so within five seconds
 * @throws (rejects) CacheError ERR_INVALID_CONFIG, ERR_ALREADY_RUNNING, ERR_SOCKET
 */
export async function startDaemon(options: Config | ConfigInput, start: StartOptions = {}): Promise<RunningDaemon> {
  const config = resolveConfig(options as ConfigInput);
  const log = start.log ?? createLog({ level: config.logLevel, secrets: secretsOf(urlsOf(config), process.env) });
  const engine = new Engine(
    config,
    log,
    () => server.tellFresh(),
    () => server.openings(),
  );
  const server = new Server({
    namespaces: (name) => engine.namespace(name),
    status: () => ({ ...engine.status(), connections: server.connections }),
    log,
    release: RELEASE,
    start: randomUUID(),
  });
  const { socket, socketMode, socketGroup } = config;
  await server.listen(
    start.socketFd === undefined
      ? { path: socket, mode: Number.parseInt(socketMode, 8), group: socketGroup }
      : { fd: start.socketFd },
  );
  try {
    // Who owns the socket owns the identity that goes with it.
    const name = createHash('sha256').update(socket).digest('hex').slice(0, 16);
    await engine.start(config.stateDir === undefined ? newIdentity() : loadIdentity(config.stateDir, name));
  } catch (error) {
    await server.close();
    await engine.stop();
    throw error;
  }
  return {
    socketPath: socket,
    isFresh: () => engine.isFresh(),
    async close() {
      await server.drain(config.drainTimeoutMs);
      await engine.drain(config.drainTimeoutMs);
      await engine.stop();
    },
  };
}
