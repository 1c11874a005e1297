import type { Command } from '../command.js';
import { CLIENT_OPTIONS, CLIENT_OWN, withClient } from '../with-client.js';

export const invalidate: Command = {
  name: 'invalidate',
  summary: 'drop every entry that has any of these tags, on every server',
  operands: 'TAG...',
  operandsMin: 1,
  operandsMax: Number.POSITIVE_INFINITY,
  details:
    'Also what was made of such an entry, in whatever namespace it lies. Takes effect on this host before the command ends, on others within the bound.',
  own: CLIENT_OWN,
  options: CLIENT_OPTIONS,
  async run(call) {
    await withClient(call, (client) => client.invalidateTags(call.operands));
    return 'ok';
  },
};
