/** `npm run bench -- --growth`: whether the cost of a call grows with entries and connections; memory; a restart. */
import { type ByConnections, measureConnections } from './growth-connections.js';
import { type ByEntries, measureEntries } from './growth-entries.js';
import { measureRestart, type Restart } from './growth-restart.js';
import { machineText, progress } from './machine.js';
import type { Options } from './options.js';
import { figure, markdown } from './report.js';
import { savePage } from './save.js';
import { startServers } from './servers.js';

const ENTRIES = { whole: [10_000, 100_000, 1_000_000], quick: [1_000, 10_000] } as const;
const CONNECTIONS = { whole: [1, 100, 1_000], quick: [1, 20] } as const;
const LIMITS = ['--max-bytes=8gb', '--max-entries=2000000'];

interface Growth {
  readonly machine: string;
  readonly entries: readonly ByEntries[];
  readonly connections: readonly ByConnections[];
  readonly restart: Restart;
}

const TITLE = `# A run of the growth measurement\n\nMade by \`npm run bench -- --growth\`; [performance](../performance.md) says what is measured. Only ratios carry over to another machine.\n\n`;

export async function main({ quick, durationMs, json, save }: Options): Promise<void> {
  progress('starting Postgres, two daemons, an echo, and Redis where it is installed');
  const servers = await startServers({ peers: ['redis'], daemonArguments: LIMITS });
  const scale = quick ? 'quick' : 'whole';
  try {
    const machine = machineText(servers.versions);
    const connections = await measureConnections(CONNECTIONS[scale], durationMs, servers);
    const restart = await measureRestart(quick ? 1_000 : 10_000, servers);
    const entries = await measureEntries(ENTRIES[scale], durationMs, servers);
    const growth: Growth = { machine, entries, connections, restart };
    if (save !== undefined || !quick) progress(`saved in ${savePage('growth.md', TITLE, textOf(growth), save)}`);
    process.stdout.write(json ? `${JSON.stringify(growth, undefined, 2)}\n` : textOf(growth));
  } finally {
    await servers.stop();
  }
}

function textOf({ machine, entries, connections, restart }: Growth): string {
  const entryRows = entries.map((row) => [
    row.entries.toLocaleString('en'),
    ...[row.getUs, row.daemonGetCpuUs, row.setUs, row.daemonSetCpuUs, row.postgresSetCpuUs].map(figure),
    ...[row.daemonBytes, row.redisBytes].map(figure),
  ]);
  const entryHead = [
    'entries',
    'get µs',
    'daemon CPU',
    'set µs',
    'daemon CPU',
    'Postgres CPU',
    'daemon B/entry',
    'Redis B/entry',
  ];
  const connectionRows = connections.map((row) => [
    row.connections.toLocaleString('en'),
    ...[row.opsPerSecond, row.daemonCpuUs, row.daemonKb, row.redisOpsPerSecond, row.redisCpuUs, row.redisKb].map(
      figure,
    ),
  ]);
  const connectionHead = [
    'connections',
    'gets/s',
    'daemon CPU µs',
    'kB each',
    'Redis gets/s',
    'Redis CPU µs',
    'kB each',
  ];
  return `${machine}

## By entries

Values of 200 B, 64 calls in flight: time a call (wall time over calls) and CPU, in microseconds. Memory: what the process
grew by since it was empty, divided by entries.

${markdown([entryHead, ...entryRows])}
## By connections

One process, 64 calls in flight, going round over all connections.

${markdown([connectionHead, ...connectionRows])}
## A restart of the daemon

${restart.entries.toLocaleString('en')} entries, read by 16 callers at random. Before: ${figure(restart.before)} reads/s. SIGTERM to ready again: ${figure(restart.awayMs)} ms;
reads that found nothing meanwhile: ${restart.unanswered.toLocaleString('en')} (at once, or while the client did not reach it). From the first
read that was answered again, in steps of ${restart.stepMs} ms: ${restart.after.map(figure).join(', ')} reads/s, of which Postgres answered ${restart.fromTable.map(figure).join(', ')} %.
`;
}
