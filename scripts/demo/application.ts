import type { ChildProcess } from 'node:child_process';
import type { Acknowledged, CallName, Calls, Figures, FromApp, KeyDemand, ToApp } from './messages.js';

/** The demo's end of the channel to an application process. */
export class Application {
  readonly name: string;
  readonly server: string;
  readonly pid: number;
  figures: Figures | undefined;
  /** Resolves with the port that it listens on. */
  readonly ready: Promise<number>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  #calls = 0;

  /** @param acknowledged told of the process's writes, before whatever the process says after them */
  constructor(
    name: string,
    server: string,
    child: ChildProcess,
    acknowledged: (from: Application, writes: readonly Acknowledged[]) => void,
  ) {
    this.name = name;
    this.server = server;
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.ready = new Promise((resolve) => {
      child.on('message', (message: FromApp) => {
        if (message.kind === 'ready') resolve(message.port);
        else if (message.kind === 'acknowledged') acknowledged(this, message.writes);
        else if (message.kind === 'figures') this.figures = message.figures;
        else this.#answered(message);
      });
    });
  }

  demand(demands: readonly KeyDemand[]): void {
    this.#send({ kind: 'demands', demands });
  }

  call<Name extends CallName>(name: Name, ask: Calls[Name]['ask']): Promise<Calls[Name]['answer']> {
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#send({ kind: 'call', id, name, ask } as ToApp);
    });
  }

  #answered(message: Extract<FromApp, { id: number }>): void {
    const caller = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === 'answer') caller?.resolve(message.answer);
    else caller?.reject(new Error(`${this.name}: ${message.problem}`));
  }

  /** That it has gone is told by its end, not here. */
  #send(message: ToApp): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }
}
