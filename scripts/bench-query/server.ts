/** An application process of the benchmark: `server.js SETUP`. Ends when its parent is gone. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import pg from 'pg';
import { connect } from '../../client/index.js';
import { type CachedPool, cachedPool } from '../../client/query/index.js';
import { Histogram } from '../bench/histogram.js';
import type { Acknowledged, FromServer, KindCounts, Measured, ServerSetup, ToServer } from './messages.js';
import { randomOf } from './random.js';
import { type Places, TABLE_NAMES } from './schema.js';
import { StalenessCheck } from './staleness.js';
import { type ReadQuery, Workload } from './workload.js';

const setup = JSON.parse(process.argv[2]!) as ServerSetup;
const raw = new pg.Pool({ connectionString: setup.databaseUrl, max: setup.loops + 2, min: setup.loops });
raw.on('error', () => {}); // the query under way rejects by itself
const cache =
  setup.socket === undefined ? undefined : connect({ socket: setup.socket, ...(setup.near && { near: true }) });
const tables = Object.fromEntries(TABLE_NAMES.map((name) => [name, { cacheTtl: '1h' }]));

/** Of the call that runs: how often it was answered from the cache, and went past it. */
const calls = new AsyncLocalStorage<{ hits: number; direct: number }>();
const pool = cache === undefined ? undefined : cachedPool(raw, { cache, tables, adaptive: setup.adaptive });
if (pool !== undefined) for (const name of ['hits', 'direct'] as const) tell(pool, name);

/** The pool counts for all calls; here each is told of its own, in whose context it is counted. */
function tell({ cacheStats }: CachedPool, name: 'hits' | 'direct'): void {
  let count = 0;
  Object.defineProperty(cacheStats, name, {
    get: () => count,
    set: (value: number) => {
      count = value;
      const call = calls.getStore();
      if (call !== undefined) call[name] += 1;
    },
  });
}

const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

type KindTally = Omit<KindCounts, 'latencies'> & { readonly times: Histogram };

class Run {
  readonly check = new StalenessCheck();
  readonly acknowledged: [counter: string, atUs: number][] = [];
  readonly #writes = new Histogram();
  readonly #kinds = new Map<string, KindTally>();
  readonly #failures: Record<string, number> = {};
  /** Of each query that was run, a digest of its last result. */
  readonly #last = new Map<string, string>();
  readonly #places: Places;
  #isCounted = false;

  constructor(places: Places) {
    this.#places = places;
  }

  async measure(warmMs: number, ms: number): Promise<Measured> {
    const from = performance.now();
    let [countedFrom, cpuFrom] = [from, process.cpuUsage()];
    const timer = setTimeout(() => {
      this.#isCounted = true;
      [countedFrom, cpuFrom] = [performance.now(), process.cpuUsage()];
    }, warmMs);
    const endMs = from + warmMs + ms;
    await Promise.all(Array.from({ length: setup.loops }, (_, at) => this.#loop(at, endMs)));
    clearTimeout(timer);
    const { user, system } = process.cpuUsage(cpuFrom);
    return {
      kinds: Object.fromEntries(
        [...this.#kinds].map(([kind, { times, ...counts }]) => [kind, { ...counts, latencies: [...times.counts] }]),
      ),
      bypasses: pool?.cacheStats.bypasses ?? 0,
      failures: this.#failures,
      writes: [...this.#writes.counts],
      elapsedMs: performance.now() - countedFrom,
      cpuUs: user + system,
    };
  }

  async #loop(at: number, endMs: number): Promise<void> {
    const random = randomOf(setup.seed * 1_000 + at);
    const workload = new Workload(this.#places, random);
    while (performance.now() < endMs) {
      try {
        if (random() < setup.writeShare) await this.#write(workload, random() < 0.5);
        else await this.#read(workload.read());
      } catch (error) {
        const { code = 'error', message } = error as { code?: string; message: string };
        const name = `${code} ${message}`;
        this.#failures[name] = (this.#failures[name] ?? 0) + 1;
      }
    }
  }

  async #read({ kind, counter, text, values }: ReadQuery): Promise<void> {
    const call = { hits: 0, direct: 0 };
    const beganUs = nowUs();
    const { rows } = await calls.run(call, () => (pool ?? raw).query<{ v?: number }>(text, [...values]));
    const tookUs = nowUs() - beganUs;
    if (counter !== undefined) this.check.add(counter, rows[0]?.v ?? 0, beganUs);
    const before =
      call.hits > 0 || pool === undefined ? undefined : this.#resultBefore(`${text} ${values.join()}`, rows);
    if (!this.#isCounted) return;
    const counts = this.#kinds.get(kind) ?? { reads: 0, hits: 0, direct: 0, again: 0, same: 0, times: new Histogram() };
    this.#kinds.set(kind, counts);
    counts.times.record(tookUs);
    counts.reads += 1;
    counts.hits += call.hits;
    counts.direct += call.direct;
    if (before !== undefined) counts.again += 1;
    if (before === 'same') counts.same += 1;
  }

  /** What the process got when it ran the query the last time; undefined where it never has. */
  #resultBefore(query: string, rows: readonly unknown[]): 'same' | 'other' | undefined {
    const digest = createHash('md5').update(JSON.stringify(rows)).digest('base64');
    const before = this.#last.get(query);
    this.#last.set(query, digest);
    if (before === undefined) return undefined;
    return before === digest ? 'same' : 'other';
  }

  /** @param isPlain on a connection that the wrapper does not see, as another program's would be */
  async #write(workload: Workload, isPlain: boolean): Promise<void> {
    const { counters, run } = workload.write();
    const beganUs = nowUs();
    const client = await (isPlain ? raw : (pool ?? raw)).connect();
    try {
      await run(client);
      client.release();
    } catch (error) {
      client.release(true);
      throw error;
    }
    const endUs = nowUs();
    for (const counter of counters) this.acknowledged.push([counter, endUs]);
    if (this.#isCounted) this.#writes.record(endUs - beganUs);
  }
}

let run: Run | undefined;
const send = (message: FromServer): void => {
  process.send!(message);
};

async function answer(message: ToServer): Promise<void> {
  if (message.type === 'places') {
    run = new Run(message.places);
    await raw.query('SELECT 1');
    await cache?.ready();
    send({ type: 'ready' });
  } else if (message.type === 'run') {
    const measured = await run!.measure(message.warmMs, message.ms);
    send({ type: 'ran', measured, writes: run!.acknowledged satisfies Acknowledged });
  } else {
    send({ type: 'checked', ...run!.check.against(message.writes, setup.staleBoundMs) });
  }
}

process.on('disconnect', () => process.exit());
process.on('message', (message: ToServer) => {
  answer(message).catch((error: Error) => {
    console.error(error);
    process.exit(1);
  });
});
