import { once } from 'node:events';
import { createServer, type RequestListener, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import express from 'express';
import { cacheMiddleware } from '../../client/http/express.js';
import { LocMemCache } from '../../client/index.js';
import type { CacheTest, OriginHandler, Suite } from './suite.js';

export interface TestResult {
  readonly id: string;
  readonly suite: string;
  readonly name: string;
  readonly kind: 'required' | 'optimal' | 'check';
  /** `setup`: the test could not be made; `depends`: a test that it builds on did not pass. */
  readonly outcome: 'pass' | 'fail' | 'setup' | 'depends';
  readonly problem: string | undefined;
}

/** The suite's own origin, in this process. */
async function startOrigin(): Promise<Server> {
  const [{ default: config }, { default: state }, { default: test }] = await Promise.all([
    import('http-cache-tests/server/handle-config.mjs'),
    import('http-cache-tests/server/handle-state.mjs'),
    import('http-cache-tests/server/handle-test.mjs'),
  ]);
  const handlers: Readonly<Record<string, OriginHandler>> = { config, state, test };
  return listen((req, res) => {
    const [, name = '', ...segments] = new URL(req.url!, 'http://origin').pathname.split('/');
    handlers[name]?.(segments, req, res);
  });
}

/** An Express application with the middleware, whose handler hands each request on to the origin. */
async function startProxy(origin: Server): Promise<Server> {
  const app = express();
  app.disable('x-powered-by');
  const forward: RequestListener = (req, res) => {
    const { method, url, headers } = req;
    const outgoing = request({ host: '127.0.0.1', port: portOf(origin), method, path: url, headers }, (incoming) => {
      const { statusCode = 502, statusMessage, rawHeaders } = incoming;
      res.writeHead(statusCode, statusMessage, rawHeaders);
      pipeline(incoming, res, () => {});
    });
    outgoing.on('error', () => res.destroy());
    pipeline(req, outgoing, () => {});
  };
  const isTest = (req: { url: string }) => req.url.startsWith('/test/');
  app.use(
    cacheMiddleware({
      cache: new LocMemCache(),
      exclude: (req) => !isTest(req),
      onError: (error) => console.error(error),
    }),
  );
  app.use(forward);
  return listen(app);
}

async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

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
  const origin = await startOrigin();
  const proxy = await startProxy(origin);
  try {
    await runTests(all, fetch, false, `http://127.0.0.1:${portOf(proxy)}`, 400);
  } finally {
    for (const server of [proxy, origin]) {
      server.close();
      server.closeAllConnections();
    }
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
