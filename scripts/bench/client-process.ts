import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Order } from './caller.js';
import type { Addresses } from './contenders.js';

const CALLER = fileURLToPath(new URL('./caller.js', import.meta.url));

/** The parent's side of a client process (caller.ts). It ends with its parent. */
export class ClientProcess {
  readonly #child: ChildProcess;

  constructor(addresses: Addresses) {
    this.#child = fork(CALLER, [JSON.stringify(addresses)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  /** One order at a time. @throws Error with what went wrong in the process */
  async order(order: Order): Promise<Answer> {
    const ended = new AbortController();
    const answered = once(this.#child, 'message', { signal: ended.signal });
    const died = once(this.#child, 'exit', { signal: ended.signal });
    for (const either of [answered, died]) either.catch(() => {});
    this.#child.send(order);
    const first = await Promise.race([answered, died.then(() => undefined)]);
    ended.abort();
    const answer = first?.[0] as Answer | undefined;
    if (answer === undefined) throw new Error('a client process ended by itself');
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  close(): void {
    this.#child.kill();
  }
}
