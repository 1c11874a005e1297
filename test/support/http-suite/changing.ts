import * as assert from 'uvu/assert';
import { type Behaviour, said } from './site.js';

export const CHANGING: readonly Behaviour[] = [
  {
    name: 'an unsafe method drops the pages of its URL, all variants, before it is answered',
    handler: ({ method, headers }, site) =>
      method === 'GET'
        ? said('max-age=60', `page ${site.seen.length}`, { vary: 'x-v' })
        : { status: headers['x-fails'] === undefined ? 201 : 422, body: 'done' },
    async check(site) {
      await site.get('/a?x=1', { 'x-v': '1' });
      await site.get('/a?x=1', { 'x-v': '2' });
      assert.is((await site.send('POST', '/a?x=1', { 'x-fails': '1' }, 'data')).status, 422);
      assert.is((await site.get('/a?x=1', { 'x-v': '2' })).cache, 'HIT', 'an error changed nothing');
      const posted = await site.send('POST', '/a?x=1', {}, 'data');
      assert.equal([posted.status, posted.text, posted.cache], [201, 'done', 'BYPASS']);
      assert.is((await site.get('/a?x=1', { 'x-v': '1' })).cache, 'MISS');
      assert.is((await site.get('/a?x=1', { 'x-v': '2' })).cache, 'MISS');
    },
  },
  {
    name: 'so it does those of Location and Content-Location, of the same host',
    handler: ({ method, headers }) =>
      method === 'GET'
        ? said('max-age=60', 'page')
        : { status: 201, headers: { location: String(headers['x-to']), 'content-location': 'b?y' }, body: '' },
    async check(site) {
      const { host } = new URL(site.url);
      for (const path of ['/a/b?y', '/there', '/kept']) await site.get(path);
      await site.send('PUT', '/a/c', { 'x-to': `http://${host}/there` });
      assert.is((await site.get('/a/b?y')).cache, 'MISS');
      assert.is((await site.get('/there')).cache, 'MISS');
      await site.send('DELETE', '/a/c', { 'x-to': 'http://elsewhere.example/kept' });
      assert.is((await site.get('/kept')).cache, 'HIT');
    },
  },
  {
    name: 'Surrogate-Key and Cache-Tag are tags; purge by tag and by URL',
    handler: ({ url }) => said('max-age=60', url, { 'surrogate-key': 'all a-1', 'cache-tag': `page,of ${url}` }),
    async check(site) {
      const { host } = new URL(site.url);
      const cached = async () =>
        (await Promise.all(['/1', '/2?q=1'].map((path) => site.get(path)))).map(({ cache }) => cache);
      await cached();
      assert.equal(await cached(), ['HIT', 'HIT']);
      await site.policy.purge({ tags: ['of /1'] });
      assert.equal(await cached(), ['MISS', 'HIT']);
      await site.policy.purge({ urls: [`https://${host.toUpperCase()}/2?q=1#top`] });
      assert.equal(await cached(), ['HIT', 'MISS']);
      await site.policy.purge({ tags: ['a-1'] });
      assert.equal(await cached(), ['MISS', 'MISS']);
    },
  },
  {
    name: 'a page that was dropped while it was computed is answered, and not kept',
    handler: async (_, site) => {
      const page = `page ${site.seen.length}`;
      await new Promise((resolve) => setTimeout(resolve, 60));
      return said('max-age=60', page, { 'cache-tag': 'row' });
    },
    async check(site) {
      const first = site.get('/');
      await new Promise((resolve) => setTimeout(resolve, 30));
      await site.policy.purge({ tags: ['row'] });
      const second = await site.get('/');
      assert.is((await first).text, 'page 1');
      assert.is(second.text, 'page 2', 'who asked after the purge gets a page that was begun after it');
    },
  },
];
