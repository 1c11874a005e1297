import { connect } from '../../client/index.js';
import type { GetOrSetOptions } from '../../shared/cache.js';

// A process that loads what it is told: argv[2] is the socket. The parent's messages are jobs, one after the other.

export interface LoadJob {
  readonly key: string;
  /** Calls of `getOrSet` at once. */
  readonly calls: number;
  /** How long its load takes. */
  readonly loadMs: number;
  /** Its load stops the process, as SIGSTOP does, once it has told that it runs. */
  readonly stops?: boolean;
  readonly options: GetOrSetOptions;
}

/** What it tells of a job: first 'loading' if it loads, then how it ended. */
export type LoadReport =
  | { readonly kind: 'ready' | 'loading' }
  | { readonly kind: 'done'; readonly loads: number; readonly values: readonly unknown[] };

const cache = connect({ socket: process.argv[2] as string });
const report = (message: LoadReport) => process.send?.(message);

process.on('message', async ({ key, calls, loadMs, stops, options }: LoadJob) => {
  let loads = 0;
  const load = async () => {
    loads += 1;
    await new Promise((resolve) => process.send?.({ kind: 'loading' } satisfies LoadReport, resolve));
    if (stops) process.kill(process.pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, loadMs));
    return `${process.pid}`;
  };
  const answers = Array.from({ length: calls }, () => cache.getOrSet(key, load, options));
  const settled = await Promise.allSettled(answers);
  const values = settled.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)));
  report({ kind: 'done', loads, values: [...new Set(values)] });
});
process.once('disconnect', () => process.exit());
await cache.ready();
report({ kind: 'ready' });
