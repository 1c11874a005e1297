/** A client process of the bench: `caller.js <addresses as JSON>`, given orders by its parent. */
import { setImmediate } from 'node:timers/promises';
import { type Addresses, type Call, type Caller, type ContenderName, contenderOf } from './contenders.js';
import { DATA, type Data, type Size } from './data.js';
import { Histogram } from './histogram.js';
import { planOf, type Workload } from './workloads.js';

export type Order =
  /** Answered with the names of the workloads that it knows. */
  | { readonly kind: 'fill'; readonly contender: ContenderName; readonly sizes: readonly Size[] }
  | {
      readonly kind: 'run';
      readonly contender: ContenderName;
      readonly workload: Workload;
      readonly size: Size;
      readonly inFlight: number;
      readonly durationMs: number;
    }
  /** So many sets a second until the next order. */
  | { readonly kind: 'drizzle'; readonly perSecond: number };

export interface Answer {
  /** Why it could not be done. */
  readonly error?: string;
  readonly workloads?: readonly Workload[];
  /** Calls in all, the time they took, the CPU time of this process meanwhile, and how long each took. */
  readonly calls: number;
  readonly wallMs: number;
  readonly cpuUs: number;
  readonly latencies: readonly number[];
}

const NOTHING: Answer = { calls: 0, wallMs: 0, cpuUs: 0, latencies: [] };
const DRIZZLE_MS = 5;
/** Calls between two looks at the clock, where a call takes less time than the look. */
const NEAR_BATCH = 200;

const addresses = JSON.parse(process.argv[2]!) as Addresses;
const callers = new Map<ContenderName, Promise<Caller>>();
/** Processes begin at different keys, so that none finds what another has just read. */
let next = (process.pid * 7919) % 10_000;
let drizzle: NodeJS.Timeout | undefined;

function callerOf(name: ContenderName): Promise<Caller> {
  let caller = callers.get(name);
  if (caller === undefined) {
    caller = contenderOf(name).open(addresses);
    callers.set(name, caller);
  }
  return caller;
}

function missing(what: Workload): never {
  throw new Error(`${what}: a value that was stored is not there; nothing of this run counts`);
}

/** Calls one after the other until the time is up. @returns how many */
type Lane = (call: Call, data: Data, what: Workload, untilMs: number, latencies: Histogram) => Promise<number>;

const throughSocket: Lane = async (call, data, what, untilMs, latencies) => {
  let calls = 0;
  const stores = what === 'set';
  for (let before = performance.now(); before < untilMs; calls++) {
    const value = await call(next++, data);
    if ((value === undefined || value === null) && !stores) missing(what);
    const after = performance.now();
    latencies.record((after - before) * 1000);
    before = after;
  }
  return calls;
};

const inProcess: Lane = async (call, data, what, untilMs, latencies) => {
  let calls = 0;
  for (let before = performance.now(); before < untilMs; calls += NEAR_BATCH) {
    for (let each = 0; each < NEAR_BATCH; each++) {
      const value = what === 'peek' ? call(next++, data) : await call(next++, data);
      if (value === undefined || value === null) missing(what);
    }
    const after = performance.now();
    latencies.record(((after - before) * 1000) / NEAR_BATCH);
    // Sockets are to be heard too, as they are in an application; not counted in how long a call takes.
    await setImmediate();
    before = performance.now();
  }
  return calls;
};

async function run(order: Extract<Order, { kind: 'run' }>): Promise<Answer> {
  const caller = await callerOf(order.contender);
  const call: Call | undefined = caller.calls[order.workload];
  if (call === undefined) return { ...NOTHING, error: `${order.contender} has no ${order.workload}` };
  const data = DATA[order.size];
  await caller.warm?.(data);
  const lane = planOf(order.workload).near ? inProcess : throughSocket;
  const latencies = new Histogram();
  const cpu = process.cpuUsage();
  const from = performance.now();
  const lanes = Array.from({ length: order.inFlight }, () =>
    lane(call, data, order.workload, from + order.durationMs, latencies),
  );
  const calls = (await Promise.all(lanes)).reduce((sum, each) => sum + each, 0);
  const wallMs = performance.now() - from;
  const { user, system } = process.cpuUsage(cpu);
  return { calls, wallMs, cpuUs: user + system, latencies: [...latencies.counts] };
}

async function fill(order: Extract<Order, { kind: 'fill' }>): Promise<Answer> {
  const caller = await callerOf(order.contender);
  for (const size of order.sizes) await caller.fill?.(DATA[size]);
  return { ...NOTHING, workloads: Object.keys(caller.calls) as Workload[] };
}

async function follow(order: Order): Promise<Answer> {
  clearInterval(drizzle);
  if (order.kind === 'run') return run(order);
  if (order.kind === 'fill') return fill(order);
  const set = (await callerOf('pgcached')).calls.set!;
  const each = (order.perSecond * DRIZZLE_MS) / 1000;
  if (each > 0) {
    drizzle = setInterval(() => {
      for (let count = 0; count < each; count++) Promise.resolve(set(next++, DATA['200B'])).catch(() => {});
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
