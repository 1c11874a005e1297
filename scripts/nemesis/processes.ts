import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Actor } from './history.js';
import type { ClientSetup, FromClient, ToClient } from './messages.js';

const DAEMON = fileURLToPath(new URL('../../daemon/cli/main.js', import.meta.url));
const WITH_PARENT = new URL('../demo/with-parent.js', import.meta.url).href;
const CLIENT = fileURLToPath(new URL('./client.js', import.meta.url));

/** Bound and intervals are short, so that there is much to see in little time; what is dead is trimmed at once. */
export const STALE_BOUND_MS = 500;
const DAEMON_FLAGS = {
  '--stale-bound-ms': STALE_BOUND_MS,
  '--poll-interval-ms': 125,
  '--statement-timeout-ms': 2_000,
  '--connect-timeout-ms': 2_000,
  '--trim-interval-ms': 300,
  '--trim-lag-ms': 100,
  '--workers': 1,
  '--log-level': 'warn',
};

/** A child that may be killed and stopped: only an end that nobody asked for is a failure. */
class Victim {
  readonly gone: Promise<void>;
  readonly child: ChildProcess;
  isGone = false;
  #isMeant = false;

  constructor(
    name: string,
    log: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    failed: (what: string) => void,
  ) {
    const output = openSync(log, 'a');
    this.child = spawn(process.execPath, args, { env, stdio: ['ignore', output, output, 'ipc'], detached: true });
    this.child.on('error', () => {}); // a message to one that has just been killed
    this.gone = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        this.isGone = true;
        if (!this.#isMeant) failed(`${name} ended with ${signal ?? code}, see ${log}`);
        resolve();
      });
    });
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (!this.isGone) this.child.kill(signal);
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#isMeant = true;
    this.child.kill(signal);
    await this.gone;
  }
}

/** Without what the user's own Postgres and pgcached are set to. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const plain = Object.entries(process.env).filter(([name]) => !/^(PGCACHED_|PG)/.test(name));
  return { ...Object.fromEntries(plain), ...more };
}

export class Daemon extends Victim {
  static socketOf = (folder: string, host: number): string => join(folder, `host-${host}`, 'run', 'pgcached.sock');

  constructor(folder: string, host: number, databaseUrl: string, failed: (what: string) => void) {
    const files = ['--socket', Daemon.socketOf(folder, host), '--state-dir', join(folder, `host-${host}`, 'state')];
    const flags = Object.entries(DAEMON_FLAGS).flatMap(([flag, value]) => [flag, String(value)]);
    const args = ['--import', WITH_PARENT, DAEMON, 'daemon', ...files, ...flags];
    const log = join(folder, `daemon-${host}.log`);
    super(`daemon ${host}`, log, args, environment({ PGCACHED_DATABASE_URL: databaseUrl }), failed);
  }
}

export class Client extends Victim {
  readonly setup: ClientSetup;
  readonly actor: Actor;
  last: FromClient = { operations: 0, codes: {}, queries: { hits: 0, misses: 0, bypasses: 0 } };
  readonly finished: Promise<void>;

  constructor(setup: ClientSetup, host: number, log: string, failed: (what: string) => void) {
    super(`client ${setup.process}`, log, [CLIENT, JSON.stringify(setup)], environment(), failed);
    this.setup = setup;
    this.actor = { process: setup.process, host, near: setup.near, degrades: setup.degrades };
    this.finished = new Promise((resolve) => {
      this.child.on('message', (message: FromClient) => {
        this.last = message;
        if (message.recovered !== undefined) resolve();
      });
    });
  }

  tell(message: ToClient): void {
    if (this.child.connected) this.child.send(message, () => {});
  }
}
