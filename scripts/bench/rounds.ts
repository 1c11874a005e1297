import type { ClientProcess } from './client-process.js';
import type { ContenderName } from './contenders.js';
import { Histogram } from './histogram.js';
import type { Servers } from './servers.js';
import type { Load, Workload } from './workloads.js';

/** One measurement: a contender, a workload, a load. */
export interface Cell {
  readonly contender: ContenderName;
  readonly workload: Workload;
  readonly load: Load;
}

/** What one round of a cell gave. CPU is in microseconds an operation; undefined where the system does not tell. */
export interface Round {
  readonly opsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly clientCpuUs: number;
  /** The daemon's, or the echo's. */
  readonly serverCpuUs: number | undefined;
  readonly postgresCpuUs: number | undefined;
}

/** Runs all cells once, one after the other; rounds interleave by calling this again. */
export async function runRound(
  cells: readonly Cell[],
  servers: Servers,
  clients: readonly ClientProcess[],
  durationMs: number,
  onCell: (cell: Cell, round: Round) => void,
): Promise<void> {
  for (const cell of cells) onCell(cell, await runCell(cell, servers, clients, durationMs));
}

async function runCell(
  { contender, workload, load }: Cell,
  servers: Servers,
  clients: readonly ClientProcess[],
  durationMs: number,
): Promise<Round> {
  const { processes, inFlight } = load;
  const before = servers.cpu();
  const answers = await Promise.all(
    clients
      .slice(0, processes)
      .map((client) => client.order({ kind: 'run', contender, workload, inFlight, durationMs })),
  );
  const after = servers.cpu();
  const latencies = new Histogram();
  for (const answer of answers) latencies.add(new Histogram(answer.latencies));
  const calls = answers.reduce((sum, answer) => sum + answer.calls, 0);
  const spent = (of: 'daemon' | 'echo' | 'postgres') => {
    const [from, to] = [before[of], after[of]];
    return from === undefined || to === undefined ? undefined : (to - from) / calls;
  };
  return {
    opsPerSecond: answers.reduce((sum, answer) => sum + (answer.calls / answer.wallMs) * 1000, 0),
    p50Us: latencies.quantile(0.5),
    p99Us: latencies.quantile(0.99),
    clientCpuUs: answers.reduce((sum, answer) => sum + answer.cpuUs, 0) / calls,
    serverCpuUs: contender === 'pgcached' ? spent('daemon') : contender === 'echo' ? spent('echo') : undefined,
    postgresCpuUs: contender === 'echo' ? undefined : spent('postgres'),
  };
}
