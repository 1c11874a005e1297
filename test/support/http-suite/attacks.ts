import * as assert from 'uvu/assert';
import { type Behaviour, said } from './site.js';

/** Four of them are more than a page may have, and still what clients read. */
const LONG = 'x'.repeat(9000);

export const ATTACKS: readonly Behaviour[] = [
  {
    name: 'a page for one Authorization is given to nobody else',
    options: { ttl: 60 },
    handler: ({ headers, url }) => {
      const body = `for ${headers.authorization}`;
      return url === '/public' ? said('public, max-age=60', body) : { body };
    },
    async check(site) {
      const as = async (path: string, user?: string) =>
        (await site.get(path, user === undefined ? {} : { authorization: user })).text;
      for (const user of ['alice', 'bob', 'alice']) assert.is(await as('/', user), `for ${user}`);
      assert.is(await as('/'), 'for undefined');
      assert.is(await as('/', 'alice'), 'for alice', 'nor is what was stored for nobody given to a user');
      assert.is(await as('/public', 'alice'), 'for alice');
      assert.is(await as('/public', 'bob'), 'for alice', 'public is for all');
    },
  },
  {
    name: 'nor is a page for one API key, or for whom a proxy has let in',
    options: { ttl: 60 },
    handler: ({ headers }) => ({ body: `for ${headers['x-api-key']} ${headers['x-forwarded-user']}` }),
    async check(site) {
      for (const name of ['x-api-key', 'x-forwarded-user']) {
        for (const user of ['alice', 'bob']) assert.match((await site.get('/', { [name]: user })).text, user);
      }
      assert.is((await site.get('/')).text, 'for undefined undefined');
    },
  },
  {
    name: 'a coded body, and one that allows an origin, go to those alone who asked so, also without a Vary',
    handler: ({ headers }) => {
      const { origin, 'accept-encoding': codings } = headers;
      const own: Record<string, string> = origin === undefined ? {} : { 'access-control-allow-origin': String(origin) };
      const coded: Record<string, string> = codings === undefined ? {} : { 'content-encoding': 'gzip' };
      return said('max-age=60', `${origin} ${codings}`, { ...own, ...coded });
    },
    async check(site) {
      await site.get('/a', { 'accept-encoding': 'gzip' });
      assert.is((await site.get('/a')).headers['content-encoding'], undefined);
      await site.get('/b', { origin: 'http://evil.example' });
      assert.is((await site.get('/b')).headers['access-control-allow-origin'], undefined);
      assert.is((await site.get('/b', { origin: 'http://evil.example' })).cache, 'HIT');
    },
  },
  {
    name: 'a page for one session cookie is given to nobody else, however they come together',
    options: { ttl: 60 },
    handler: async ({ headers, url }) => {
      await new Promise((resolve) => setTimeout(resolve, 40));
      const body = `for ${headers.cookie}`;
      return url === '/max-age' ? said('max-age=60', body) : { body };
    },
    async check(site) {
      for (const path of ['/', '/max-age']) {
        const users = Array.from({ length: 20 }, (_, i) => (i % 5 === 0 ? undefined : `sid=${i % 5}`));
        const answers = await Promise.all(
          users.map((cookie) => site.get(path, cookie === undefined ? {} : { cookie })),
        );
        assert.equal(
          answers.map(({ text }) => text),
          users.map((cookie) => `for ${cookie}`),
        );
      }
    },
  },
  {
    name: 'cookies make no difference to what is public',
    handler: () => said('public, max-age=60', 'page'),
    async check(site) {
      for (let i = 0; i < 10; i++) await site.get('/', { cookie: `tracking=${i}` });
      assert.is(site.seen.length, 1);
    },
  },
  {
    name: 'cookies named in varyHeaders, and Vary: Cookie, make pages of their own',
    options: { ttl: 60, varyHeaders: ['cookie'] },
    handler: ({ headers }) => ({ body: `for ${headers.cookie}` }),
    async check(site) {
      for (const cookie of ['a=1', 'a=2', 'a=1', 'a=2']) {
        assert.is((await site.get('/', { cookie })).text, `for ${cookie}`);
      }
      assert.is(site.seen.length, 2);
    },
  },
  {
    name: 'cacheAuthenticated: users by the key that it names',
    options: { ttl: 60, cacheAuthenticated: ({ headers }) => headers.authorization?.split(' ')[1] },
    handler: ({ headers }) => ({ body: `for ${headers.authorization}` }),
    async check(site) {
      const as = async (authorization: string) => (await site.get('/', { authorization })).text;
      assert.equal([await as('Key alice'), await as('Key bob')], ['for Key alice', 'for Key bob']);
      assert.equal([await as('Key alice'), await as('Key bob')], ['for Key alice', 'for Key bob']);
      assert.is(site.seen.length, 2);
      assert.is((await site.get('/', { authorization: 'none' })).cache, 'BYPASS');
    },
  },
  {
    name: 'another Host has other pages, also where it differs in case or port alone; a purge drops all of them',
    handler: ({ headers }) => said('max-age=60', `at ${headers.host}`),
    async check(site) {
      assert.is((await site.get('/', { host: 'evil.example' })).text, 'at evil.example');
      assert.is((await site.get('/', { host: 'good.example' })).text, 'at good.example');
      for (const host of [
        'GOOD.example',
        'good.example:80',
        'good.example:443',
        'good.example.',
        'good.example:8080',
      ]) {
        // Handlers build links from it: one to port 443 by http, or in a case that a policy does not name, fails for everybody.
        assert.is((await site.get('/', { host })).text, `at ${host}`);
      }
      assert.is((await site.get('/', { host: 'good.example' })).cache, 'HIT');
      await site.policy.purge({ urls: ['http://Good.example/'] });
      for (const host of ['good.example', 'good.example:80', 'good.example.']) {
        assert.is((await site.get('/', { host })).cache, 'MISS');
      }
      assert.is((await site.get('/', { host: 'good.example:8080' })).cache, 'HIT');
    },
  },
  {
    name: 'fields that a handler may build links from poison nobody’s page',
    handler: ({ headers }) =>
      said('max-age=60', `${headers['x-forwarded-host']} ${headers['x-original-url']} ${headers.forwarded}`),
    async check(site) {
      for (const name of ['x-forwarded-host', 'x-original-url', 'forwarded']) {
        assert.match((await site.get('/', { [name]: 'evil' })).text, 'evil');
        assert.is((await site.get('/')).text, 'undefined undefined undefined');
      }
      await site.get('/x', { 'x-http-method-override': 'DELETE' });
      assert.is((await site.get('/x')).cache, 'MISS');
    },
  },
  {
    name: 'URLs that a handler could tell apart have pages of their own',
    handler: ({ url }) => said('max-age=60', url),
    async check(site) {
      const urls = [
        '/a%2Fb',
        '/a/b',
        '/A/b',
        '/a%2fb',
        '/a//b',
        '/a/b/',
        '/a/b?',
        '/a/b?x=1&x=2',
        '/a/b?x=2&x=1',
        '/a/b?x=2',
        '/%61/b',
        '/a/b?X=2',
      ];
      for (const url of [...urls, ...urls]) assert.is((await site.get(url)).text, url);
    },
  },
  {
    name: 'a GET with a body is no page',
    options: { ttl: 60 },
    handler: () => ({ body: 'page' }),
    async check(site) {
      await site.send('GET', '/', { 'content-length': 4 }, 'evil');
      assert.is((await site.get('/')).cache, 'MISS');
    },
  },
  {
    name: 'random queries cannot flood the cache',
    options: { ttl: 60, entriesPerRouteMax: 50 },
    handler: ({ url }) => ({ body: url }),
    async check(site) {
      for (let from = 0; from < 400; from += 50) {
        await Promise.all(Array.from({ length: 50 }, (_, i) => site.get(`/list?q=${from + i}`)));
      }
      assert.ok(site.cache.count() <= 100, `${site.cache.count()} entries`);
      assert.is((await site.get('/list?q=1')).cache, 'HIT');
      assert.is((await site.get('/list?q=399')).text, '/list?q=399');
      await site.get('/other');
      assert.is((await site.get('/other')).cache, 'HIT', 'other paths are as before');
    },
  },
  {
    name: 'an entry that is no page, or would end a field early, is not served',
    handler: () => said('max-age=60', 'page'),
    async check(site) {
      await site.get('/');
      const key = site.keys()[0]!;
      const page = site.cache.get<Record<string, unknown>>(key)!;
      site.cache.set(key, { ...page, fields: ['x-evil', 'a\r\nset-cookie: sid=1'] }, 60);
      const answer = await site.get('/');
      assert.equal([answer.status, answer.text, answer.headers['set-cookie']], [200, 'page', undefined]);
      site.cache.set(key, 'nonsense', 60);
      assert.equal([(await site.get('/')).text], ['page']);
    },
  },
  {
    name: 'a response with very long fields is not stored',
    handler: () => said('max-age=60', 'page', { 'x-a': LONG, 'x-b': LONG, 'x-c': LONG, 'x-d': LONG }),
    async check(site) {
      await site.get('/');
      assert.is((await site.get('/')).cache, 'MISS');
    },
  },
  {
    name: 'cookies and Authorization stand in no key',
    options: { ttl: 60, varyHeaders: ['cookie'], cacheAuthenticated: true },
    handler: () => ({ body: 'page' }),
    async check(site) {
      await site.get('/', { cookie: 'sid=secret', authorization: 'Bearer secret' });
      assert.ok(site.cache.count() > 0);
      assert.not.match(site.keys().join(), 'secret');
    },
  },
];
