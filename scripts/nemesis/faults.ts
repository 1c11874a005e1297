import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.js';
import type { World } from './world.js';

const STOP_MS_MAX = 3_000;

type Fault = (world: World, random: Random) => Promise<void>;

/** What goes wrong; each resolves when what it stopped goes on. */
export const FAULTS = {
  killClient: async (world, random) => {
    const slot = random.below(world.clients.length);
    await world.clients[slot]!.end('SIGKILL');
    world.startClient(slot);
  },
  killDaemon: async (world, random) => {
    const host = random.below(world.daemons.length);
    await world.daemons[host]!.end('SIGKILL');
    await sleep(random.below(500));
    world.startDaemon(host);
  },
  stopClient: async (world, random) => {
    const client = random.pick(world.clients);
    client.signal('SIGSTOP');
    await sleep(random.below(STOP_MS_MAX));
    client.signal('SIGCONT');
  },
  stopDaemon: async (world, random) => {
    const daemon = random.pick(world.daemons);
    daemon.signal('SIGSTOP');
    await sleep(random.below(STOP_MS_MAX));
    daemon.signal('SIGCONT');
  },
  stopBackend: async (world, random) => {
    const stopped = random.shuffled(await backends(world)).slice(0, 1 + random.below(6));
    const stoppable = stopped.filter((pid) => signal(pid, 'SIGSTOP'));
    await sleep(random.below(STOP_MS_MAX));
    for (const pid of stoppable) signal(pid, 'SIGCONT');
  },
  terminateBackend: async (world, random) => {
    const pids = random.shuffled(await backends(world)).slice(0, 1 + random.below(4));
    await world.sql('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids]);
  },
  loseWakeUps: async (world) => {
    await world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'");
  },
  killBackend: async (world, random) => {
    const pid = random.pick(await backends(world));
    await world.crash(() => void signal(pid, 'SIGKILL'));
  },
  restartPostgres: (world) => world.crash(() => world.cluster.restart('immediate')),
  cut: async (world) => {
    world.proxy.cut();
  },
  cutAnswers: async (world, random) => {
    world.proxy.cutAnswers(1 + random.below(8));
  },
  delayAnswers: async (world, random) => {
    world.proxy.delayAnswers(random.below(400));
    await sleep(random.below(STOP_MS_MAX));
    world.proxy.delayAnswers(0);
  },
} as const satisfies Record<string, Fault>;

export type FaultKind = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

/** Those that come most often. After a crash there is little in the cache: these come once a bag. */
const FREQUENT: readonly FaultKind[] = FAULT_KINDS.filter(
  (kind) => kind !== 'killBackend' && kind !== 'restartPostgres',
);

/** Every kind in turn, shuffled, again and again. */
export function* schedule(random: Random): Generator<FaultKind, never> {
  for (;;) yield* random.shuffled([...FAULT_KINDS, ...FREQUENT]);
}

async function backends(world: World): Promise<number[]> {
  const sql = `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;
  return (await world.sql<{ pid: number }>(sql)).map(({ pid }) => pid);
}

/** @returns whether there was such a process */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
