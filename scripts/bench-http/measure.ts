import autocannon from 'autocannon';
import { cpuUsOf } from '../bench/cpu.js';
import { Histogram } from '../bench/histogram.js';
import type { Servers } from '../bench/servers.js';
import { type ContenderName, contenderOf, isOurs } from './contenders.js';
import type { Farm } from './farm.js';
import { PATHS } from './page.js';

/** So many server processes, with so many connections each. */
export interface Load {
  readonly processes: number;
  readonly connections: number;
}
export const LOADS: readonly Load[] = [
  { processes: 1, connections: 64 },
  { processes: 4, connections: 16 },
];
export const loadName = ({ processes, connections }: Load): string => `${processes}x${connections}`;

export interface Cell {
  readonly contender: ContenderName;
  readonly load: Load;
}

/** CPU in microseconds a request. */
export interface Round {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of all processes that serve. */
  readonly serverCpuUs: number | undefined;
  /** Of the daemon or Redis; 0 for contenders without either. */
  readonly storeCpuUs: number | undefined;
  /** Both, and Postgres with all its backends. */
  readonly allCpuUs: number | undefined;
}

/** @throws Error for a response that was none, or not 200: a figure made of errors would be worthless */
export async function measure(
  { contender, load }: Cell,
  farm: Farm,
  servers: Servers,
  seconds: number,
): Promise<Round> {
  const { urls, pids } = await farm.servers(contender, load.processes);
  const store = isOurs(contender) ? 'daemon' : contenderOf(contender).needsRedis ? 'redis' : undefined;
  const cpuNow = () => {
    const cpu = servers.cpu();
    return { server: cpuUsOf(pids), store: store === undefined ? 0 : cpu[store], postgres: cpu.postgres };
  };
  const latencies = new Histogram();
  const before = cpuNow();
  const running = autocannon({
    url: urls,
    connections: load.processes * load.connections,
    duration: seconds,
    requests: PATHS.map((path) => ({ path })),
  });
  running.on('response', (_client, _status, _bytes, ms: number) => latencies.record(ms * 1000));
  const { requests, duration, errors, timeouts, non2xx } = await running;
  const after = cpuNow();
  if (errors + timeouts + non2xx > 0) {
    throw new Error(`${contender}: ${errors} errors, ${timeouts} timeouts, ${non2xx} responses that are not 2xx`);
  }
  const spent = (of: 'server' | 'store' | 'postgres') => {
    const [from, to] = [before[of], after[of]];
    return from === undefined || to === undefined ? undefined : (to - from) / requests.total;
  };
  const parts = [spent('server'), spent('store'), spent('postgres')];
  return {
    requestsPerSecond: requests.total / duration,
    p50Ms: latencies.quantile(0.5) / 1000,
    p99Ms: latencies.quantile(0.99) / 1000,
    serverCpuUs: parts[0],
    storeCpuUs: parts[1],
    allCpuUs: parts.includes(undefined) ? undefined : parts.reduce<number>((sum, part) => sum + part!, 0),
  };
}
