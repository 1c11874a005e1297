import type { Command } from '../command.js';
import { CLIENT_OPTIONS, CLIENT_OWN, withClient } from '../with-client.js';

export const remove: Command = {
  name: 'delete',
  summary: 'delete keys, and tell how many there were',
  operands: 'KEY...',
  operandsMin: 1,
  operandsMax: Infinity,
  own: ['json', ...CLIENT_OWN],
  options: CLIENT_OPTIONS,
  async run(call) {
    const deleted = await withClient(call, (client) => client.deleteMany(call.operands));
    if (call.own.json) call.output.json({ deleted });
    else call.output.line(String(deleted));
    return 'ok';
  },
};
