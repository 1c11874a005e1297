import * as assert from 'uvu/assert';
import { type Behaviour, said } from './site.js';

export const FRESHNESS: readonly Behaviour[] = [
  {
    name: 'a page lives as long as it says, and tells its age',
    handler: () => said('max-age=10', 'page'),
    async check(site) {
      await site.get('/');
      site.pass(7000);
      assert.is((await site.get('/')).headers.age, '7');
      site.pass(3000);
      assert.is((await site.get('/')).cache, 'MISS');
      assert.is(site.seen.length, 2);
    },
  },
  {
    name: 'stale-while-revalidate: the stale page at once, a new one behind it',
    handler: (_, site) => said('max-age=10, stale-while-revalidate=10', `page ${site.seen.length}`),
    async check(site) {
      await site.get('/');
      site.pass(15_000);
      const stale = await site.get('/');
      const expected = site.refreshes === 'itself' ? ['page 2', 'MISS'] : ['page 1', 'STALE'];
      assert.equal([stale.text, stale.cache], expected);
      const next = await site.get('/');
      assert.is(next.text, 'page 2');
      site.pass(25_000);
      assert.is((await site.get('/')).text, 'page 3', 'beyond its window a stale page is not served');
    },
  },
  {
    name: 'stale-while-revalidate: who comes while it is computed does not wait, and does not compute',
    handler: async (_, site) => {
      const page = `page ${site.seen.length}`;
      if (site.seen.length > 1) await new Promise((resolve) => setTimeout(resolve, 300));
      return said('max-age=10, stale-while-revalidate=10', page);
    },
    async check(site) {
      await site.get('/');
      site.pass(15_000);
      const first = site.get('/');
      // Where it waits for the new page itself, it is the one that computes.
      if (site.refreshes === 'itself') await new Promise((resolve) => setTimeout(resolve, 100));
      else assert.is((await first).cache, 'STALE');
      for (let i = 0; i < 4; i++) assert.equal((await site.get('/')).cache, 'STALE');
      assert.is(site.seen.length, 2);
      assert.is((await first).status, 200);
    },
  },
  {
    name: 'stale-if-error: the stale page in place of an error, as often as it fails, within its window',
    handler: (_, site) =>
      site.seen.length > 1 ? { status: 503, body: 'down' } : said('max-age=10, stale-if-error=100', 'page'),
    async check(site) {
      await site.get('/');
      site.pass(15_000);
      for (let i = 0; i < 2; i++) {
        const stale = await site.get('/');
        assert.equal([stale.status, stale.text, stale.cache], [200, 'page', 'STALE']);
      }
      site.pass(100_000);
      assert.is((await site.get('/')).status, 503);
    },
  },
  {
    name: 'must-revalidate: the error, not the stale page',
    handler: (_, site) =>
      site.seen.length > 1
        ? { status: 503, body: 'down' }
        : said('max-age=10, stale-if-error=100, must-revalidate', 'page'),
    async check(site) {
      await site.get('/');
      site.pass(15_000);
      assert.is((await site.get('/')).status, 503);
    },
  },
  {
    name: 'a handler with an ETag is asked whether a stale page is still good; its 304 makes it fresh',
    handler: ({ headers }) => {
      const control = { etag: '"v1"', 'cache-control': 'max-age=10' };
      return headers['if-none-match'] === '"v1"'
        ? { status: 304, headers: { ...control, 'x-new': 'yes' } }
        : { headers: control, body: 'page' };
    },
    async check(site) {
      await site.get('/');
      site.pass(15_000);
      const again = await site.get('/');
      assert.equal(
        [again.status, again.text, again.cache, again.headers['x-new']],
        [200, 'page', 'REVALIDATED', 'yes'],
      );
      assert.equal((await site.get('/')).cache, 'HIT');
      assert.is(site.seen.length, 2);
    },
  },
  {
    name: 'no-cache: the handler is asked each time, and may say 304',
    handler: ({ headers }) => {
      const control = { etag: '"v1"', 'cache-control': 'no-cache' };
      return headers['if-none-match'] === '"v1"'
        ? { status: 304, headers: control }
        : { headers: control, body: 'page' };
    },
    async check(site) {
      for (let i = 1; i <= 3; i++) {
        site.pass(1000);
        const { status, text } = await site.get('/');
        assert.equal([status, text, site.seen.length], [200, 'page', i]);
      }
      assert.is(site.seen[2]?.headers['if-none-match'], '"v1"');
    },
  },
  {
    name: 'the request may ask for more: no-cache, max-age, min-fresh, only-if-cached, no-store',
    handler: (_, site) => said('max-age=10', `page ${site.seen.length}`),
    async check(site) {
      assert.is((await site.get('/', { 'cache-control': 'only-if-cached' })).status, 504);
      assert.is(site.seen.length, 0);
      await site.get('/');
      site.pass(5000);
      assert.is((await site.get('/', { 'cache-control': 'max-age=6, min-fresh=5, only-if-cached' })).text, 'page 1');
      assert.is((await site.get('/', { 'cache-control': 'max-age=4' })).text, 'page 2');
      assert.is((await site.get('/', { 'cache-control': 'min-fresh=6' })).text, 'page 3');
      assert.is((await site.get('/', { 'cache-control': 'no-cache' })).text, 'page 4');
      assert.is((await site.get('/', { pragma: 'no-cache' })).text, 'page 5');
      assert.is((await site.get('/other', { 'cache-control': 'no-store' })).cache, 'BYPASS');
      assert.is((await site.get('/other')).cache, 'MISS');
    },
  },
];
