// gate: cost=2 timeout=240
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import express from 'express';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheMiddleware } from '../../client/http/express.js';
import { cacheHandler, type HttpCacheOptions, purge } from '../../client/http/index.js';
import { eventually, sleep, testServer } from '../support/daemon.js';
import { listen } from '../support/http-suite/faces.js';
import { overDaemon } from '../support/over-daemon.js';

const test = suite('http over a daemon');
const CHILD = fileURLToPath(new URL('../support/http-child.js', import.meta.url));
const PROCESSES = 4;
const REQUESTS = 500;

const over = overDaemon(test);

/** An application with one page. */
async function site(options: HttpCacheOptions, page: () => Promise<Response> | Response) {
  const handle = cacheHandler(async () => page(), { cache: over.client, ...options });
  return async (url = 'http://site.example/', headers: Record<string, string> = {}) => {
    const response = await handle(new Request(url, { headers }));
    return { text: await response.text(), status: response.status, cache: response.headers.get('x-cache') };
  };
}

const said = (control: string, body: string, headers = {}) =>
  new Response(body, { headers: { 'cache-control': control, ...headers } });

test(`${REQUESTS} requests at once for a cold page of a second, over ${PROCESSES} processes: one computation`, async () => {
  let computations = 0;
  const ports: number[] = [];
  const children: ChildProcess[] = [];
  for (let i = 0; i < PROCESSES; i++) {
    const child = fork(CHILD, [over.server.daemon.socketPath], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.on('message', (message) => {
      if (message === 'computed') computations++;
      else ports.push(message as number);
    });
    children.push(child);
  }
  await eventually('the processes listen', () => ports.length === PROCESSES, 30_000);
  const agent = new Agent({ maxSockets: REQUESTS });
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, async (_, i) => {
      // The Host names the port; the site is the same.
      const headers = { host: 'site.example' };
      const outgoing = request({ host: '127.0.0.1', port: ports[i % PROCESSES], path: '/page', agent, headers }).end();
      const [response] = await once(outgoing, 'response');
      const chunks = await response.toArray();
      return `${response.statusCode} ${Buffer.concat(chunks)}`;
    }),
  );
  agent.destroy();
  for (const child of children) {
    child.disconnect();
    await once(child, 'exit');
  }
  assert.equal([...new Set(answers)], ['200 page']);
  assert.is(computations, 1);
});

test('a page is dropped by the tags of what it was made of, and by those it names', async () => {
  let pages = 0;
  const get = await site({ ttl: 60 }, async () => {
    pages++;
    const part = await over.client.getOrSet('part', () => 'part', { tags: ['row:1'] });
    return new Response(`${part} ${pages}`, { headers: { 'surrogate-key': 'shop' } });
  });
  assert.equal(await get(), { text: 'part 1', status: 200, cache: 'MISS' });
  assert.equal(await get(), { text: 'part 1', status: 200, cache: 'HIT' });
  await over.client.invalidateTags(['row:1']);
  assert.is((await get()).text, 'part 2');
  await over.client.delete('part');
  assert.is((await get()).text, 'part 3');
  await purge(over.client, { tags: ['shop'] });
  assert.is((await get()).text, 'part 4');
  await purge(over.client, { urls: ['https://SITE.example:443/'] });
  assert.is((await get()).text, 'part 5');
  assert.is((await get()).cache, 'HIT');
});

test('through Express, what the handler reads becomes part of the page as well', async () => {
  const app = express();
  app.use(cacheMiddleware({ cache: over.client, ttl: 60 }));
  app.get('/', async (_req, res) => {
    res.send(String(await over.client.getOrSet('counted', () => Math.random(), { tags: ['count'] })));
  });
  const running = await listen(app);
  const get = async () => (await fetch(running.url)).text();
  const first = await get();
  assert.is(await get(), first);
  await over.client.invalidateTags(['count']);
  assert.is.not(await get(), first);
  await running.close();
});

