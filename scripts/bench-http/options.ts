import { parseArgs } from 'node:util';
import { CONTENDER_NAMES, type ContenderName, contenderOf } from './contenders.js';
import { LOADS, type Load, loadName } from './measure.js';

export const HELP = `npm run bench:http -- [options]
  --rounds <n>        rounds, which take turns (default 3)
  --seconds <n>       how long a measurement takes (default 2)
  --quick             one round of a second each: shows that it works, and little else
  --contender <name>  only this one, may be given again
  --load <p>x<n>      only this one, may be given again: ${LOADS.map(loadName).join(', ')} (server processes x connections to each)
  --save <file>       where the table is written; without it a run of everything goes to docs/bench/http.md
  --json              print JSON instead of tables
  --help              this text
Loads a page of 10 kB with autocannon, keep-alive, 20 URLs in turn. Starts an embedded Postgres, a daemon, and Redis where it is
installed, on Unix sockets, and the servers, each a process of its own; ends them all. Progress goes to stderr.
Contenders:
${CONTENDER_NAMES.map((name) => `    ${name.padEnd(24)} ${contenderOf(name).what}`).join('\n')}
`;

/** @throws Error for what is not an option, or not a value of it */
export function optionsOf(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      contender: { type: 'string', multiple: true },
      load: { type: 'string', multiple: true },
      save: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { quick, contender, load } = values;
  return {
    ...values,
    isWhole: !quick && contender === undefined && load === undefined,
    rounds: count(values.rounds ?? (quick ? '1' : '3'), 'rounds'),
    seconds: count(values.seconds ?? (quick ? '1' : '2'), 'seconds'),
    contenders: chosen<ContenderName>(contender, CONTENDER_NAMES, String, 'contender'),
    loads: chosen<Load>(load, LOADS, loadName, 'load'),
  };
}

function count(text: string, name: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`--${name} takes a whole number from 1, not '${text}'`);
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
