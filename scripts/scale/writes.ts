import type { PgCachedClient } from '../../client/client.js';
import { DATA } from '../bench/data.js';
import { Histogram } from '../bench/histogram.js';

/** Sets at a steady rate, and how long each took, in milliseconds. */
export interface Written {
  readonly writes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const WRITE_TICK_MS = 5;
const WRITTEN_KEYS = 5_000;

/** Every set is counted from the tick that it was due at: a delay does not thin out the load. */
export async function writeSteadily(cache: PgCachedClient, perSecond: number, durationMs: number): Promise<Written> {
  const latencies = new Histogram();
  const { valueAt } = DATA['200B'];
  const from = performance.now();
  const pending: Promise<void>[] = [];
  let writes = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - from;
      if (elapsedMs >= durationMs) {
        clearInterval(timer);
        resolve();
        return;
      }
      for (; writes < (elapsedMs * perSecond) / 1000; writes++) {
        const dueMs = from + (writes / perSecond) * 1000;
        const set = cache.set(`scale:${writes % WRITTEN_KEYS}`, valueAt(writes));
        pending.push(set.then(() => latencies.record((performance.now() - dueMs) * 1000)));
      }
    }, WRITE_TICK_MS);
  });
  await Promise.all(pending);
  return { writes, p50Ms: latencies.quantile(0.5) / 1000, p99Ms: latencies.quantile(0.99) / 1000 };
}
