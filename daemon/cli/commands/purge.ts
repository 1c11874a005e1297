import { purge as purgePages } from '../../../client/http/purge.js';
import type { Command } from '../command.js';
import { CLIENT_OPTIONS, CLIENT_OWN, withClient } from '../with-client.js';

export const purge: Command = {
  name: 'purge',
  summary: 'drop the cached pages of these URLs, all variants of each, on every server',
  operands: 'URL...',
  operandsMin: 1,
  operandsMax: Number.POSITIVE_INFINITY,
  details:
    'URLs as they are requested, such as https://example.org/a?b=1; the scheme makes no difference. By what pages name in Surrogate-Key or Cache-Tag: pgcached invalidate.',
  own: CLIENT_OWN,
  options: CLIENT_OPTIONS,
  async run(call) {
    await withClient(call, (client) => purgePages(client, { urls: call.operands }));
    return 'ok';
  },
};
