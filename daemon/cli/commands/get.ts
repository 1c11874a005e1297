import type { Command } from '../command.js';
import { CLIENT_OPTIONS, CLIENT_OWN, withClient } from '../with-client.js';

export const get: Command = {
  name: 'get',
  summary: 'show a value',
  operands: 'KEY',
  operandsMin: 1,
  operandsMax: 1,
  details: 'A string is shown as it is, anything else as JavaScript writes it. Exit code 1 where there is no such key.',
  own: ['json', ...CLIENT_OWN],
  options: CLIENT_OPTIONS,
  async run(call) {
    const key = call.operands[0]!;
    const value = await withClient(call, (client) => client.get(key));
    if (value === undefined) {
      call.output.error(`no value under ${JSON.stringify(key)}`);
      return 'failed';
    }
    if (call.own.json) call.output.json(value);
    else call.output.value(value);
    return 'ok';
  },
};
