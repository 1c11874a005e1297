/** A client process of the bench: `caller.js <addresses as JSON>`, given orders by its parent. */
import { type Addresses, type Caller, CONTENDERS, type ContenderName } from './contenders.js';
import { Histogram } from './histogram.js';
import { KEYS, type Workload } from './workloads.js';

export type Order =
  | { readonly kind: 'fill'; readonly contender: ContenderName }
  | {
      readonly kind: 'run';
      readonly contender: ContenderName;
      readonly workload: Workload;
      readonly inFlight: number;
      readonly durationMs: number;
    }
  /** So many sets a second until the next order. */
  | { readonly kind: 'drizzle'; readonly perSecond: number };

export interface Answer {
  /** Why it could not be done. */
  readonly error?: string;
  /** Calls in all, the time they took, the CPU time of this process meanwhile, and how long each took. */
  readonly calls: number;
  readonly wallMs: number;
  readonly cpuUs: number;
  readonly latencies: readonly number[];
}

const NOTHING: Answer = { calls: 0, wallMs: 0, cpuUs: 0, latencies: [] };
const DRIZZLE_MS = 5;

const addresses = JSON.parse(process.argv[2]!) as Addresses;
const callers = new Map<ContenderName, Promise<Caller>>();
/** Processes begin at different keys, so that none finds what another has just read. */
let next = (process.pid * 7919) % KEYS;
let drizzle: NodeJS.Timeout | undefined;

function callerOf(name: ContenderName): Promise<Caller> {
  let caller = callers.get(name);
  if (caller === undefined) {
    caller = CONTENDERS[name](addresses);
    callers.set(name, caller);
  }
  return caller;
}

async function run(order: Extract<Order, { kind: 'run' }>): Promise<Answer> {
  const call = (await callerOf(order.contender)).calls[order.workload];
  if (call === undefined) return { ...NOTHING, error: `${order.contender} has no ${order.workload}` };
  const latencies = new Histogram();
  const cpu = process.cpuUsage();
  const from = performance.now();
  const until = from + order.durationMs;
  let calls = 0;
  const lane = async () => {
    for (let before = performance.now(); before < until; ) {
      await call(next++);
      const after = performance.now();
      latencies.record((after - before) * 1000);
      calls++;
      before = after;
    }
  };
  await Promise.all(Array.from({ length: order.inFlight }, lane));
  const wallMs = performance.now() - from;
  const { user, system } = process.cpuUsage(cpu);
  return { calls, wallMs, cpuUs: user + system, latencies: [...latencies.counts] };
}

async function follow(order: Order): Promise<Answer> {
  clearInterval(drizzle);
  if (order.kind === 'run') return run(order);
  if (order.kind === 'fill') {
    await (await callerOf(order.contender)).fill?.();
    return NOTHING;
  }
  const set = (await callerOf('pgcached')).calls.set!;
  const each = (order.perSecond * DRIZZLE_MS) / 1000;
  if (each > 0) {
    drizzle = setInterval(() => {
      for (let count = 0; count < each; count++) set(next++).catch(() => {});
    }, DRIZZLE_MS);
  }
  return NOTHING;
}

process.on('message', (order: Order) => {
  follow(order).then(
    (answer) => process.send?.(answer),
    (error: Error) => process.send?.({ ...NOTHING, error: error.stack ?? String(error) }),
  );
});
process.on('disconnect', () => process.exit());
