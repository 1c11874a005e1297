import type { Command } from '../command.js';
import { printable } from '../output.js';
import { bytesText, type DaemonState, table } from '../state.js';
import { CLIENT_OPTIONS, withClient } from '../with-client.js';

export const status: Command = {
  name: 'status',
  summary: 'show the state of the daemon',
  operands: '',
  operandsMin: 0,
  operandsMax: 0,
  details: 'With --json all of it, counters by tier and the configuration too.',
  own: ['json', 'timeoutMs'],
  options: CLIENT_OPTIONS,
  async run(call) {
    const state = await withClient(call, (client) => client.status());
    if (call.own.json) call.output.json(state);
    else for (const line of outline(state)) call.output.line(printable(line));
    return 'ok';
  },
};

/** Everything that is one word, a line each; then a line a namespace. */
export function outline(state: DaemonState): string[] {
  const words = Object.entries(state).filter(([, value]) => typeof value !== 'object' || value === null);
  const width = Math.max(0, ...words.map(([name]) => name.length)) + 2;
  const lines = words.map(([name, value]) => `${name.padEnd(width)}${value ?? 'none'}`);
  const spaces = Object.entries(state.namespaces ?? {});
  return spaces.length === 0 ? lines : [...lines, '', ...table([HEADINGS, ...spaces.map(row)])];
}

const HEADINGS = ['namespace', 'entries', 'in memory', 'hits', 'misses', 'hit rate', 'sets', 'evictions', 'stale'];

function row([name, of]: [string, NonNullable<DaemonState['namespaces']>[string]]): string[] {
  const rate = `${(of.hitRate * 100).toFixed(1)} %`;
  const counts = [of.sets, of.evictions, of.stale ?? 0].map(String);
  return [name, String(of.entries), bytesText(of.bytes), String(of.hits), String(of.misses), rate, ...counts];
}
