import * as assert from 'uvu/assert';
import { type Behaviour, said } from './site.js';

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function* chunks(count: number, chunk: Uint8Array, pauseMs: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    yield chunk;
    await sleep(pauseMs);
  }
}

/** Long enough that those who are to wait for each other do. */
const SLOW_MS = 100;

export const SHARING: readonly Behaviour[] = [
  {
    name: 'one request computes a cold page, the others wait for it',
    handler: async () => {
      await sleep(SLOW_MS);
      return said('max-age=60', 'page');
    },
    async check(site) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => site.get('/')));
      assert.ok(answers.every(({ status, text }) => status === 200 && text === 'page'));
      assert.is(site.seen.length, 1);
    },
  },
  {
    name: 'those who wait for one variant get their own',
    handler: async ({ headers }) => {
      await sleep(SLOW_MS);
      return said('max-age=60', `${headers['x-v']}`, { vary: 'x-v' });
    },
    async check(site) {
      const ask = async (v: string) => (await site.get('/', { 'x-v': v })).text === v;
      const right = await Promise.all(Array.from({ length: 30 }, (_, i) => ask(`v${i % 3}`)));
      assert.ok(right.every((one) => one));
      assert.is(site.seen.length, 3);
    },
  },
  {
    name: 'what is not to be shared is not, and nobody waits twice for it',
    handler: async (_, site) => {
      const mine = `page ${site.seen.length}`;
      await sleep(SLOW_MS);
      return said('private', mine);
    },
    async check(site) {
      const from = performance.now();
      const answers = await Promise.all(Array.from({ length: 20 }, () => site.get('/')));
      assert.is(new Set(answers.map(({ text }) => text)).size, 20);
      assert.ok(performance.now() - from < 10 * SLOW_MS, 'they ran one after the other');
      const again = performance.now();
      await Promise.all(Array.from({ length: 20 }, () => site.get('/')));
      assert.ok(performance.now() - again < 10 * SLOW_MS);
    },
  },
  {
    name: 'a page that becomes one to be shared is stored again',
    handler: (_, site) => said(site.seen.length < 3 ? 'private' : 'max-age=60', 'page'),
    async check(site) {
      for (const cache of ['MISS', 'MISS', 'MISS', 'MISS', 'HIT']) assert.is((await site.get('/')).cache, cache);
    },
  },
  {
    name: 'a client that goes away does not cancel the page of the others',
    handler: () => ({
      headers: { 'cache-control': 'max-age=60' },
      body: chunks(4, Buffer.from('chunk '), SLOW_MS / 2),
    }),
    async check(site) {
      const gone = site.leave('/', SLOW_MS / 2);
      await sleep(SLOW_MS / 4);
      const { status, text } = await site.get('/');
      await gone;
      assert.equal([status, text, site.seen.length], [200, 'chunk chunk chunk chunk ', 1]);
    },
  },
  {
    name: 'a handler that breaks off half-way: the client sees it, nothing is stored',
    handler: (_, site) => ({
      headers: { 'cache-control': 'max-age=60' },
      body:
        site.seen.length > 1
          ? 'page'
          : (async function* () {
              yield Buffer.from('pa');
              await sleep(20);
              throw new Error('broken off');
            })(),
    }),
    async check(site) {
      const broken = await site.get('/').then(
        ({ status }) => status,
        () => 'broken',
      );
      assert.ok(broken === 'broken' || broken === 500, String(broken));
      const { text, cache } = await site.get('/');
      assert.equal([text, cache], ['page', 'MISS']);
    },
  },
  {
    name: 'a body over the limit streams through, whole, and first bytes do not wait for the last',
    options: { maxBodyBytes: 100_000 },
    handler: () => ({ headers: { 'cache-control': 'max-age=60' }, body: chunks(30, Buffer.alloc(50_000, 'x'), 2) }),
    async check(site) {
      const [one, other] = await Promise.all([site.get('/'), site.get('/')]);
      assert.equal([one.text.length, other.text.length], [1_500_000, 1_500_000]);
      assert.is(site.seen.length, 2);
      assert.is(site.cache.count(), 0);
    },
  },
  {
    name: 'a body of bytes comes out as it went in',
    handler: () => ({
      headers: { 'cache-control': 'max-age=60' },
      body: Uint8Array.from({ length: 256 }, (_, i) => i),
    }),
    async check(site) {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1');
      assert.is((await site.get('/')).text, bytes);
      assert.is((await site.get('/')).text, bytes);
    },
  },
];
