// gate: cost=2 timeout=240
/** Pages of each framework in the daemon's cache: they know what they were made of, and are refreshed behind stale ones. */
import { setTimeout as sleep } from 'node:timers/promises';
import fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheMiddleware as fastifyCache } from '../../client/http/fastify.js';
import { cacheMiddleware as honoCache } from '../../client/http/hono.js';
import { cacheMiddleware as koaCache } from '../../client/http/koa.js';
import { eventually } from '../support/daemon.js';
import { using } from '../support/http-frameworks.js';
import { listen, serveFetch } from '../support/http-suite/faces.js';
import type { RunningSite } from '../support/http-suite/site.js';
import { overDaemon } from '../support/over-daemon.js';

const test = suite('http: frameworks over a daemon');

const over = overDaemon(test);

type Page = () => Promise<{ body: string; control: string }>;

const FRAMEWORKS: Record<string, (page: Page) => Promise<RunningSite>> = {
  async Fastify(page) {
    const app = fastify({ forceCloseConnections: true });
    app.register(fastifyCache, { cache: over.client });
    app.get('/', async (_request, reply) => {
      const { body, control } = await page();
      reply.header('cache-control', control);
      return body;
    });
    return { url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() };
  },
  async Hono(page) {
    const app = new Hono();
    app.use(honoCache({ cache: over.client }));
    app.get('/', async (c) => {
      const { body, control } = await page();
      return c.text(body, 200, { 'cache-control': control });
    });
    return serveFetch(app.fetch);
  },
  async Koa(page) {
    const app = new Koa();
    app.use(koaCache({ cache: over.client }));
    app.use(async (ctx) => {
      const { body, control } = await page();
      ctx.set('cache-control', control);
      ctx.body = body;
    });
    return listen(app.callback());
  },
};

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test(`${name}: what drops a part of a page drops the page, and one request computes it`, async () => {
    let runs = 0;
    const site = start(async () => {
      await sleep(50);
      const part = await over.client.getOrSet('part', () => `part ${runs}`, { tags: ['row'] });
      return { body: `${part}, run ${++runs}`, control: 'max-age=60' };
    });
    await using(site, async (get) => {
      const all = await Promise.all(Array.from({ length: 20 }, () => get('/')));
      assert.equal([...new Set(all.map(({ text }) => text))], ['part 0, run 1']);
      assert.is((await get('/')).cache, 'HIT');
      await over.client.invalidateTags(['row']);
      const { text, cache } = await get('/');
      assert.equal([text, cache], ['part 1, run 2', 'MISS']);
    });
  });

  test(`${name}: while a stale page is refreshed, others have the stale one at once`, async () => {
    let runs = 0;
    let release: (() => void) | undefined;
    const site = start(async () => {
      if (++runs === 2) {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      }
      return { body: `run ${runs}`, control: 'max-age=1, stale-while-revalidate=600' };
    });
    await using(site, async (get) => {
      await get('/');
      await sleep(1100);
      const first = get('/');
      await eventually('the refresh begins', () => release !== undefined);
      const other = await get('/');
      assert.equal([other.text, other.cache], ['run 1', 'STALE']);
      release!();
      assert.is((await first).text, name === 'Hono' ? 'run 2' : 'run 1');
      await eventually('the new page', async () => (await get('/')).text !== 'run 1');
    });
  });
}

test.run();
