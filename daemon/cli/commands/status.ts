import type { Command } from '../command.js';
import { printable } from '../output.js';
import { CLIENT_OPTIONS, withClient } from '../with-client.js';

export const status: Command = {
  name: 'status',
  summary: 'show the state of the daemon',
  operands: '',
  operandsMin: 0,
  operandsMax: 0,
  own: ['json', 'timeoutMs'],
  options: CLIENT_OPTIONS,
  async run(call) {
    const state = await withClient(call, (client) => client.status());
    if (call.own.json) call.output.json(state);
    else for (const line of outline(state)) call.output.line(printable(line));
    return 'ok';
  },
};

/** Nested data as indented `name  value` lines. */
export function outline(data: unknown, indent = ''): string[] {
  if (typeof data !== 'object' || data === null) return [`${indent}${String(data)}`];
  const entries = Object.entries(data);
  const width = Math.max(0, ...entries.map(([name]) => name.length)) + 2;
  return entries.flatMap(([name, value]) => {
    const isNested = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
    if (isNested) return [`${indent}${name}`, ...outline(value, `${indent}  `)];
    const shown = typeof value === 'object' && value !== null ? 'none' : String(value ?? 'none');
    return [`${indent}${name.padEnd(width)}${shown}`];
  });
}
