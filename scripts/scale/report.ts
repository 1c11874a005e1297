import { figure, markdown } from '../bench/report.js';
import { CORES, PACED } from './forecast.js';
import type { Scale } from './main.js';

const percent = (part: number, whole: number) => (whole === 0 ? 0 : (part / whole) * 100);
/** Microseconds a second, as a percentage of one core. */
const ofCore = (usPerSecond: number) => usPerSecond / 10_000;

export function textOf(scale: Scale): string {
  return [
    `${scale.machine}\n`,
    `## Followers on one database, ${scale.writesPerSecond.toLocaleString('en')} writes a second\n\n${followersTable(scale)}`,
    `## Sets as fast as possible, 64 in flight, while others listen\n\n${throughputTable(scale)}`,
    footprintText(scale),
    failoverText(scale),
    `## Simulated fleets\n\n${simulationText(scale)}\n${forecastTable(scale)}`,
  ].join('\n');
}

function followersTable({ followers }: Scale): string {
  const rows = followers.map((row) => [
    String(row.followers),
    ...[
      row.looksPerSecond,
      row.rowsPerLook,
      row.lookMs,
      percent(row.lookCpu, row.postgresCpu),
      percent(row.listenCpu, row.postgresCpu),
      ofCore(row.postgresCpu),
      row.p50Ms,
      row.p99Ms,
    ].map(figure),
  ]);
  const head = [
    'followers',
    'looks/s each',
    'rows a look',
    'look ms',
    'looking % of Postgres',
    'listening %',
    'Postgres, % of a core',
    'set p50 ms',
    'p99 ms',
  ];
  return markdown([head, ...rows]);
}

function throughputTable({ throughput }: Scale): string {
  const alone = throughput[0]!.setsPerSecond;
  const rows = throughput.map((row) => [
    String(row.followers),
    ...[row.setsPerSecond, percent(row.setsPerSecond, alone), row.postgresCpuUs].map(figure),
  ]);
  return markdown([['more daemons', 'sets/s', '% of none', 'Postgres CPU µs a set'], ...rows]);
}

function footprintText({ footprint }: Scale): string {
  return `A daemon has ${figure(footprint.connectionsPerDaemon)} connections open after this. A row of the log takes ${figure(footprint.logRowBytes)} bytes, indexes included.\n`;
}

function failoverText({ failover }: Scale): string {
  return `## A crash of Postgres

Postgres took connections again after ${figure(failover.postgresMs)} ms; memory answered reads for ${figure(failover.answeredMs)} ms of them. From then: a write succeeded
after ${figure(failover.writeMs)} ms, and what had been stored before was known to be gone after ${figure(failover.emptyMs)} ms.
`;
}

const simulationText = (
  scale: Scale,
) => `A database server of ${CORES} cores, writes spread over all servers. Costs in microseconds of Postgres's CPU, as measured above: ${costsText(scale)}.
*Paced*: a look not within ${PACED.lookGapMs} ms of the last one, nor within ${PACED.lookGapFactor} times as long as that took.
`;

const costsText = ({ costs }: Scale) =>
  Object.entries(costs)
    .map(([name, us]) => `${name.replace(/Us$/, '')} ${figure(us)}`)
    .join(', ');

function forecastTable({ forecast }: Scale): string {
  const rows = forecast.map(({ servers, writesPerSecond, built, paced }) => [
    servers.toLocaleString('en'),
    writesPerSecond.toLocaleString('en'),
    ...[
      percent(built.writeCores, CORES),
      percent(built.followCores, CORES),
      built.looksPerSecond / servers,
      built.p50Ms,
      built.p99Ms,
      built.writeP99Ms,
      percent(paced.followCores, CORES),
      paced.p50Ms,
      paced.p99Ms,
      paced.writeP99Ms,
      built.batchesPerSecond,
    ].map(figure),
  ]);
  const head = [
    'servers',
    'writes/s',
    'writing %',
    'following %',
    'looks/s each',
    'seen p50 ms',
    'p99 ms',
    'write p99 ms',
    'paced: following %',
    'seen p50 ms',
    'p99 ms',
    'write p99 ms',
    'log rows/s',
  ];
  return markdown([head, ...rows]);
}
