import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '../../client/index.js';
import type { FromServer, ServerSetup, ToServer } from './messages.js';

const DAEMON = fileURLToPath(new URL('../../daemon/cli/main.js', import.meta.url));
const WITH_PARENT = new URL('../demo/with-parent.js', import.meta.url).href;
const SERVER = fileURLToPath(new URL('./server.js', import.meta.url));
const DAEMON_READY_MS = 30_000;

/** Without what the user's own Postgres and pgcached are set to. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const plain = Object.entries(process.env).filter(([name]) => !/^(PGCACHED_|PG)/.test(name));
  return { ...Object.fromEntries(plain), ...more };
}

function start(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  // Also what is said on its stdout is progress: the benchmark's own stdout is its report.
  return spawn(process.execPath, args, { env, stdio: ['ignore', process.stderr, process.stderr, 'ipc'] });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

/** A host's daemon, as a user would start it. */
export class Daemon {
  readonly socket: string;
  readonly #child: ChildProcess;

  constructor(folder: string, name: string, databaseUrl: string) {
    this.socket = join(folder, name, 'run', 'pgcached.sock');
    const files = ['--socket', this.socket, '--state-dir', join(folder, name, 'state')];
    const args = ['--import', WITH_PARENT, DAEMON, 'daemon', ...files, '--log-level', 'warn'];
    this.#child = start(args, environment({ PGCACHED_DATABASE_URL: databaseUrl }));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async ready(): Promise<void> {
    const client = connect({ socket: this.socket, onUnavailable: 'throw', timeoutMs: DAEMON_READY_MS });
    try {
      await client.ready();
    } finally {
      await client.close();
    }
  }

  end = (): Promise<void> => ended(this.#child);
}

/** An application server (server.ts). */
export class AppServer {
  readonly #child: ChildProcess;

  constructor(setup: ServerSetup) {
    this.#child = start([SERVER, JSON.stringify(setup)], environment());
  }

  /** One at a time. @throws Error where the process ended instead */
  async ask<T extends FromServer['type']>(message: ToServer, _answer: T): Promise<Extract<FromServer, { type: T }>> {
    const over = new AbortController();
    const answered = once(this.#child, 'message', { signal: over.signal });
    const died = once(this.#child, 'exit', { signal: over.signal });
    for (const either of [answered, died]) either.catch(() => {});
    this.#child.send(message);
    const first = await Promise.race([answered, died.then(() => undefined)]);
    over.abort();
    if (first === undefined) throw new Error('an application process ended by itself');
    return first[0] as Extract<FromServer, { type: T }>;
  }

  end = (): Promise<void> => ended(this.#child);
}
