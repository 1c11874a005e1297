import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect } from '../../client/index.js';
import type { ClientProcess } from './client-process.js';
import type { Addresses } from './contenders.js';
import { Histogram } from './histogram.js';
import { figure, markdown } from './report.js';

/** Times in microseconds, as counts of a Histogram. */
export interface Visibility {
  /** From when the writer was told that its write is committed, until a reader on the other server gets it. */
  readonly fromCommit: readonly number[];
  /** From when the write was asked for. */
  readonly fromCall: readonly number[];
}

/** With so many other writes a second going on. */
export interface VisibilityFound {
  readonly perSecond: number;
  readonly fromCommit: { readonly p50Ms: number; readonly p99Ms: number };
  readonly fromCall: { readonly p50Ms: number; readonly p99Ms: number };
}

const VISIBILITY_WRITES_PER_SECOND = [0, 1000] as const;

/** @param writer a client process that does the other writes */
export async function measureVisibilities(
  samples: number,
  addresses: Addresses,
  writer: ClientProcess,
  progress: (text: string) => void,
): Promise<VisibilityFound[]> {
  const found: VisibilityFound[] = [];
  for (const perSecond of samples === 0 ? [] : VISIBILITY_WRITES_PER_SECOND) {
    progress(`commit to visible elsewhere, ${perSecond} other writes a second`);
    await writer.order({ kind: 'drizzle', perSecond });
    const { fromCommit, fromCall } = await measureVisibility(addresses, samples);
    const quantiles = (counts: readonly number[]) => {
      const histogram = new Histogram(counts);
      return { p50Ms: histogram.quantile(0.5) / 1000, p99Ms: histogram.quantile(0.99) / 1000 };
    };
    found.push({ perSecond, fromCommit: quantiles(fromCommit), fromCall: quantiles(fromCall) });
  }
  await writer.order({ kind: 'drizzle', perSecond: 0 });
  return found;
}

export function visibilityTable(found: readonly VisibilityFound[]): string {
  const rows = found.map(({ perSecond, fromCommit, fromCall }) =>
    [perSecond, fromCommit.p50Ms, fromCommit.p99Ms, fromCall.p50Ms, fromCall.p99Ms].map(figure),
  );
  return markdown([
    ['other writes/s', 'commit to visible p50 ms', 'p99 ms', 'call to visible p50 ms', 'p99 ms'],
    ...rows,
  ]);
}

/** How long between two samples, so that each finds the servers at rest; chance keeps it off the beat of any timer. */
const PAUSE_MS = [3, 15] as const;

/**
 * The time from commit on one server to visible on another: a process has a client at each, the value is in memory at
 * both, it is written at the one and asked for at the other, again and again, until it is there.
 */
export async function measureVisibility(addresses: Addresses, samples: number): Promise<Visibility> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [JSON.stringify(addresses), String(samples)]);
  const died = once(child, 'exit').then(([code]) => Promise.reject(new Error(`ended with ${code}`)));
  died.catch(() => {});
  const [result] = await Promise.race([once(child, 'message'), died]);
  return result as Visibility;
}

async function measure({ daemonSockets: [here, there] }: Addresses, samples: number): Promise<Visibility> {
  const writer = connect({ socket: here, onUnavailable: 'throw' });
  const reader = connect({ socket: there, onUnavailable: 'throw' });
  await Promise.all([writer.ready(), reader.ready()]);
  const fromCommit = new Histogram();
  const fromCall = new Histogram();
  for (let sample = 0; sample < samples; sample++) {
    const key = `visible:${sample % 10}`;
    await reader.get(key);
    await reader.get(key);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS[0] + Math.random() * (PAUSE_MS[1] - PAUSE_MS[0])));
    const calledMs = performance.now();
    await writer.set(key, sample);
    const committedMs = performance.now();
    while ((await reader.get(key)) !== sample);
    const visibleMs = performance.now();
    fromCommit.record((visibleMs - committedMs) * 1000);
    fromCall.record((visibleMs - calledMs) * 1000);
  }
  await Promise.all([writer.close(), reader.close()]);
  return { fromCommit: [...fromCommit.counts], fromCall: [...fromCall.counts] };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.send?.(await measure(JSON.parse(process.argv[2]!) as Addresses, Number(process.argv[3])));
  process.disconnect?.();
}
