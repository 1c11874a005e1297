import type { ClientProcess } from './client-process.js';
import { type Cell, runCell } from './rounds.js';
import type { Servers } from './servers.js';
import { type Spread, spreadOf } from './statistics.js';
import { ALONE } from './workloads.js';

/** The p99 of hits of one caller, in microseconds: at rest, and while another process misses as fast as it can. */
export interface Contention {
  readonly idleUs: Spread | undefined;
  readonly busyUs: Spread | undefined;
  /** Busy to idle, round by round. */
  readonly ratio: Spread | undefined;
}

const MISSES_IN_FLIGHT = 64;
/** The misses run a little longer at both ends. */
const MARGIN_MS = 50;

export async function measureContention(
  rounds: number,
  durationMs: number,
  servers: Servers,
  clients: readonly ClientProcess[],
): Promise<Contention> {
  const hits: Cell = { contender: 'pgcached', workload: 'get-hit', size: '200B', load: ALONE };
  const p99 = async () => (await runCell(hits, servers, clients.slice(0, 1), durationMs)).p99Us;
  const idle: number[] = [];
  const busy: number[] = [];
  for (let round = 0; round < rounds; round++) {
    idle.push(await p99());
    const misses = clients[1]!.order({
      kind: 'run',
      contender: 'pgcached',
      workload: 'get-miss',
      size: '200B',
      inFlight: MISSES_IN_FLIGHT,
      durationMs: durationMs + 2 * MARGIN_MS,
    });
    await new Promise((resolve) => setTimeout(resolve, MARGIN_MS));
    busy.push(await p99());
    await misses;
  }
  return {
    idleUs: spreadOf(idle),
    busyUs: spreadOf(busy),
    ratio: spreadOf(busy.map((value, index) => value / idle[index]!)),
  };
}
