import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoadJob, LoadReport } from './loader-child.js';

const CHILD = fileURLToPath(new URL('./loader-child.js', import.meta.url));
const LIMIT_MS = 30_000;

type Done = Extract<LoadReport, { kind: 'done' }>;

/** A process of its own that runs `getOrSet`, to be killed if need be. */
export class LoaderProcess {
  readonly #child: ChildProcess;
  readonly #reports: LoadReport[] = [];
  #wake = () => {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (report: LoadReport) => {
      this.#reports.push(report);
      this.#wake();
    });
  }

  static async start(socket: string): Promise<LoaderProcess> {
    const loader = new LoaderProcess(fork(CHILD, [socket], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
    await loader.#next('ready');
    return loader;
  }

  begin(job: Partial<LoadJob> & { key: string }): void {
    this.#child.send({ calls: 1, loadMs: 0, options: {}, ...job });
  }

  /** Resolves when its load runs. */
  async loading(): Promise<void> {
    await this.#next('loading');
  }

  async done(): Promise<Done> {
    return (await this.#next('done')) as Done;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  get pid(): string {
    return `${this.#child.pid}`;
  }

  /** Takes the first report of the kind, waiting for it; the others stay. */
  async #next(kind: LoadReport['kind']): Promise<LoadReport> {
    for (const end = Date.now() + LIMIT_MS; Date.now() < end; ) {
      const at = this.#reports.findIndex((report) => report.kind === kind);
      if (at !== -1) return this.#reports.splice(at, 1)[0] as LoadReport;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    throw new Error(`no '${kind}' of process ${this.pid} within ${LIMIT_MS} ms`);
  }
}
