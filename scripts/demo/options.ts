import { parseArgs } from 'node:util';

export const HELP = `Usage: npm run demo -- [options]

Two daemons over one Postgres, two application processes on each, and 135,000 cities served through the cache, with
visitors who read and write. Ends by itself, with 1 if a process saw a value that it should not have seen any more.

With --site: a web site of pages and an API on two servers behind a proxy, rendered from cached queries, which psql edits while
browsers read all of it. Ends with 1 if a page was older than the bound, or showed two versions of one row.

  --site       the web site, in place of the values
  --seconds N  how long to measure, 1 to 3600 (default 15, with --site 60); all else takes some ten seconds more
  --port N     the first application listens on this port, the others on the next three (default: any free ones);
               with --site the proxy listens on it
  --json       print nothing but the summary, as JSON
  --help       print this
`;

const SECONDS_DEFAULT = 15;
const SITE_SECONDS_DEFAULT = 60;
const SECONDS_MAX = 3600;
const PORT_MAX = 65_535 - 3;

export interface DemoOptions {
  readonly site: boolean;
  readonly seconds: number;
  /** 0: the system chooses. */
  readonly port: number;
  readonly json: boolean;
  readonly help: boolean;
}

/** @throws Error for what it does not know, or out of range */
export function readOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      site: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      port: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const secondsDefault = values.site ? SITE_SECONDS_DEFAULT : SECONDS_DEFAULT;
  return {
    site: values.site,
    seconds: within('--seconds', values.seconds ?? String(secondsDefault), 1, SECONDS_MAX),
    port: values.port === undefined ? 0 : within('--port', values.port, 1, PORT_MAX),
    json: values.json ?? false,
    help: values.help ?? false,
  };
}

function within(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isInteger(number) && number >= min && number <= max) return number;
  throw new Error(`${name} is a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`);
}
