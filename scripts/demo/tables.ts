import type { Percentiles, Summary } from './summary.js';

const number = (value: number): string => Math.round(value).toLocaleString('en');
const percent = (part: number, whole: number): string => (whole === 0 ? '-' : `${((part / whole) * 100).toFixed(1)} %`);

function milliseconds(value: number | undefined): string {
  if (value === undefined) return '-';
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** Columns as wide as they must be, the first to the left and the others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map(
    (row) =>
      `  ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('   ')}`,
  );
}

function tiers({ servers }: Summary): string[] {
  const rows = servers.map(({ name, memoryHits, tableHits, misses }) => {
    const all = memoryHits + tableHits + misses;
    const share = (part: number): string => `${number(part)} (${percent(part, all)})`;
    return [`server ${name}`, share(memoryHits), share(tableHits), share(misses)];
  });
  return table([['reads answered by', 'memory', 'table', 'nobody (loaded)'], ...rows]);
}

function latencies({ latency }: Summary): string[] {
  const row = (name: string, { count, p50Ms, p99Ms }: Percentiles): string[] => [
    name,
    number(count),
    milliseconds(p50Ms),
    milliseconds(p99Ms),
  ];
  return table([
    ['latency', 'reads', 'p50', 'p99'],
    row('city: cache, hits', latency.city.hit),
    row('city: cache, loads included', latency.city.all),
    row('city: the query itself', latency.city.query),
    row('country: cache, hits', latency.country.hit),
    row('country: cache, loads included', latency.country.all),
    row('country: the query itself', latency.country.query),
  ]);
}

function spread({ propagation: { count, p50Ms, p99Ms } }: Summary): string[] {
  return table([
    ['from a commit on one server', 'writes', 'p50', 'p99'],
    ['to the new value on the other', number(count), milliseconds(p50Ms), milliseconds(p99Ms)],
  ]);
}

function processes({ processes: all }: Summary): string[] {
  const rows = all.map((one) =>
    [one.requests, one.reads, one.writes, one.increments, one.checkedReads, one.violations, one.errors].map(number),
  );
  return table([
    ['process', 'requests', 'reads', 'writes', 'views', 'checked reads', 'stale', 'errors'],
    ...rows.map((row, at) => [`${all[at]!.name} (process ${all[at]!.pid})`, ...row]),
  ]);
}

/** What changes while it runs. */
export function liveLines(summary: Summary): string[] {
  return [...tiers(summary), '', ...latencies(summary), '', ...spread(summary), '', ...processes(summary)];
}

/** The same in one line, for a terminal that is none. */
export function liveLine(summary: Summary): string {
  const sum = (name: 'memoryHits' | 'tableHits' | 'misses'): number =>
    summary.servers.reduce((total, server) => total + server[name], 0);
  const { city, country } = summary.latency;
  return [
    `${summary.seconds.toFixed(0).padStart(3)} s`,
    `memory ${number(sum('memoryHits'))}, table ${number(sum('tableHits'))}, loaded ${number(sum('misses'))}`,
    `city ${milliseconds(city.hit.p50Ms)} (query ${milliseconds(city.query.p50Ms)})`,
    `country ${milliseconds(country.hit.p50Ms)} (query ${milliseconds(country.query.p50Ms)})`,
    `across ${milliseconds(summary.propagation.p50Ms)}`,
    `stale ${summary.violations}`,
  ].join(' | ');
}

export function summaryLines(summary: Summary): string[] {
  const { counters, violations, violationExamples, propagation, errors, errorExamples, processes: all } = summary;
  const checked = all.reduce((sum, { checkedReads }) => sum + checkedReads, 0);
  return [
    `${number(summary.rows)} rows, 2 servers, ${all.length} processes, ${summary.seconds} s`,
    '',
    ...liveLines(summary),
    '',
    `  ${number(checked)} reads checked: ${violations} saw a value after they should not have`,
    ...violationExamples.map(
      ({ process, key, seen, wanted, reason, lateMs }) =>
        `    ${process} read ${key}: version ${seen}, not ${wanted}, ${milliseconds(lateMs)} late (${reason})`,
    ),
    `  ${number(counters.increments)} page views in ${number(counters.keys)} counters: ${counters.wrong} counters are wrong`,
    ...(propagation.unseen === 0 ? [] : [`  ${propagation.unseen} writes were not seen on the other server`]),
    ...(errors === 0 ? [] : [`  ${errors} errors`, ...errorExamples.map((example) => `    ${example}`)]),
  ];
}
