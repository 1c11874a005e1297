/** `npm run scale`: what following costs by the number of servers: measured on this machine, and simulated beyond it. */
import { parseArgs } from 'node:util';
import { connect } from '../../client/index.js';
import { machineText, progress } from '../bench/machine.js';
import { savePage } from '../bench/save.js';
import { type Servers, startServers } from '../bench/servers.js';
import { costsOf, type Forecast, forecast } from './forecast.js';
import {
  type ByFollowers,
  type Failover,
  type Footprint,
  measureFailover,
  measureFollowers,
  measureFootprint,
  measureThroughput,
  type Throughput,
} from './measure.js';
import { textOf } from './report.js';
import type { Costs } from './simulate.js';

const HELP = `npm run scale -- [options]
  --ms <n>         how long a measurement takes, in milliseconds (default 3000)
  --quick          300 ms each, and 16 followers at most: shows that it works, and little else
  --save <file>    where the page is written; without it a run that is not quick goes to docs/bench/scale.md
  --json           print JSON instead of tables
  --help           this text
Starts an embedded Postgres, two daemons and up to 256 followers of the log in four processes, and ends them.
`;

const TITLE = `# A run of the scale measurement\n\nMade by \`npm run scale\`; [scaling](../scaling.md) says what follows from it. Only ratios carry over to another machine.\n\n`;
const FOLLOWERS = { whole: [0, 1, 4, 16, 64, 256], quick: [0, 1, 16] } as const;
const LISTENERS = [0, 1, 4, 16] as const;
const WRITES_PER_SECOND = 1_000;
/** Two connections a follower, and what the daemons take. */
const SETTINGS = { max_connections: 640 };

export interface Scale {
  readonly machine: string;
  readonly writesPerSecond: number;
  readonly followers: readonly ByFollowers[];
  readonly throughput: readonly Throughput[];
  readonly footprint: Footprint;
  readonly failover: Failover;
  readonly costs: Costs;
  readonly forecast: readonly Forecast[];
}

async function measure(servers: Servers, durationMs: number, quick: boolean): Promise<Scale> {
  const machine = machineText(servers.versions);
  const cache = connect({ socket: servers.addresses.daemonSockets[0], onUnavailable: 'throw', timeoutMs: 10_000 });
  await cache.ready();
  const followers: ByFollowers[] = [];
  for (const count of FOLLOWERS[quick ? 'quick' : 'whole']) {
    progress(`${count} followers, ${WRITES_PER_SECOND} writes a second`);
    followers.push(await measureFollowers(count, WRITES_PER_SECOND, durationMs, servers, cache));
  }
  const throughput: Throughput[] = [];
  for (const count of LISTENERS) {
    progress(`as many sets as possible, ${count} more daemons listening`);
    throughput.push(await measureThroughput(count, durationMs, servers, cache));
  }
  const footprint = await measureFootprint(servers.addresses.databaseUrl);
  progress('a crash of Postgres');
  const failover = await measureFailover(servers, cache);
  await cache.close();
  const costs = costsOf(followers, throughput);
  progress('simulating fleets');
  const found = { machine, writesPerSecond: WRITES_PER_SECOND, followers, throughput, footprint, failover, costs };
  return { ...found, forecast: forecast(costs) };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ms: { type: 'string' },
      quick: { type: 'boolean', default: false },
      save: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const durationMs = Number(values.ms ?? (values.quick ? 300 : 3000));
  if (!Number.isInteger(durationMs) || durationMs <= 0) throw new Error('--ms takes a whole number');
  progress('starting Postgres and two daemons');
  const servers = await startServers({ settings: SETTINGS });
  try {
    const scale = await measure(servers, durationMs, values.quick);
    if (values.save !== undefined || !values.quick) {
      progress(`saved in ${savePage('scale.md', TITLE, textOf(scale), values.save)}`);
    }
    process.stdout.write(values.json ? `${JSON.stringify(scale, undefined, 2)}\n` : textOf(scale));
  } finally {
    await servers.stop();
  }
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
