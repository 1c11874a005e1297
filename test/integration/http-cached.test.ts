import express from 'express';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cached, cacheMiddleware } from '../../client/http/express.js';
import { cacheHandler, purge } from '../../client/http/index.js';
import { LocMemCache } from '../../client/index.js';
import { rejectsCode, throwsCode } from '../support/errors.js';
import { listen } from '../support/http-suite/faces.js';

const test = suite('cached on an Express handler');

test('keeps what the handler returns, or the response that it sends, and no error', async () => {
  let runs = 0;
  const options = { cache: new LocMemCache(), ttl: 60 };
  const app = express();
  app.get(
    '/value/:id',
    cached(options, (req) => ({ url: req.url, runs: ++runs })),
  );
  app.get(
    '/sent',
    cached(options, (_req, res: express.Response) => {
      res.type('text/plain').send(`sent ${++runs}`);
    }),
  );
  app.get(
    '/fails',
    cached(options, async () => {
      throw new Error(`failed ${++runs}`);
    }),
  );
  app.use(((error, _req, res, _next) => res.status(500).send(String(error.message))) as express.ErrorRequestHandler);
  const site = await listen(app);
  const get = async (path: string) => {
    const response = await fetch(site.url + path);
    return `${response.status} ${await response.text()} ${response.headers.get('x-cache')}`;
  };
  assert.is(await get('/value/1'), '200 {"url":"/value/1","runs":1} MISS');
  assert.is(await get('/value/1'), '200 {"url":"/value/1","runs":1} HIT');
  assert.is(await get('/sent'), '200 sent 2 MISS');
  assert.is(await get('/sent'), '200 sent 2 HIT');
  assert.is(await get('/fails'), '500 failed 3 MISS');
  assert.is(await get('/fails'), '500 failed 4 MISS');
  await site.close();
});

test('keeps what is under different prefixes apart, and a purge drops both', async () => {
  const cache = new LocMemCache();
  let runs = 0;
  const under = (keyPrefix: string | undefined) => {
    const handler = cacheHandler(() => new Response(`${++runs}`), { cache, ttl: 60, ...(keyPrefix && { keyPrefix }) });
    return async () => (await handler(new Request('http://a.example/dashboard'))).text();
  };
  const [plain, old, fresh] = [under(undefined), under('v1'), under('v2')];
  const all = async () => [await plain(), await old(), await fresh()];
  assert.equal(
    [await all(), await all()],
    [
      ['1', '2', '3'],
      ['1', '2', '3'],
    ],
  );
  await purge(cache, { urls: ['http://a.example/dashboard'] });
  assert.equal(await all(), ['4', '5', '6']);
});

test('refuses options that cannot be, when it is made', async () => {
  const refused = (make: () => unknown, pattern: RegExp) =>
    assert.match(throwsCode('ERR_INVALID_ARGUMENT', make).message, pattern);
  refused(() => cacheMiddleware({ tll: 60 } as object), /tll is not an option of this call.*ttl/);
  throwsCode('ERR_INVALID_TTL', () => cacheMiddleware({ ttl: 0 }));
  refused(() => cacheMiddleware({ cache: {} as LocMemCache }), /the cache option is not a cache/);
  refused(() => cacheMiddleware({ exclude: '/admin' as unknown as string[] }), /exclude is a list/);
  refused(() => cacheMiddleware({ varyHeaders: ['a b'] }), /no header name/);
  refused(() => cacheMiddleware({ keyPrefix: '' }), /keyPrefix is a string of 1 to 255/);
  refused(() => cacheMiddleware({ maxBodyBytes: 0 }), /maxBodyBytes is a whole number from 1/);
  refused(() => cacheMiddleware({ coalesce: 'all' as 'host' }), /coalesce is 'host' or 'cluster'/);
  refused(() => cached({ ttl: 1 }, undefined as unknown as () => unknown), /takes options and the handler/);
  const cache = new LocMemCache();
  cacheHandler(() => new Response(), { cache });
  await purge(cache, { urls: ['http://a.example'], tags: ['x'] });
  await rejectsCode('ERR_INVALID_ARGUMENT', () => purge(cache, { urls: ['nonsense'] }));
});

test.run();
