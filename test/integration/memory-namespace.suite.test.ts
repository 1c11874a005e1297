import { cacheSuite } from '../support/cache-suite.js';
import { testServer } from '../support/daemon.js';

/** Nothing listens there: a namespace of memory alone needs no Postgres. */
const NOWHERE = 'postgres://nobody@127.0.0.1:1/nothing';

cacheSuite('a namespace of memory alone, over the socket', async () => {
  const server = await testServer(NOWHERE, {
    namespaces: { fast: { tiers: 'memory' }, other: { tiers: 'memory' } },
  });
  return {
    cache: server.client({ namespace: 'fast', onUnavailable: 'throw' }),
    other: server.client({ namespace: 'other', onUnavailable: 'throw' }),
    close: () => server.close(),
  };
}).run();
