import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { cacheMiddleware } from '../../client/http/express.js';
import { LocMemCache } from '../../client/index.js';
import type { CacheTest, Suite } from './suite.js';

export interface TestResult {
  readonly id: string;
  readonly suite: string;
  readonly name: string;
  readonly kind: 'required' | 'optimal' | 'check';
  /** `setup`: the test could not be made; `depends`: a test that it builds on did not pass. */
  readonly outcome: 'pass' | 'fail' | 'setup' | 'depends';
  readonly problem: string | undefined;
}

/** The middleware in an Express application, and behind it the suite's own origin, in the same process. */
async function startProxy(): Promise<Server> {
  const [{ default: config }, { default: state }, { default: test }] = await Promise.all([
    import('http-cache-tests/server/handle-config.mjs'),
    import('http-cache-tests/server/handle-state.mjs'),
    import('http-cache-tests/server/handle-test.mjs'),
  ]);
  const app = express();
  app.disable('x-powered-by');
  app.use('/config', (req, res) => config(req.path.split('/').slice(1), req, res));
  app.use('/state', (req, res) => state(req.path.split('/').slice(1), req, res));
  app.use(cacheMiddleware({ cache: new LocMemCache(), onError: (error) => console.error(error) }));
  app.use('/test', (req, res) => {
    // The suite takes the base of its locations from here.
    req.url = req.originalUrl;
    test(req.path.split('/').slice(2), req, res);
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Runs every test but those for browsers. @returns the results, in the order of the suite */
export async function runHttpTests(): Promise<readonly TestResult[]> {
  const [{ default: suites }, { default: surrogate }, { runTests, getResults }, { default: fetch }] = await Promise.all(
    [
      import('http-cache-tests/tests/index.mjs'),
      import('http-cache-tests/tests/surrogate-control.mjs'),
      import('http-cache-tests/client/runner.mjs'),
      // What the suite's own command uses, and brings along: it sends what Node's fetch refuses to.
      import('node-fetch'),
    ],
  );
  const all = [...suites, surrogate];
  const server = await startProxy();
  try {
    await runTests(all, fetch, false, `http://127.0.0.1:${(server.address() as AddressInfo).port}`, 400);
  } finally {
    server.close();
    server.closeAllConnections();
  }
  return judged(all, getResults());
}

/** A test whose premise failed says nothing about the cache, and neither does one whose setup did not come about. */
function judged(
  suites: readonly Suite[],
  results: Readonly<Record<string, true | readonly [string, string]>>,
): readonly TestResult[] {
  const outcomeOf = (test: CacheTest): TestResult['outcome'] => {
    const result = results[test.id];
    if (test.depends_on?.some((id) => results[id] !== true)) return 'depends';
    if (result === true) return 'pass';
    return result?.[0] === 'Setup' ? 'setup' : 'fail';
  };
  return suites.flatMap((suite) =>
    suite.tests
      .filter((test) => test.id in results)
      .map((test) => {
        const result = results[test.id]!;
        const problem = result === true ? undefined : result[1];
        const { id, name, kind = 'required' } = test;
        return { id, suite: suite.id, name, kind, outcome: outcomeOf(test), problem };
      }),
  );
}
