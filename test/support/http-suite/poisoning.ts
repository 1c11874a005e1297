import * as assert from 'uvu/assert';
import { type Behaviour, type Site, type SiteAnswer, said } from './site.js';

async function texts(site: Site, path: string, name: string, values: readonly (string | undefined)[]) {
  const answers: string[] = [];
  for (const value of values) answers.push((await site.get(path, value === undefined ? {} : { [name]: value })).text);
  return answers;
}

export const POISONING: readonly Behaviour[] = [
  {
    name: 'any field whose name speaks of a user counts as Authorization does; User-Agent does not',
    options: { ttl: 60 },
    handler: ({ headers, url }) => ({ body: `for ${headers[url.slice(1)]}` }),
    async check(site) {
      const names = ['private-token', 'x-session-id', 'x-consumer-username', 'ocp-apim-subscription-key', 'x-apikey'];
      for (const name of names) {
        const seen = await texts(site, `/${name}`, name, ['alice', 'bob', undefined]);
        assert.equal(seen, ['for alice', 'for bob', 'for undefined'], name);
      }
      assert.equal(await texts(site, '/user-agent', 'user-agent', ['a', 'b']), ['for a', 'for a']);
    },
  },
  {
    name: 'cacheAuthenticated: a user without a name does not share with those who name nobody',
    options: { ttl: 60, cacheAuthenticated: ({ headers }) => String(headers['x-plan'] ?? '') },
    handler: ({ headers }) => ({ body: `for ${headers.authorization}` }),
    async check(site) {
      assert.equal(await texts(site, '/', 'authorization', ['alice', undefined]), ['for alice', 'for undefined']);
    },
  },
  {
    name: 'a key function’s text is no variant, and no stale copy, of another key',
    options: { key: ({ url }) => decodeURIComponent(url.slice(url.indexOf('?') + 1)) },
    handler: ({ url, headers }) =>
      said('max-age=60, stale-if-error=60', `${url} ${headers['x-lang']}`, { vary: 'x-lang', etag: '"1"' }),
    async check(site) {
      await site.get('/?a', { 'x-lang': 'de' });
      await site.get('/?a', { 'x-lang': 'en' });
      const keys = site.keys();
      // All that comes after what the key of `a` begins with, and what stood between the two when that was forgeable.
      const own = keys.map((key) => key.slice(key.lastIndexOf(':k:') + 3));
      for (const forged of [...own, ...keys, 'a stale', 'stale:a']) {
        if (forged === 'a') continue;
        const path = `/?${encodeURIComponent(forged)}`;
        assert.is((await site.get(path, { 'x-lang': 'en' })).text, `${path} en`);
      }
      assert.is((await site.get('/?a', { 'x-lang': 'en' })).text, '/?a en');
      assert.ok(
        own.every((part) => part === 'a'),
        own.join(' | '),
      );
    },
  },
  {
    name: 'a handler’s 304 that is not to be kept gives the page, and its cookie, to this client alone',
    handler: ({ headers }) =>
      headers['if-none-match'] === '"1"'
        ? { status: 304, headers: { 'set-cookie': 'sid=1', etag: '"1"' } }
        : said('max-age=10', 'page', { etag: '"1"' }),
    async check(site) {
      await site.get('/');
      site.pass(11_000);
      const answer = await site.get('/');
      assert.equal([answer.status, answer.text, answer.headers['set-cookie']], [200, 'page', ['sid=1']]);
      const next = await site.get('/');
      assert.equal([next.status, next.text, next.headers['set-cookie']], [200, 'page', undefined]);
    },
  },
  {
    name: 'fields that are for one client alone are his who asked first, and nobody else’s',
    handler: () => said('max-age=60, private="set-cookie, X-For"', 'page', { 'set-cookie': 'sid=1', 'x-for': 'you' }),
    async check(site) {
      const seen = async () => {
        const { cache, headers } = await site.get('/');
        return [cache, headers['set-cookie'], headers['x-for']];
      };
      assert.equal(
        [await seen(), await seen()],
        [
          ['MISS', ['sid=1'], 'you'],
          ['HIT', undefined, undefined],
        ],
      );
    },
  },
  {
    name: 'a response that hands a token out is for one client, unless it is public',
    options: { ttl: 60 },
    handler: ({ url }, site) => ({
      headers: { 'x-csrf-token': `t${site.seen.length}`, ...(url === '/public' && { 'cache-control': 'public' }) },
      body: 'page',
    }),
    async check(site) {
      await site.get('/');
      assert.is((await site.get('/')).cache, 'MISS');
      await site.get('/public');
      assert.is((await site.get('/public')).cache, 'HIT');
    },
  },
  {
    name: 'Vary on names that objects have breaks nothing',
    handler: ({ url, headers }) => said('max-age=60', String(headers['x-a']), { vary: `${url.slice(1)}, x-a` }),
    async check(site) {
      for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
        for (const a of ['1', '2', '1']) assert.is((await site.get(`/${name}`, { 'x-a': a })).text, a);
        assert.is((await site.get(`/${name}`, { 'x-a': '1' })).cache, 'HIT');
      }
      const answer = await site.get('/__proto__?__proto__=1&constructor[prototype][x]=1', {
        __proto__x: 'y',
        'x-a': '3',
      });
      assert.is(answer.text, '3');
      assert.is(({} as { x?: unknown }).x, undefined);
    },
  },
  {
    name: '`private` and `no-store` hold also where they are hardly to be read',
    handler: ({ url }) => ({ headers: { 'cache-control': decodeURIComponent(url.slice(1)) }, body: 'page' }),
    async check(site) {
      const controls = [
        'max-age=60, private=',
        'max-age=60, private="',
        'max-age=60, private="a',
        'max-age=60, x="y, private',
      ];
      for (const control of [
        ...controls,
        'max-age=60, x="y, no-store',
        'max-age=60, PRIVATE;x',
        'max-age=60,no-store=1',
      ]) {
        const path = `/${encodeURIComponent(control)}`;
        await site.get(path);
        assert.is((await site.get(path)).cache, 'MISS', control);
      }
    },
  },
  {
    name: 'tags that cannot all be kept: the page goes out, and is not stored; a tag with a comma is one',
    options: { ttl: 60 },
    handler: ({ url }) => {
      const many = Array.from({ length: 3000 }, (_, i) => `t${i}`).join(' ');
      const tags: Record<string, string> = { '/many': many, '/long': 'x'.repeat(1000), '/comma': 'a,b c' };
      return { headers: { 'surrogate-key': tags[url]! }, body: 'page' };
    },
    async check(site) {
      for (const path of ['/many', '/long']) {
        for (let i = 0; i < 2; i++) {
          const { status, text, cache } = await site.get(path);
          assert.equal([status, text, cache], [200, 'page', 'MISS']);
        }
      }
      for (const tag of ['a,b', 'a', 'b', 'c']) {
        await site.get('/comma');
        assert.is((await site.get('/comma')).cache, 'HIT');
        await site.policy.purge({ tags: [tag] });
        assert.is((await site.get('/comma')).cache, 'MISS', tag);
      }
    },
  },
  {
    name: 'HEAD and a range that come first leave nothing behind for GET',
    options: { ttl: 60 },
    handler: ({ headers }): SiteAnswer =>
      headers.range === undefined
        ? { body: 'the whole' }
        : { status: 206, headers: { 'content-range': 'bytes 0-2/9' }, body: 'the' },
    async check(site) {
      await site.send('HEAD', '/');
      await site.get('/', { range: 'bytes=0-2' });
      await site.get('/', { range: 'bytes=0-2', 'if-range': '"x"' });
      for (let i = 0; i < 2; i++) assert.is((await site.get('/')).text, 'the whole');
      assert.is((await site.get('/', { range: 'bytes=4-8' })).text, 'whole');
    },
  },
  {
    name: 'lives and ages beyond all measure, and clocks that jump',
    handler: ({ url }, site) => {
      const fields: Record<string, Record<string, string>> = {
        '/expires': { expires: 'Fri, 31 Dec 9999 23:59:59 GMT' },
        '/max-age': { 'cache-control': `max-age=${'9'.repeat(400)}` },
        '/age': { 'cache-control': 'max-age=60', age: '9'.repeat(400) },
        '/grace': { 'cache-control': `max-age=1, stale-while-revalidate=${'9'.repeat(30)}` },
      };
      return { headers: fields[url] ?? { 'cache-control': 'max-age=60' }, body: `page ${site.seen.length}` };
    },
    async check(site) {
      for (const path of ['/expires', '/max-age', '/grace']) {
        await site.get(path);
        assert.is((await site.get(path)).cache, 'HIT', path);
      }
      await site.get('/age');
      assert.is((await site.get('/age')).cache, 'MISS');
      const first = await site.get('/jump');
      site.pass(-7_200_000);
      const back = await site.get('/jump');
      assert.equal([back.text, back.headers.age], [first.text, '0']);
      site.pass(7_200_000 + 61_000);
      assert.is.not((await site.get('/jump')).text, first.text);
    },
  },
  {
    name: 'a flood of hosts, codings and varied fields leaves a bounded number of entries',
    options: { ttl: 60, entriesPerRouteMax: 40, variantsMax: 5 },
    handler: ({ url }): SiteAnswer => ({
      ...(url === '/vary' && { headers: { vary: 'x-a, accept-encoding' } }),
      body: 'page',
    }),
    async check(site) {
      for (let from = 0; from < 300; from += 30) {
        await Promise.all(
          Array.from({ length: 30 }, async (_, i) => {
            const n = from + i;
            await site.get('/host', { host: `h${n}.example` });
            await site.get('/vary', { 'x-a': `${n}`, 'accept-encoding': `c${n}, gzip;q=0.${n}` });
          }),
        );
      }
      assert.ok(site.cache.count() <= 46, `${site.cache.count()} entries`);
    },
  },
];
