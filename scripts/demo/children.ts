import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AppSetup } from './messages.js';

const DAEMON = fileURLToPath(new URL('../../daemon/cli/main.js', import.meta.url));
const WITH_PARENT = new URL('./with-parent.js', import.meta.url).href;
const APP = fileURLToPath(new URL('./app.js', import.meta.url));

const TAIL_LENGTH = 4_000;
/** A daemon drains for 10 s at most. */
const END_LIMIT_MS = 15_000;

/** The processes of the demo: each ends with {@link Children.end}, and by itself when this process is gone. */
export class Children {
  readonly #failed: (error: Error) => void;
  readonly #running = new Map<ChildProcess, Promise<void>>();
  #ending = false;

  /** @param failed told of a process that ended unasked */
  constructor(failed: (error: Error) => void) {
    this.#failed = failed;
  }

  /** `pgcached daemon`, as a user would start it. */
  daemon(name: string, socket: string, stateDir: string, databaseUrl: string): ChildProcess {
    const flags = ['--socket', socket, '--state-dir', stateDir, '--log-level', 'warn'];
    return this.#spawn(name, ['--import', WITH_PARENT, DAEMON, 'daemon', ...flags], {
      PGCACHED_DATABASE_URL: databaseUrl,
    });
  }

  /** @param script which application; without it, the one that the demo is about at first */
  app(name: string, setup: AppSetup, script = APP): ChildProcess {
    return this.#spawn(name, [script, JSON.stringify(setup)], {});
  }

  /** Resolves when all have gone. */
  async end(): Promise<void> {
    this.#ending = true;
    const running = [...this.#running];
    for (const [child] of running) child.kill('SIGTERM');
    const timer = setTimeout(() => {
      for (const [child] of running) child.kill('SIGKILL'); // does nothing to those that have gone
    }, END_LIMIT_MS);
    await Promise.all(running.map(([, gone]) => gone));
    clearTimeout(timer);
  }

  #spawn(name: string, args: readonly string[], more: Readonly<Record<string, string>>): ChildProcess {
    if (this.#ending) throw new Error(`${name} was not started: the demo is ending`);
    const child = spawn(process.execPath, args, {
      env: { ...plainEnvironment(), ...more },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true, // Ctrl-C in a terminal is for the demo, which then ends the others in order
    });
    let tail = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-TAIL_LENGTH);
    });
    const gone = new Promise<void>((resolve) => {
      child.once('error', () => resolve()).once('close', () => resolve());
    });
    this.#running.set(child, gone);
    child.once('error', (error) => this.#ended(`${name} cannot be run: ${error.message}`));
    child.once('close', (code, signal) => {
      this.#running.delete(child);
      this.#ended(`${name} ended with ${signal ?? code}:\n${tail}`);
    });
    return child;
  }

  #ended(problem: string): void {
    if (!this.#ending) this.#failed(new Error(problem));
  }
}

/** Without what the user's own Postgres and pgcached are set to. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PGCACHED_|PG)/.test(name)));
}
