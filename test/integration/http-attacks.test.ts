// gate: cost=2 timeout=240
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { connect as connectTcp } from 'node:net';
import express5 from 'express';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cached, cacheMiddleware } from '../../client/http/express.js';
import { cacheHandler, HttpCache } from '../../client/http/index.js';
import { LocMemCache } from '../../client/index.js';
import { sleep } from '../support/daemon.js';
import { listen, serveFetch } from '../support/http-suite/faces.js';
import type { RunningSite } from '../support/http-suite/site.js';
import { overDaemon } from '../support/over-daemon.js';

const test = suite('http: attacks on real servers');
/** Express 4 under another name, without types of its own. */
const express4 = createRequire(import.meta.url)('express4') as typeof express5;
const EXPRESS = [
  ['Express 5', express5],
  ['Express 4', express4],
] as const;

const over = overDaemon(test);

/** What comes back for these bytes, until the connection ends. */
async function exchange({ url }: RunningSite, text: string): Promise<string> {
  const socket = connectTcp(Number(new URL(url).port), '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

const asked = (target: string, ...fields: string[]) =>
  [`GET ${target} HTTP/1.1`, 'Host: good.example', ...fields, 'Connection: close', '', ''].join('\r\n');

/** As `on-headers` has it, which middleware for sessions and cookies is built on. */
function lateCookies(): express5.RequestHandler {
  return (req, res, next) => {
    const { writeHead } = res;
    let isSet = false;
    res.writeHead = function late(this: typeof res, ...args: unknown[]) {
      if (!isSet && req.headers['x-visitor'] !== undefined)
        res.setHeader('set-cookie', `sid=${req.headers['x-visitor']}`);
      isSet = true;
      return Reflect.apply(writeHead, this, args);
    } as typeof res.writeHead;
    next();
  };
}

for (const [name, express] of EXPRESS) {
  for (const order of ['behind', 'before'] as const) {
    test(`${name}: a session cookie that is set at the last moment, ${order} the cache, keeps its page from others`, async () => {
      const app = express();
      if (order === 'before') app.use(lateCookies());
      app.use(cacheMiddleware({ cache: over.client, ttl: 60 }));
      if (order === 'behind') app.use(lateCookies());
      app.get('/', async (req, res) => {
        await sleep(20);
        res.send(`form of ${req.headers['x-visitor']}`);
      });
      const site = await listen(app);
      const visit = async (visitor?: string) => {
        const response = await fetch(site.url, visitor === undefined ? {} : { headers: { 'x-visitor': visitor } });
        return [await response.text(), response.headers.get('set-cookie'), response.headers.get('x-cache')];
      };
      const seen = await Promise.all(['a', 'b', 'c'].map((visitor) => visit(visitor)));
      assert.equal(
        seen.map(([text, cookie]) => [text, cookie]),
        ['a', 'b', 'c'].map((visitor) => [`form of ${visitor}`, `sid=${visitor}`]),
      );
      assert.equal(await visit('d'), ['form of d', 'sid=d', 'MISS']);
      await site.close();
    });
  }

  test(`${name}: middleware that adds other fields at the last moment keeps no page out`, async () => {
    const app = express();
    app.use(lateCookies(), cacheMiddleware({ cache: over.client, ttl: 60 }), lateCookies());
    app.get('/', (_req, res) => void res.send('page'));
    const site = await listen(app);
    const get = async () => (await fetch(site.url)).headers.get('x-cache');
    await get();
    for (let i = 0; i < 100 && (await get()) !== 'HIT'; i++) await sleep(20);
    assert.is(await get(), 'HIT');
    await site.close();
  });

  test(`${name}: one cache behind another does not wait for itself`, async () => {
    const app = express();
    app.use(cacheMiddleware({ cache: over.client, ttl: 60 }));
    app.get(
      '/',
      cached(
        { cache: over.client, ttl: 60 },
        cached({ cache: over.client, ttl: 60 }, () => 'page'),
      ),
    );
    const site = await listen(app);
    const answers = await Promise.all(Array.from({ length: 5 }, async () => (await fetch(site.url)).text()));
    assert.equal([...new Set(answers)], ['page']);
    await site.close();
  });

  test(`${name}: fragments, whole URLs, methods and versions of other kinds are nobody's page`, async () => {
    const app = express();
    app.use(cacheMiddleware({ cache: new LocMemCache(), ttl: 60 }));
    app.use((req, res) => void res.send(`${req.method} ${req.url} of ${req.headers.host}`));
    const site = await listen(app);
    for (const text of [
      asked('/a#b'),
      asked('/a#http'),
      asked('http://evil.example/a'),
      asked('/a', 'Upgrade: websocket'),
      asked('/a', 'X-HTTP-Method-Override: DELETE'),
      asked('/a', 'Content-Length: 2').replace('\r\n\r\n', '\r\n\r\nhi'),
    ]) {
      assert.match(await exchange(site, text), /x-cache: BYPASS/i, text);
    }
    await exchange(site, 'GET /a HTTP/1.0\r\n\r\n');
    await exchange(site, asked('/a').replace('good.example', 'good.example\r\nX-Forwarded-Host: evil.example'));
    const answer = await exchange(site, asked('/a', 'Expect: 100-continue'));
    assert.match(answer, /x-cache: MISS/i);
    assert.match(answer, /GET \/a of good\.example$/);
    assert.match(await exchange(site, asked(`/a?${'x'.repeat(9000)}`)), /x-cache: BYPASS/i);
    await site.close();
  });

  test(`${name}: what a handler says past its response does not run into another answer`, async () => {
    let nowMs = 1_800_000_000_000;
    const cache = new LocMemCache({ clock: () => nowMs });
    const app = express();
    let runs = 0;
    app.use(cacheMiddleware(new HttpCache({ cache }, () => nowMs)));
    app.get('/', async (_req, res) => {
      runs++;
      await sleep(30);
      res.writeEarlyHints({ link: '</a.css>; rel=preload' });
      res.writeProcessing();
      res.set('cache-control', 'max-age=1, stale-while-revalidate=60').set('trailer', 'x-t');
      res.write(`page ${runs}`);
      res.addTrailers({ 'x-t': 'evil' });
      res.end();
      res.end('more');
    });
    const site = await listen(app);
    await exchange(site, asked('/'));
    nowMs += 2000;
    const body = 'page 1';
    const kept = `${asked('/').replace('Connection: close\r\n', '')}`;
    const answer = await exchange(site, kept + kept + asked('/'));
    assert.is(answer.split('HTTP/1.1 ').length - 1, 3, answer);
    assert.not.match(answer, /HTTP\/1\.1 10[23]|evil|more/);
    assert.ok(answer.includes(body));
    await site.close();
  });
}

test('a web handler sees the host of the request line: it is no page of the Host’s, and https is another site', async () => {
  const handle = cacheHandler((request) => new Response(request.url), { cache: over.client, ttl: 60 });
  const site = await serveFetch(handle);
  assert.match(await exchange(site, asked('http://evil.example/a')), /http:\/\/evil\.example\/a$/);
  assert.match(await exchange(site, asked('/a')), /http:\/\/good\.example\/a$/);
  await site.close();
  const see = async (url: string) => (await handle(new Request(url))).text();
  for (const url of ['http://x.example/', 'https://x.example/', 'http://x.example/']) assert.is(await see(url), url);
});

test('over a daemon, users who race for one cold page have each his own', async () => {
  const app = express5();
  app.use(cacheMiddleware({ cache: over.client, ttl: 60 }));
  app.get('/*path', async (req, res) => {
    await sleep(50);
    const control = { '/max-age': 'max-age=60', '/private': 'private, max-age=60' }[req.path];
    if (control !== undefined) res.set('cache-control', control);
    res.send(`for ${req.headers.cookie ?? req.headers.authorization ?? req.headers['x-api-key']}`);
  });
  const site = await listen(app);
  for (const path of ['/', '/max-age', '/private'].map((one) => (one === '/' ? '/ttl' : one))) {
    const users = Array.from({ length: 60 }, (_, i): Record<string, string> => {
      const name = ['cookie', 'authorization', 'x-api-key'][i % 4];
      return name === undefined ? {} : { [name]: `user=${i}` };
    });
    for (let round = 0; round < 2; round++) {
      const texts = await Promise.all(
        users.map(async (headers) => (await fetch(`${site.url}${path}`, { headers })).text()),
      );
      assert.equal(
        texts,
        users.map((headers) => `for ${Object.values(headers)[0]}`),
      );
    }
  }
  await site.close();
});

test('over a daemon, ten thousand random queries leave a bounded number of pages', async () => {
  const handle = cacheHandler((request) => new Response(request.url), {
    cache: over.client,
    ttl: 60,
    entriesPerRouteMax: 100,
  });
  for (let from = 0; from < 10_000; from += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, i) => handle(new Request(`http://site.example/?${from + i}`))));
  }
  assert.is(await over.client.count(), 100);
  const again = await handle(new Request('http://site.example/other'));
  assert.is(await again.text(), 'http://site.example/other');
});

test.run();
