import { connect } from '../../client/index.js';
import { DATA } from './data.js';
import { STORED_AT_ONCE } from './growth-loop.js';
import { progress } from './machine.js';
import type { Servers } from './servers.js';

/** What a restart of the daemon does to its readers. */
export interface Restart {
  readonly entries: number;
  /** Reads a second before it. */
  readonly before: number;
  /** From SIGTERM to ready again. */
  readonly awayMs: number;
  /** Reads that found nothing, because the daemon was away. */
  readonly unanswered: number;
  readonly stepMs: number;
  /** Reads a second, in steps from the first that was answered after it; and how many of them the table answered, in percent. */
  readonly after: readonly number[];
  readonly fromTable: readonly number[];
}

const READERS = 16;
const STEP_MS = 200;
const STEPS = 8;
/** Who reads while the daemon is away waits a little, as one who computes the value would. */
const MISS_MS = 5;

const data = DATA['200B'];

export async function measureRestart(entries: number, servers: Servers): Promise<Restart> {
  progress('a restart of the daemon');
  const cache = connect({ socket: servers.addresses.daemonSockets[0] });
  await cache.ready();
  for (let from = 0; from < entries; from += STORED_AT_ONCE) {
    const part = data.keys
      .slice(from, from + STORED_AT_ONCE)
      .map((key, each) => [key, data.valueAt(from + each)] as const);
    await cache.setMany(new Map(part), Infinity);
  }
  let answered = 0;
  let unanswered = 0;
  let running = true;
  const lane = async () => {
    while (running) {
      if ((await cache.get(data.keyAt(Math.floor(Math.random() * entries)))) !== undefined) answered++;
      else {
        unanswered++;
        await sleep(MISS_MS);
      }
    }
  };
  const lanes = Array.from({ length: READERS }, lane);
  await sleep(STEP_MS);
  const before = await rate(() => answered);
  const askedMs = performance.now();
  unanswered = 0;
  await servers.restartDaemon();
  const awayMs = performance.now() - askedMs;
  // Until the client has found it again.
  for (const seen = answered; answered === seen; ) await sleep(1);
  const after: number[] = [];
  const fromTable: number[] = [];
  let misses = 0;
  for (let step = 0; step < STEPS; step++) {
    after.push(await rate(() => answered));
    const { tiers } = await cache.stats();
    const total = tiers.memory?.misses ?? 0;
    const reads = Math.max(total - misses, (after.at(-1)! * STEP_MS) / 1000);
    fromTable.push(((total - misses) / reads) * 100);
    misses = total;
  }
  running = false;
  await Promise.all(lanes);
  await cache.close();
  return { entries, before, awayMs, unanswered, stepMs: STEP_MS, after, fromTable };
}

async function rate(count: () => number): Promise<number> {
  const [from, calls] = [performance.now(), count()];
  await sleep(STEP_MS);
  return ((count() - calls) / (performance.now() - from)) * 1000;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
