import type { ClientProcess } from './client-process.js';
import { type ContenderName, contenderOf, type ServerName } from './contenders.js';
import type { Size } from './data.js';
import { Histogram } from './histogram.js';
import type { Servers } from './servers.js';
import type { Load, Workload } from './workloads.js';

/** One measurement: a contender, a workload, a size of values, a load. */
export interface Cell {
  readonly contender: ContenderName;
  readonly workload: Workload;
  readonly size: Size;
  readonly load: Load;
}

/** What one round of a cell gave. CPU is in microseconds an operation; undefined where the system does not tell. */
export interface Round {
  readonly opsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly clientCpuUs: number;
  /** The server's of the contender; undefined where it has none. */
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

export async function runCell(
  { contender, workload, size, load }: Cell,
  servers: Servers,
  clients: readonly ClientProcess[],
  durationMs: number,
): Promise<Round> {
  const { processes, inFlight } = load;
  const before = servers.cpu();
  const answers = await Promise.all(
    clients
      .slice(0, processes)
      .map((client) => client.order({ kind: 'run', contender, workload, size, inFlight, durationMs })),
  );
  const after = servers.cpu();
  const latencies = new Histogram();
  for (const answer of answers) latencies.add(new Histogram(answer.latencies));
  const calls = answers.reduce((sum, answer) => sum + answer.calls, 0);
  const spent = (of: ServerName | 'postgres') => {
    const [from, to] = [before[of], after[of]];
    return from === undefined || to === undefined ? undefined : (to - from) / calls;
  };
  const { server, asksPostgres } = contenderOf(contender);
  return {
    opsPerSecond: answers.reduce((sum, answer) => sum + (answer.calls / answer.wallMs) * 1000, 0),
    p50Us: latencies.quantile(0.5),
    p99Us: latencies.quantile(0.99),
    clientCpuUs: answers.reduce((sum, answer) => sum + answer.cpuUs, 0) / calls,
    serverCpuUs: server === undefined ? undefined : spent(server),
    postgresCpuUs: asksPostgres ? spent('postgres') : undefined,
  };
}
