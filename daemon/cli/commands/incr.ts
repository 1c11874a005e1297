import type { Command } from '../command.js';
import { UsageError } from '../exit.js';
import { CLIENT_OPTIONS, CLIENT_OWN, withClient } from '../with-client.js';

export const incr: Command = {
  name: 'incr',
  summary: 'add to a counter, and show it',
  operands: 'KEY [DELTA]',
  operandsMin: 1,
  operandsMax: 2,
  details: 'DELTA is a whole number, negative ones included; without it, 1. A counter that is not there starts at 0.',
  own: ['json', ...CLIENT_OWN],
  options: CLIENT_OPTIONS,
  async run(call) {
    const [key, text = '1'] = call.operands as [string, string?];
    const delta = Number(text);
    if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(delta)) throw new UsageError('DELTA must be a whole number');
    const counter = await withClient(call, (client) => client.incr(key, delta));
    if (call.own.json) call.output.json({ counter });
    else call.output.line(String(counter));
    return 'ok';
  },
};
