import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Followed, FollowOrders } from './follower-process.js';

const PROGRAM = fileURLToPath(new URL('./follower-process.js', import.meta.url));
const PROCESSES_MAX = 4;

/** So many followers of the log, in a few processes. */
export class Followers {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** Resolves when all of them hear wake-ups. */
  static async start(databaseUrl: string, count: number): Promise<Followers> {
    const processes = Math.min(PROCESSES_MAX, count);
    const children = Array.from({ length: processes }, (_, each) => {
      const followers = Math.floor((count * (each + 1)) / processes) - Math.floor((count * each) / processes);
      const orders: FollowOrders = { databaseUrl, followers, all: count };
      return fork(PROGRAM, [JSON.stringify(orders)]);
    });
    await Promise.all(
      children.map((child) =>
        Promise.race([
          once(child, 'message'),
          once(child, 'exit').then(() => Promise.reject(new Error('a process of followers ended by itself'))),
        ]),
      ),
    );
    return new Followers(children);
  }

  get pids(): number[] {
    return this.#children.map((child) => child.pid!);
  }

  async done(): Promise<Followed> {
    const all = await Promise.all(
      this.#children.map(async (child): Promise<Followed> => {
        const answered = once(child, 'message');
        child.send('done?');
        return (await answered)[0];
      }),
    );
    const sum = (of: 'looks' | 'rows' | 'lookMs') => all.reduce((total, each) => total + each[of], 0);
    return {
      looks: sum('looks'),
      rows: sum('rows'),
      lookMs: sum('lookMs'),
      backends: all.flatMap((each) => each.backends),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        const ended = once(child, 'exit');
        child.disconnect();
        await ended;
      }),
    );
  }
}
