import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import type { ContenderName } from './contenders.js';
import { PATHS } from './page.js';
import type { Site } from './site.js';

const SERVER = fileURLToPath(new URL('./server.js', import.meta.url));
/** Under load for so long before anything is measured: by then all pages are stored, and the code is compiled. */
const WARM_UP_SECONDS = 2;
const WARM_UP_CONNECTIONS = 16;

interface ServerProcess {
  readonly child: ChildProcess;
  readonly url: string;
}

/** The server processes, started when they are first needed; they stay until the end, so that rounds may interleave. */
export class Farm {
  readonly #site: Omit<Site, 'contender'>;
  readonly #running = new Map<ContenderName, ServerProcess[]>();

  constructor(site: Omit<Site, 'contender'>) {
    this.#site = site;
  }

  /** @returns the first `count` processes of a contender, warmed up */
  async servers(contender: ContenderName, count: number): Promise<{ urls: string[]; pids: number[] }> {
    const running = this.#running.get(contender) ?? [];
    this.#running.set(contender, running);
    const started: ServerProcess[] = [];
    while (running.length + started.length < count) started.push(await this.#start(contender));
    if (started.length > 0) await warmUp(started.map(({ url }) => url));
    running.push(...started);
    const used = running.slice(0, count);
    return { urls: used.map(({ url }) => url), pids: used.map(({ child }) => child.pid!) };
  }

  async stop(): Promise<void> {
    const children = [...this.#running.values()].flat().map(({ child }) => child);
    await Promise.all(
      children.map((child) => {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        return ended;
      }),
    );
  }

  async #start(contender: ContenderName): Promise<ServerProcess> {
    const child = fork(SERVER, [JSON.stringify({ ...this.#site, contender })], {
      env: { ...process.env, NODE_ENV: 'production' },
      execArgv: nodeFlags(),
    });
    const died = once(child, 'exit').then(([code]) => {
      throw new Error(`${contender} ended with ${code} before it listened`);
    });
    died.catch(() => {});
    const [port] = (await Promise.race([once(child, 'message'), died])) as [number];
    const url = `http://127.0.0.1:${port}`;
    return { child, url };
  }
}

async function warmUp(url: readonly string[]): Promise<void> {
  const requests = PATHS.map((path) => ({ path }));
  await autocannon({ url, connections: url.length * WARM_UP_CONNECTIONS, duration: WARM_UP_SECONDS, requests });
}

/** For profiles: BENCH_SERVER_NODE_FLAGS=--cpu-prof. */
function nodeFlags(): string[] {
  return (process.env.BENCH_SERVER_NODE_FLAGS ?? '').split(' ').filter(Boolean);
}
