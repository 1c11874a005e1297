/** `npm run bench`: pgcached beside what one would use instead, on the same work, in one run, in rounds that take turns. */
import { ClientProcess } from './client-process.js';
import { type ContenderName, contenderOf } from './contenders.js';
import { type Contention, measureContention } from './contention.js';
import { machineText, progress } from './machine.js';
import { HELP, type Options, optionsOf } from './options.js';
import { reachOf } from './reach.js';
import { figure, loadName, type Measured, resultsOf } from './report.js';
import { type Cell, type Round, runCell, runRound } from './rounds.js';
import { jsonOf, type Run, save, textOf } from './save.js';
import { type Servers, startServers } from './servers.js';
import { measureVisibilities } from './visibility.js';
import { loadsOf, planOf, type Workload } from './workloads.js';

const CLIENTS = 4;
const WARM_UP_PART_MS = 500;
const WARM_UP_MS_MAX = 5_000;
const PEERS = ['redis', 'memcached'] as const;

/** Everybody stores what they are to find. @returns what each can do */
async function fill(asked: Options, contenders: readonly ContenderName[], client: ClientProcess) {
  const able = new Map<ContenderName, readonly Workload[]>();
  for (const contender of contenders) {
    const { workloads } = await client.order({ kind: 'fill', contender, sizes: asked.sizes });
    able.set(contender, workloads!);
  }
  return able;
}

function cellsOf(asked: Options, able: ReadonlyMap<ContenderName, readonly Workload[]>): Cell[] {
  const cells: Cell[] = [];
  for (const workload of asked.workloads) {
    const names = [...able.keys()].filter((name) => able.get(name)!.includes(workload));
    for (const size of asked.sizes.filter((each) => each === '200B' || !planOf(workload).smallOnly)) {
      for (const load of loadsOf(workload).filter((each) => asked.loads.includes(each) || planOf(workload).near)) {
        cells.push(...names.map((contender) => ({ contender, workload, size, load })));
      }
    }
  }
  return cells;
}

/**
 * Code that has run a thousand times is still being compiled, at several times the CPU; a daemon that has been up for a minute is
 * past that. So each cell makes many calls first, which are not counted.
 */
async function warmUp(cell: Cell, asked: Options, servers: Servers, clients: ClientProcess[]): Promise<void> {
  const fromMs = performance.now();
  for (let calls = 0; calls < asked.warmUpCalls && performance.now() - fromMs < WARM_UP_MS_MAX; ) {
    const { opsPerSecond } = await runCell(cell, servers, clients, WARM_UP_PART_MS);
    calls += (opsPerSecond * WARM_UP_PART_MS) / 1000;
  }
}

async function measureCells(asked: Options, cells: readonly Cell[], servers: Servers, clients: ClientProcess[]) {
  const measured = cells.map((cell) => ({ cell, rounds: [] as Round[] }));
  progress('warming up');
  for (const cell of cells) await warmUp(cell, asked, servers, clients);
  for (let round = 1; round <= asked.rounds; round++) {
    progress(`round ${round} of ${asked.rounds}`);
    await runRound(cells, servers, clients, asked.durationMs, (cell, result) => {
      measured.find((each) => each.cell === cell)!.rounds.push(result);
      const name = `${cell.workload}, ${cell.size}, ${loadName(cell.load)}, ${cell.contender}`;
      progress(`  ${name}: ${figure(result.opsPerSecond)} ops/s, p50 ${figure(result.p50Us)} µs`);
    });
  }
  return measured;
}

async function measure(asked: Options, servers: Servers, clients: ClientProcess[]): Promise<Run> {
  const machine = machineText(servers.versions);
  const absent = PEERS.filter((peer) => servers.versions[peer] === undefined);
  const contenders = asked.contenders.filter((name) => !absent.some((peer) => peer === contenderOf(name).server));
  progress('storing what is to be found');
  const able = await fill(asked, contenders, clients[0]!);
  const measured: Measured[] = await measureCells(asked, cellsOf(asked, able), servers, clients);
  let contention: Contention | undefined;
  if (asked.samples > 0 && able.has('pgcached')) {
    progress('hits while others miss');
    contention = await measureContention(asked.rounds, 2 * asked.durationMs, servers, clients);
  }
  const visibility = await measureVisibilities(asked.samples, servers.addresses, clients[0]!, progress);
  return {
    machine,
    absent: asked.contenders.filter((name) => !contenders.includes(name)),
    rounds: asked.rounds,
    durationMs: asked.durationMs,
    results: resultsOf(measured),
    // Whoever asks for a part gets the goals of that part.
    reach: reachOf(measured, visibility, contention).filter(({ found }) => asked.isWhole || found !== undefined),
    contention,
    visibility,
  };
}

async function main(): Promise<void> {
  const asked = optionsOf(process.argv.slice(2));
  if (asked.help) {
    process.stdout.write(HELP);
    return;
  }
  if (asked.growth) {
    await (await import('./growth.js')).main(asked);
    return;
  }
  progress('starting Postgres, two daemons, an echo, and what is installed of Redis and memcached');
  const wanted = PEERS.filter((peer) => asked.contenders.some((name) => contenderOf(name).server === peer));
  const servers = await startServers({ peers: wanted });
  const clients = Array.from({ length: CLIENTS }, () => new ClientProcess(servers.addresses));
  try {
    const run = await measure(asked, servers, clients);
    process.stdout.write(asked.json ? jsonOf(run) : textOf(run));
    if (asked.save !== undefined || asked.isWhole) progress(`saved in ${save(run, asked.save)}`);
  } finally {
    for (const client of clients) client.close();
    await servers.stop();
  }
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  // Servers that started before it went wrong end with this process.
  process.exit(1);
});