test('a page that was dropped while Express computed it is for who asked before, and not kept', async () => {
  let pages = 0;
  const app = express();
  app.use(cacheMiddleware({ cache: over.client, ttl: 60 }));
  app.get('/', async (_req, res) => {
    const page = `page ${++pages}`;
    await sleep(300);
    res.set('cache-tag', 'row').send(page);
  });
  const running = await listen(app);
  const get = async () => {
    const response = await fetch(running.url);
    return [response.status, await response.text()];
  };
  // Nobody waits: the handler cannot run again for this request, and it keeps what it has.
  const alone = get();
  await eventually('the page is computed', () => pages === 1);
  await over.client.invalidateTags(['row']);
  assert.equal(await alone, [200, 'page 1']);
  assert.is(pages, 1);

  pages = 0;
  const before = get();
  await eventually('the page is computed', () => pages === 1);
  await over.client.invalidateTags(['row']);
  const after = [get(), get(), get()];
  assert.equal(await before, [200, 'page 1']);
  const answers = await Promise.all(after);
  assert.ok(
    answers.every(([status, text]) => status === 200 && text !== 'page 1'),
    JSON.stringify(answers),
  );
  const last = await get();
  assert.ok(last[1] !== 'page 1');
  assert.equal(await get(), last);
  await running.close();
});

test('stale-while-revalidate: one computes, all others have the stale page at once', async () => {
  let pages = 0;
  const get = await site({}, async () => {
    pages++;
    if (pages > 1) await sleep(500);
    return said('max-age=1, stale-while-revalidate=60', `page ${pages}`);
  });
  await get();
  await sleep(1100);
  const answers = await Promise.all(Array.from({ length: 20 }, () => get()));
  assert.ok(
    answers.every(({ text, cache }) => text === 'page 1' && cache === 'STALE'),
    JSON.stringify(answers),
  );
  await eventually('the new page is there', async () => (await get()).text === 'page 2');
  assert.is(pages, 2);
});

test('stale-if-error; and what was purged is not served stale', async () => {
  let isDown = false;
  const get = await site({}, () =>
    isDown ? new Response('down', { status: 503 }) : said('max-age=1, stale-if-error=60', 'page'),
  );
  await get();
  isDown = true;
  await sleep(1100);
  for (let i = 0; i < 3; i++) assert.equal(await get(), { text: 'page', status: 200, cache: 'STALE' });
  await purge(over.client, { urls: ['http://site.example/'] });
  assert.is((await get()).status, 503);
});

test('a stale page is validated by the handler that made its ETag', async () => {
  const seen: (string | null)[] = [];
  const handle = cacheHandler(
    async (request) => {
      seen.push(request.headers.get('if-none-match'));
      // Once validated it is fresh for longer than the machine may stall.
      const headers = { etag: '"v1"', 'cache-control': `max-age=${seen.length === 1 ? 1 : 60}` };
      return seen.at(-1) === '"v1"' ? new Response(null, { status: 304, headers }) : new Response('page', { headers });
    },
    { cache: over.client },
  );
  const get = async () => {
    const response = await handle(new Request('http://site.example/v'));
    return [await response.text(), response.headers.get('x-cache')];
  };
  assert.equal(await get(), ['page', 'MISS']);
  await sleep(1100);
  assert.equal(await get(), ['page', 'REVALIDATED']);
  assert.equal(await get(), ['page', 'HIT']);
  assert.equal(seen, [null, '"v1"']);
});

test('coalesce: cluster, grace: 0 and an unknown kind of inherit', async () => {
  const get = await site({ ttl: 60, coalesce: 'cluster', grace: 0 }, () => new Response('page'));
  await get();
  assert.is((await get()).cache, 'HIT');
  assert.throws(
    () => cacheHandler(() => new Response(), { inherit: 'yes' as 'auto' }),
    /inherit is true, false or 'auto'/,
  );
});

test('without a daemon every request is answered by its handler', async () => {
  const errors: unknown[] = [];
  const other = await testServer(over.database.url);
  const away = other.client({ onUnavailable: 'throw', timeoutMs: 500 });
  await away.ready();
  let pages = 0;
  const options = { cache: away, ttl: 60, onError: (error: unknown) => errors.push(error) };
  const get = await site(options, () => new Response(`page ${++pages}`));
  await get();
  await other.daemon.close();
  assert.is((await get()).text, 'page 2');
  assert.is((await get()).text, 'page 3');
  assert.ok(errors.length >= 2);
  await away.close();
});

test.run();
