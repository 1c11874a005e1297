import type { ConfigInput } from '../../daemon/config.js';
import { type Capabilities, cacheSuite } from '../support/cache-suite.js';
import { testServer } from '../support/daemon.js';
import { testDatabase } from '../support/postgres.js';

/** The behaviour suite over the socket of a daemon that has two databases. */
function overTwo(name: string, options: ConfigInput, capabilities: Capabilities): void {
  cacheSuite(
    name,
    async () => {
      const databases = [await testDatabase(), await testDatabase()];
      const urls = databases.map(({ url }) => url);
      const server = await testServer(urls, options);
      return {
        cache: server.client({ onUnavailable: 'throw' }),
        other: server.client({ namespace: 'other', onUnavailable: 'throw' }),
        async close() {
          await server.close();
          for (const database of databases) await database.close();
        },
      };
    },
    // A table's cleanup removes deleted rows too; its entries are not counted by the statistics.
    { inexactCleanup: true, inexactStats: true, ...capabilities },
  ).run();
}

overTwo('a namespace that is spread over two databases', { databaseWeights: [1, 2] }, { withoutTags: true });
overTwo('a namespace that lies whole on one of two databases', { placement: 'whole' }, {});
