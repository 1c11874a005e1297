import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SearchOptions, SearchResult } from './search.js';

/** What a thread of a search says (search-thread.ts). */
export type ThreadMessage =
  | { readonly kind: 'progress'; readonly schedules: number }
  | { readonly kind: 'end'; readonly result: SearchResult };

/** The same as `search` in several threads, which share the seeds among them. */
export async function searchInThreads(
  options: SearchOptions & { readonly threads: number; readonly progress?: (schedules: number) => void },
): Promise<SearchResult> {
  const { threads, progress, from = 1, ...rest } = options;
  const counts = new Array<number>(threads).fill(0);
  const results: SearchResult[] = [];
  const workers: Worker[] = [];
  const listen = (worker: Worker, at: number) =>
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'progress') {
        counts[at] = message.schedules;
        progress?.(counts.reduce((sum, count) => sum + count, 0));
        return;
      }
      results.push(message.result);
      if (message.result.failed !== undefined) for (const other of workers) void other.terminate();
    });
  for (let at = 0; at < threads; at++) {
    const workerData: SearchOptions = { ...rest, from: from + at, step: threads };
    const worker = new Worker(new URL('./search-thread.js', import.meta.url), { workerData });
    listen(worker, at);
    workers.push(worker);
  }
  // Rejects with what a thread threw.
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  return {
    schedules: results.reduce((sum, { schedules }) => sum + schedules, 0),
    seconds: Math.max(...results.map(({ seconds }) => seconds)),
    largestStalenessMs: Math.max(...results.map(({ largestStalenessMs }) => largestStalenessMs)),
    failed: results.find(({ failed }) => failed !== undefined)?.failed,
  };
}
