import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { watchTables } from '../../shared/table/watch.js';
import { childrenOf, cpuUsOf } from '../bench/cpu.js';
import { type TestCluster, testCluster } from '../test-cluster.js';
import type { Checked, Measured } from './messages.js';
import { AppServer, Daemon } from './processes.js';
import { loadShop, type Places, TABLE_NAMES } from './schema.js';

export const SERVERS = 2;
/** The default of the daemon's option. */
const BOUND_MS = 1_000;
const TELL_EVERY_MS = 10_000;
/** Postgres as an application has it: commits are waited for. What is loaded fits into its memory, as a shop's does. */
const SETTINGS = { synchronous_commit: 'on', shared_buffers: '256MB', max_prepared_transactions: 0 } as const;

export interface QueryBenchOptions {
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly rounds: number;
  readonly loops: number;
  readonly writeShare: number;
  readonly near: boolean;
  readonly adaptive: boolean;
  readonly progress: (text: string) => void;
}

/** One round, of all servers. CPU in microseconds; undefined where the system does not tell. */
export interface RoundFigures {
  readonly isCached: boolean;
  readonly measured: readonly Measured[];
  readonly checked: Checked;
  readonly databaseCpuUs: number | undefined;
  readonly daemonsCpuUs: number | undefined;
}

export interface QueryBench {
  readonly rows: number;
  readonly rounds: readonly RoundFigures[];
}

/** Loads the shop once; each round has a copy of it of its own, without the cache and with it in turn. */
export async function runQueryBench(options: QueryBenchOptions): Promise<QueryBench> {
  const { progress } = options;
  const cluster = await testCluster(SETTINGS);
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-bench-query-'));
  try {
    await sqlOf(cluster.url, 'CREATE DATABASE shop');
    const { places, rows } = await loadShop(urlOf(cluster.url, 'shop'));
    progress(`${rows} rows loaded`);
    const rounds: RoundFigures[] = [];
    for (let n = 0; n < options.rounds; n++) {
      for (const isCached of [false, true]) {
        const name = `round_${n}_${isCached ? 'cached' : 'plain'}`;
        await sqlOf(cluster.url, `CREATE DATABASE ${name} TEMPLATE shop`);
        const ground = { cluster, url: urlOf(cluster.url, name), folder: join(folder, name), places };
        rounds.push(await round(ground, isCached, n, options));
        await sqlOf(cluster.url, `DROP DATABASE ${name} WITH (FORCE)`);
      }
    }
    return { rows, rounds };
  } finally {
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Ground {
  readonly cluster: TestCluster;
  readonly url: string;
  readonly folder: string;
  readonly places: Places;
}

async function round(ground: Ground, isCached: boolean, n: number, options: QueryBenchOptions): Promise<RoundFigures> {
  const { url, folder, places } = ground;
  const daemons: Daemon[] = [];
  const servers: AppServer[] = [];
  try {
    if (isCached) {
      const pool = new pg.Pool({ connectionString: url, max: 1 });
      await watchTables(pool, [...TABLE_NAMES]);
      await pool.end();
      for (let at = 0; at < SERVERS; at++) daemons.push(new Daemon(folder, `host-${at}`, url));
      await Promise.all(daemons.map((daemon) => daemon.ready()));
    }
    const { loops, writeShare, near, adaptive } = options;
    for (let at = 0; at < SERVERS; at++) {
      const socket = daemons[at]?.socket;
      const common = { databaseUrl: url, seed: 1 + n * SERVERS + at, near, adaptive, loops, writeShare };
      servers.push(new AppServer({ ...common, staleBoundMs: BOUND_MS, ...(socket !== undefined && { socket }) }));
    }
    await Promise.all(servers.map((server) => server.ask({ type: 'places', places }, 'ready')));
    return { isCached, ...(await measure(ground.cluster, servers, daemons, isCached, options)) };
  } finally {
    await Promise.all(servers.map((server) => server.end()));
    await Promise.all(daemons.map((daemon) => daemon.end()));
  }
}

async function measure(
  cluster: TestCluster,
  servers: readonly AppServer[],
  daemons: readonly Daemon[],
  isCached: boolean,
  { seconds, warmSeconds, progress }: QueryBenchOptions,
): Promise<Omit<RoundFigures, 'isCached'>> {
  const name = isCached ? 'with the cache' : 'without the cache';
  progress(`${name}: ${warmSeconds} s to warm up, ${seconds} s counted`);
  const startedMs = performance.now();
  const timer = setInterval(
    () => progress(`${name}: ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`),
    TELL_EVERY_MS,
  );
  try {
    const order = { type: 'run', warmMs: warmSeconds * 1_000, ms: seconds * 1_000 } as const;
    const ran = Promise.all(servers.map((server) => server.ask(order, 'ran')));
    ran.catch(() => {}); // awaited below
    await sleep(order.warmMs);
    const before = cpuByProcess([cluster.pid, ...childrenOf(cluster.pid)]);
    const daemonsBefore = cpuUsOf(daemons.map(({ pid }) => pid));
    await sleep(order.ms);
    const databaseCpuUs = cpuSince(before, cpuByProcess([cluster.pid, ...childrenOf(cluster.pid)]));
    const daemonsAfter = cpuUsOf(daemons.map(({ pid }) => pid));
    const all = await ran;
    const writes = all.flatMap((one) => one.writes);
    const checked = await Promise.all(servers.map((server) => server.ask({ type: 'check', writes }, 'checked')));
    const isKnown = daemonsBefore !== undefined && daemonsAfter !== undefined;
    return {
      measured: all.map((one) => one.measured),
      checked: {
        checked: checked.reduce((sum, one) => sum + one.checked, 0),
        stale: checked.reduce((sum, one) => sum + one.stale, 0),
        stalestMs: Math.max(...checked.map((one) => one.stalestMs)),
      },
      databaseCpuUs,
      daemonsCpuUs: isKnown ? daemonsAfter - daemonsBefore : undefined,
    };
  } finally {
    clearInterval(timer);
  }
}

type CpuByProcess = ReadonlyMap<number, number | undefined>;

const cpuByProcess = (pids: readonly number[]): CpuByProcess => new Map(pids.map((pid) => [pid, cpuUsOf([pid])]));

/** Of the processes that are there at the end: a backend that ended in between takes its own with it. */
function cpuSince(before: CpuByProcess, after: CpuByProcess): number | undefined {
  let sum = 0;
  for (const [pid, us] of after) {
    if (us !== undefined) sum += us - (before.get(pid) ?? 0);
  }
  return sum > 0 ? sum : undefined;
}

/** The same server, another database. */
const urlOf = (url: string, name: string): string => url.replace(/(@[^/]*\/)[^?]*/, `$1${name}`);

async function sqlOf(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // the query's own rejection tells
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
