/** `npm run bench`: pgcached beside a raw echo and the plain statements it began as, in one run, in rounds that take turns. */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { ClientProcess } from './client-process.js';
import { CONTENDER_NAMES } from './contenders.js';
import { Histogram } from './histogram.js';
import { figure, loadName, type Measured, markdown, resultsOf, table } from './report.js';
import { type Cell, type Round, runRound } from './rounds.js';
import { type Servers, startServers } from './servers.js';
import { measureVisibility } from './visibility.js';
import { LOADS, type Load, WORKLOADS, type Workload } from './workloads.js';

const HELP = `npm run bench -- [options]
  --rounds <n>        rounds, which take turns (default 3)
  --ms <n>            how long a measurement takes, in milliseconds (default 600)
  --quick             100 ms each: shows that it works, and little else
  --workload <name>   only this one, may be given again: ${Object.keys(WORKLOADS).join(', ')}
  --contender <name>  only this one, may be given again: ${CONTENDER_NAMES.join(', ')}
  --load <p>x<n>      only this one, may be given again: ${LOADS.map((load) => loadName(load).replaceAll(' × ', 'x')).join(', ')}
  --visibility <n>    samples of the time from commit to visible elsewhere (default 300; 0: none)
  --json              print JSON instead of tables
  --help              this text
Starts an embedded Postgres, two daemons, an echo and client processes of its own, and ends them. Progress goes to stderr.
CPU is in microseconds an operation. "to echo" is the rate beside that of a bare Unix socket with the same bytes.
`;

const WARM_UP_LOAD: Load = { processes: 4, inFlight: 64 };
const VISIBILITY_WRITES_PER_SECOND = [0, 1000] as const;

function options() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      ms: { type: 'string' },
      quick: { type: 'boolean', default: false },
      workload: { type: 'string', multiple: true },
      contender: { type: 'string', multiple: true },
      load: { type: 'string', multiple: true },
      visibility: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    ...values,
    rounds: count(values.rounds, 'rounds'),
    durationMs: count(values.ms ?? (values.quick ? '100' : '600'), 'ms'),
    samples: count(values.visibility ?? (values.quick ? '50' : '300'), 'visibility'),
    workloads: chosen(values.workload, Object.keys(WORKLOADS) as Workload[], String, 'workload'),
    contenders: chosen(values.contender, CONTENDER_NAMES, String, 'contender'),
    loads: chosen(values.load, LOADS, ({ processes, inFlight }) => `${processes}x${inFlight}`, 'load'),
  };
}

function count(text: string, name: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${name} takes a whole number, not '${text}'`);
  return Number(text);
}

function chosen<T>(
  asked: readonly string[] | undefined,
  all: readonly T[],
  nameOf: (each: T) => string,
  option: string,
) {
  const unknown = asked?.find((name) => !all.some((each) => nameOf(each) === name));
  if (unknown !== undefined) throw new Error(`--${option} ${unknown}: there are ${all.map(nameOf).join(', ')}`);
  return asked === undefined ? all : all.filter((each) => asked.includes(nameOf(each)));
}

type Options = ReturnType<typeof options>;

const progress = (text: string) => process.stderr.write(`${text}\n`);

async function measureCells(asked: Options, servers: Servers, clients: readonly ClientProcess[]): Promise<Measured[]> {
  const measured = asked.workloads
    .flatMap((workload) =>
      asked.loads.flatMap((load) => asked.contenders.map((contender): Cell => ({ contender, workload, load }))),
    )
    .map((cell) => ({ cell, rounds: [] as Round[] }));
  const cells = measured.map(({ cell }) => cell);
  // Code that has run a thousand times is still being compiled, at several times the CPU: many calls first, and not counted.
  progress('warming up');
  const warmUps = asked.workloads.flatMap((workload) =>
    asked.contenders.map((contender): Cell => ({ contender, workload, load: WARM_UP_LOAD })),
  );
  await runRound(warmUps, servers, clients, 2 * asked.durationMs, () => {});
  for (let round = 1; round <= asked.rounds; round++) {
    progress(`round ${round} of ${asked.rounds}`);
    await runRound(cells, servers, clients, asked.durationMs, (cell, result) => {
      measured.find((each) => each.cell === cell)!.rounds.push(result);
      const name = `${cell.workload}, ${loadName(cell.load)}, ${cell.contender}`;
      progress(`  ${name}: ${figure(result.opsPerSecond)} ops/s, p50 ${figure(result.p50Us)} µs`);
    });
  }
  return measured;
}

async function measureVisibilities(asked: Options, servers: Servers, writer: ClientProcess) {
  const found = [];
  for (const perSecond of asked.samples === 0 ? [] : VISIBILITY_WRITES_PER_SECOND) {
    progress(`commit to visible elsewhere, ${perSecond} other writes a second`);
    await writer.order({ kind: 'drizzle', perSecond });
    const { fromCommit, fromCall } = await measureVisibility(servers.addresses, asked.samples);
    const quantiles = (counts: readonly number[]) => {
      const histogram = new Histogram(counts);
      return { p50Ms: histogram.quantile(0.5) / 1000, p99Ms: histogram.quantile(0.99) / 1000 };
    };
    found.push({ perSecond, fromCommit: quantiles(fromCommit), fromCall: quantiles(fromCall) });
  }
  await writer.order({ kind: 'drizzle', perSecond: 0 });
  return found;
}

async function main(): Promise<void> {
  const asked = options();
  if (asked.help) {
    process.stdout.write(HELP);
    return;
  }
  const load = loadavg()[0]!.toFixed(1);
  const machine = `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), load ${load} at the start`;
  progress('starting Postgres, two daemons and an echo');
  const servers = await startServers();
  const processes = Math.max(WARM_UP_LOAD.processes, ...asked.loads.map((each) => each.processes));
  const clients = Array.from({ length: processes }, () => new ClientProcess(servers.addresses));
  try {
    for (const contender of asked.contenders) {
      await clients[0]!.order({ kind: 'fill', contender });
    }
    const results = resultsOf(await measureCells(asked, servers, clients));
    const visibility = await measureVisibilities(asked, servers, clients[0]!);
    if (asked.json) {
      process.stdout.write(`${JSON.stringify({ machine, rounds: asked.rounds, results, visibility }, undefined, 2)}\n`);
      return;
    }
    process.stdout.write(
      `${machine}; medians of ${asked.rounds} rounds of ${asked.durationMs} ms\n\n${table(results)}\n`,
    );
    const rows = visibility.map(({ perSecond, fromCommit, fromCall }) =>
      [perSecond, fromCommit.p50Ms, fromCommit.p99Ms, fromCall.p50Ms, fromCall.p99Ms].map(figure),
    );
    const head = ['other writes/s', 'commit to visible p50 ms', 'p99 ms', 'call to visible p50 ms', 'p99 ms'];
    if (rows.length > 0) process.stdout.write(markdown([head, ...rows]));
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
