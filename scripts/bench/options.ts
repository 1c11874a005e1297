import { parseArgs } from 'node:util';
import { CONTENDER_NAMES, contenderOf } from './contenders.js';
import { SIZES } from './data.js';
import { LOADS, WORKLOAD_NAMES, WORKLOADS } from './workloads.js';

const list = (rows: Readonly<Record<string, { readonly what: string }>>) =>
  Object.entries(rows)
    .map(([name, { what }]) => `    ${name.padEnd(27)} ${what}`)
    .join('\n');

const LOAD_NAMES = LOADS.map(({ processes, inFlight }) => `${processes}x${inFlight}`);

export const HELP = `npm run bench -- [options]
  --rounds <n>        rounds, which take turns (default 3)
  --ms <n>            how long a measurement takes, in milliseconds (default 300)
  --warm-up <n>       calls that each cell makes before, at least, in half seconds, up to 10 of them (default 5000)
  --quick             one round, 60 ms each: shows that it works, and little else
  --workload <name>   only this one, may be given again
  --contender <name>  only this one, may be given again
  --load <p>x<n>      only this one, may be given again: ${LOAD_NAMES.join(', ')} (processes x calls in flight of each)
  --size <name>       only this one, may be given again: ${SIZES.join(', ')}
  --visibility <n>    samples of the time from commit to visible elsewhere (default 300; 0: none)
  --save <folder>     where tables, charts and figures are written; without it a run of everything goes to docs/bench/
  --json              print JSON instead of tables
  --growth            instead: cost by entries, by connections, memory an entry, and a restart of the daemon
  --help              this text
Starts an embedded Postgres, two daemons, an echo, client processes, and Redis and memcached where they are installed,
all on Unix sockets, and ends them. Progress goes to stderr. CPU is in microseconds an operation.
Workloads:
${list(WORKLOADS)}
Contenders:
${list(Object.fromEntries(CONTENDER_NAMES.map((name) => [name, contenderOf(name)])))}
`;

const QUICK = { rounds: '1', ms: '60', visibility: '30', warmUp: '0' } as const;
const USUAL = { rounds: '3', ms: '300', visibility: '300', warmUp: '5000' } as const;

/** @throws Error for what is not an option, or not a value of it */
export function optionsOf(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      ms: { type: 'string' },
      'warm-up': { type: 'string' },
      quick: { type: 'boolean', default: false },
      workload: { type: 'string', multiple: true },
      contender: { type: 'string', multiple: true },
      load: { type: 'string', multiple: true },
      size: { type: 'string', multiple: true },
      visibility: { type: 'string' },
      save: { type: 'string' },
      growth: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { workload, contender, load, size, quick } = values;
  const usual = quick ? QUICK : USUAL;
  const isPart = [workload, contender, load, size].some((asked) => asked !== undefined);
  const isWhole = !quick && !isPart;
  return {
    ...values,
    isWhole,
    rounds: count(values.rounds ?? usual.rounds, 'rounds'),
    durationMs: count(values.ms ?? usual.ms, 'ms'),
    warmUpCalls: count(values['warm-up'] ?? usual.warmUp, 'warm-up'),
    samples: count(values.visibility ?? (isPart ? '0' : usual.visibility), 'visibility'),
    workloads: chosen(workload, WORKLOAD_NAMES, String, 'workload'),
    contenders: chosen(contender, CONTENDER_NAMES, String, 'contender'),
    loads: chosen(load, LOADS, ({ processes, inFlight }) => `${processes}x${inFlight}`, 'load'),
    sizes: chosen(size, SIZES, String, 'size'),
  };
}

export type Options = ReturnType<typeof optionsOf>;

function count(text: string, name: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${name} takes a whole number, not '${text}'`);
  return Number(text);
}

function chosen<T>(
  asked: readonly string[] | undefined,
  all: readonly T[],
  nameOf: (each: T) => string,
  option: string,
): readonly T[] {
  const unknown = asked?.find((name) => !all.some((each) => nameOf(each) === name));
  if (unknown !== undefined) throw new Error(`--${option} ${unknown}: there are ${all.map(nameOf).join(', ')}`);
  return asked === undefined ? all : all.filter((each) => asked.includes(nameOf(each)));
}
