import { setTimeout as sleep } from 'node:timers/promises';
import type { Call, Command } from '../command.js';
import { UsageError } from '../exit.js';
import { type Output, printable } from '../output.js';
import { bytesText, type DaemonState, table } from '../state.js';
import { CLIENT_OPTIONS, withClient } from '../with-client.js';

const DEFAULT_INTERVAL_MS = 2000;
const INTERVAL_MIN_MS = 100;
/** Clears the screen and goes to its top. */
const CLEAR = '\x1b[2J\x1b[H';

export const top: Command = {
  name: 'top',
  summary: 'show what the daemon does, again and again',
  operands: '',
  operandsMin: 0,
  operandsMax: 0,
  details: `Rates since the last look at it, every ${DEFAULT_INTERVAL_MS / 1000} s until Ctrl-C, or --count times. With --json a line of JSON each time.`,
  own: ['json', 'intervalMs', 'count', 'timeoutMs'],
  options: CLIENT_OPTIONS,
  async run(call) {
    const intervalMs = wholeNumber(call, 'intervalMs', INTERVAL_MIN_MS) ?? DEFAULT_INTERVAL_MS;
    const count = wholeNumber(call, 'count', 1) ?? Number.POSITIVE_INFINITY;
    await withClient(call, async (client) => {
      let [before, beforeMs] = [await client.status(), performance.now()];
      for (let shown = 0; shown < count; shown++) {
        await sleep(intervalMs);
        const [now, nowMs] = [await client.status(), performance.now()];
        const rates = ratesOf(before, now, (nowMs - beforeMs) / 1000);
        if (call.own.json) call.output.jsonLine({ ...heading(now), namespaces: rates });
        else show(call.output, now, rates);
        [before, beforeMs] = [now, nowMs];
      }
    });
    return 'ok';
  },
};

function wholeNumber({ own }: Call, name: 'intervalMs' | 'count', min: number): number | undefined {
  if (own[name] === undefined) return undefined;
  const value = Number(own[name]);
  if (Number.isSafeInteger(value) && value >= min) return value;
  const flag = name === 'count' ? '--count' : '--interval-ms';
  throw new UsageError(`${flag} must be a whole number from ${min}`);
}

const COUNTED = ['hits', 'misses', 'sets', 'evictions', 'invalidations'] as const;

/** What happened in a namespace, a second. */
interface Rates extends Readonly<Record<(typeof COUNTED)[number], number>> {
  readonly namespace: string;
  readonly entries: number;
  readonly bytes: number;
  /** Of what was asked in between; undefined where nothing was. */
  readonly hitRate: number | undefined;
}

/** @param seconds between the two @returns the busiest first. A daemon that began anew in between counts from 0. */
export function ratesOf(before: DaemonState, now: DaemonState, seconds: number): Rates[] {
  const isSame = before.pid === now.pid;
  const rates = Object.entries(now.namespaces ?? {}).map(([namespace, of]): Rates => {
    const old = isSame ? before.namespaces?.[namespace] : undefined;
    const since = COUNTED.map((name) => [name, (of[name] - (old?.[name] ?? 0)) / seconds]);
    const counted = Object.fromEntries(since) as Record<(typeof COUNTED)[number], number>;
    const asked = counted.hits + counted.misses;
    const hitRate = asked === 0 ? undefined : counted.hits / asked;
    return { namespace, entries: of.entries, bytes: of.bytes, ...counted, hitRate };
  });
  const work = (of: Rates) => of.hits + of.misses + of.sets;
  return rates.sort((a, b) => work(b) - work(a) || a.namespace.localeCompare(b.namespace));
}

function heading({ pid, fresh, database, listen, connections, rssBytes, uptimeSeconds }: DaemonState) {
  return { pid, uptimeSeconds, fresh, database, listen, connections, rssBytes };
}

function show(output: Output, now: DaemonState, rates: readonly Rates[]): void {
  const { pid, uptimeSeconds, fresh, database, listen, connections, rssBytes } = heading(now);
  const memory = fresh ? output.paint('answers', 'green') : output.paint('does not answer', 'red');
  const lines = [
    `daemon ${pid}, up ${uptimeSeconds} s, ${connections} connections, ${bytesText(rssBytes ?? 0)}; memory ${memory}; database ${database}, listen ${listen}`,
    '',
    ...table([
      ['namespace', 'entries', 'in memory', 'hits/s', 'misses/s', 'hit rate', 'sets/s', 'evicted/s', 'invalidated/s'],
      ...rates.map((of) => [
        printable(of.namespace),
        String(of.entries),
        bytesText(of.bytes),
        of.hits.toFixed(0),
        of.misses.toFixed(0),
        of.hitRate === undefined ? '–' : `${(of.hitRate * 100).toFixed(1)} %`,
        ...[of.sets, of.evictions, of.invalidations].map((rate) => rate.toFixed(0)),
      ]),
    ]),
  ];
  output.line((output.isTerminal ? CLEAR : '') + lines.join('\n'));
}
