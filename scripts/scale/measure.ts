import pg from 'pg';
import type { PgCachedClient } from '../../client/client.js';
import { LISTENER_NAME } from '../../daemon/connection-options.js';
import { cpuUsOf } from '../bench/cpu.js';
import { DATA } from '../bench/data.js';
import { LOOP_IN_FLIGHT, loop } from '../bench/growth-loop.js';
import type { Servers } from '../bench/servers.js';
import { Followers } from './followers.js';
import { type Written, writeSteadily } from './writes.js';

/** What so many followers cost, while one daemon writes. CPU in microseconds a second (10,000 are one percent of a core). */
export interface ByFollowers extends Written {
  readonly followers: number;
  /** A follower's. */
  readonly looksPerSecond: number;
  /** From sending to answer, on average. */
  readonly lookMs: number;
  readonly rowsPerLook: number;
  /** Of Postgres's backends that answer looks, of those that listen, and of all of Postgres. */
  readonly lookCpu: number;
  readonly listenCpu: number;
  readonly postgresCpu: number;
  /** Of the followers' own processes. */
  readonly followerCpu: number;
}

const SETTLE_MS = 500;

export async function measureFollowers(
  count: number,
  perSecond: number,
  durationMs: number,
  servers: Servers,
  cache: PgCachedClient,
): Promise<ByFollowers> {
  const { databaseUrl } = servers.addresses;
  const followers = count === 0 ? undefined : await Followers.start(databaseUrl, count);
  await writeSteadily(cache, perSecond, SETTLE_MS);
  const listeners = await listenersOf(databaseUrl);
  const before = await followers?.done();
  const cpu = () => ({
    look: cpuUsOf(before?.backends ?? []) ?? 0,
    listen: cpuUsOf(listeners) ?? 0,
    postgres: servers.cpu().postgres ?? 0,
    follower: cpuUsOf(followers?.pids ?? []) ?? 0,
  });
  const from = cpu();
  const fromMs = performance.now();
  const written = await writeSteadily(cache, perSecond, durationMs);
  const seconds = (performance.now() - fromMs) / 1000;
  const to = cpu();
  const after = await followers?.done();
  await followers?.stop();
  const looks = (after?.looks ?? 0) - (before?.looks ?? 0);
  const each = (of: 'rows' | 'lookMs') => (looks === 0 ? 0 : ((after?.[of] ?? 0) - (before?.[of] ?? 0)) / looks);
  return {
    ...written,
    followers: count,
    looksPerSecond: count === 0 ? 0 : looks / seconds / count,
    lookMs: each('lookMs'),
    rowsPerLook: each('rows'),
    lookCpu: (to.look - from.look) / seconds,
    listenCpu: (to.listen - from.listen) / seconds,
    postgresCpu: (to.postgres - from.postgres) / seconds,
    followerCpu: (to.follower - from.follower) / seconds,
  };
}

/** What else limits a fleet. */
export interface Footprint {
  /** Connections that the two daemons of the run have open, halved. */
  readonly connectionsPerDaemon: number;
  /** Of the log, indexes included, in bytes a row. */
  readonly logRowBytes: number;
}

/** To be called while nothing but the daemons is connected, after many writes. */
export async function measureFootprint(databaseUrl: string): Promise<Footprint> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ connections: number; bytes: number }>(`
    SELECT (SELECT count(*) FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())::int AS connections,
      (SELECT pg_total_relation_size('hyper_cache_log') / greatest(count(*), 1) FROM hyper_cache_log)::int AS bytes`);
  await client.end();
  return { connectionsPerDaemon: rows[0]!.connections / 2, logRowBytes: rows[0]!.bytes };
}

async function listenersOf(databaseUrl: string): Promise<number[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const text = 'SELECT pid FROM pg_stat_activity WHERE application_name = $1';
  const { rows } = await client.query<{ pid: number }>(text, [LISTENER_NAME]);
  await client.end();
  return rows.map(({ pid }) => pid);
}

export interface Throughput {
  readonly followers: number;
  readonly setsPerSecond: number;
  readonly postgresCpuUs: number | undefined;
}

/** Sets as fast as one process can with 64 in flight, while so many listen. */
export async function measureThroughput(
  count: number,
  durationMs: number,
  servers: Servers,
  cache: PgCachedClient,
): Promise<Throughput> {
  const followers = count === 0 ? undefined : await Followers.start(servers.addresses.databaseUrl, count);
  const { valueAt, writtenAt } = DATA['200B'];
  const set = (index: number) => cache.set(writtenAt(index), valueAt(index));
  await loop(set, LOOP_IN_FLIGHT, durationMs / 2);
  const before = servers.cpu().postgres;
  const { calls, ms } = await loop(set, LOOP_IN_FLIGHT, durationMs);
  const after = servers.cpu().postgres;
  await followers?.stop();
  const postgresCpuUs = before === undefined || after === undefined ? undefined : (after - before) / calls;
  return { followers: count, setsPerSecond: (calls / ms) * 1000, postgresCpuUs };
}

/** What Postgres's own crash, or a promoted standby, costs those who read and write. */
export interface Failover {
  /** From the crash until Postgres accepts connections again. */
  readonly postgresMs: number;
  /** From then until a set succeeds, and until a value that was set before is found to be gone. */
  readonly writeMs: number;
  readonly emptyMs: number;
  /** How long reads went on being answered from memory after the crash. */
  readonly answeredMs: number;
}

export async function measureFailover(servers: Servers, cache: PgCachedClient): Promise<Failover> {
  await cache.set('before', 1);
  await cache.get('before');
  const crashedMs = performance.now();
  let answeredMs = 0;
  let isDown = true;
  const reading = (async () => {
    while (isDown) {
      if ((await cache.get('before').catch(() => undefined)) !== undefined) answeredMs = performance.now() - crashedMs;
      await sleep(2);
    }
  })();
  await servers.crashPostgres();
  const upMs = performance.now();
  isDown = false;
  await reading;
  let writeMs: number | undefined;
  const writing = (async () => {
    for (; writeMs === undefined; await sleep(2)) {
      await cache.set('after', 1).then(
        () => {
          writeMs = performance.now() - upMs;
        },
        () => {},
      );
    }
  })();
  for (let value: unknown = 1; value !== undefined; await sleep(2)) value = await cache.get('before').catch(() => 1);
  const emptyMs = performance.now() - upMs;
  await writing;
  return { postgresMs: upMs - crashedMs, writeMs: writeMs ?? 0, emptyMs, answeredMs };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
