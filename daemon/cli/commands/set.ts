import { text } from 'node:stream/consumers';
import type { Command } from '../command.js';
import { UsageError } from '../exit.js';
import { CLIENT_OPTIONS, CLIENT_OWN, withClient } from '../with-client.js';

export const set: Command = {
  name: 'set',
  summary: 'store a value',
  operands: 'KEY VALUE',
  operandsMin: 2,
  operandsMax: 2,
  details:
    'VALUE is stored as a string, or with --json as what it is in JSON. A VALUE of - is read from standard input.',
  own: ['ttl', 'json', ...CLIENT_OWN],
  options: CLIENT_OPTIONS,
  async run(call) {
    const [key, operand] = call.operands as [string, string];
    const source = operand === '-' ? await text(process.stdin) : operand;
    const value = call.own.json ? parse(source) : source;
    const options = call.own.ttl === undefined ? undefined : ttlOf(call.own.ttl);
    await withClient(call, (client) => client.set(key, value, options));
    return 'ok';
  },
};

/** The client takes seconds as a number and durations as text. */
function ttlOf(text: string | true): number | string {
  const seconds = Number(text);
  return text === true || Number.isNaN(seconds) ? String(text) : seconds;
}

function parse(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new UsageError(`VALUE is not JSON: ${(error as Error).message}; without --json it is stored as a string`);
  }
}
