import * as assert from 'uvu/assert';
import { type Behaviour, type Site, said } from './site.js';

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const WAIT_MS = 5000;

async function* parts(texts: readonly string[], pauseMs: number): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    yield Buffer.from(text);
    await sleep(pauseMs);
  }
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!(await condition())) {
    if (performance.now() > endMs) assert.unreachable(what);
    await sleep(20);
  }
}

/** Endless sources that have been let go. */
const ended = new WeakSet<Site>();

async function* endless(site: Site): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      yield Buffer.from('tick ');
      await sleep(5);
    }
  } finally {
    ended.add(site);
  }
}

export const STREAMS: readonly Behaviour[] = [
  {
    name: 'a client that goes away alone leaves its page to those who come after',
    handler: () => ({ headers: { 'cache-control': 'max-age=60' }, body: parts(['a', 'b', 'c'], 40) }),
    async check(site) {
      await site.leave('/', 60);
      await until(() => site.cache.count() > 0, 'the page is not stored');
      const { text, cache } = await site.get('/');
      assert.equal([text, cache, site.seen.length], ['abc', 'HIT', 1]);
    },
  },
  {
    name: 'a stream that is passed on ends with its client',
    handler: (_, site) => ({ headers: { 'cache-control': 'private' }, body: endless(site) }),
    async check(site) {
      await site.leave('/', 100);
      await until(() => ended.has(site), 'nobody let the source go');
    },
  },
  {
    name: 'so does one that turned out to be too long',
    options: { ttl: 60, maxBodyBytes: 20 },
    handler: (_, site) => ({ body: endless(site) }),
    async check(site) {
      await site.leave('/', 200);
      await until(() => ended.has(site), 'nobody let the source go');
    },
  },
  ...[0, 50].map(
    (startMs): Behaviour => ({
      name: `behind a stale page a stream is gathered to its end, begun after ${startMs} ms`,
      handler: async (_, site) => {
        const page = site.seen.length;
        if (startMs > 0) await sleep(startMs);
        const headers = { 'cache-control': 'max-age=10, stale-while-revalidate=1000' };
        return { headers, body: parts([`page ${page}`, '.', '.'], 20) };
      },
      async check(site) {
        await site.get('/');
        site.pass(15_000);
        const stale = await site.get('/');
        assert.is(stale.text, site.refreshes === 'itself' ? 'page 2..' : 'page 1..');
        await until(async () => (await site.get('/')).text === 'page 2..', 'the page was not refreshed');
        assert.is(site.seen.length, 2);
      },
    }),
  ),
  {
    name: 'several Set-Cookie fields arrive apart, and nothing is stored',
    options: { ttl: 60 },
    handler: () => ({ headers: { 'set-cookie': ['a=1; Path=/', 'b=2, 3'] }, body: 'page' }),
    async check(site) {
      for (let i = 0; i < 2; i++) {
        const { headers, cache } = await site.get('/');
        assert.equal([headers['set-cookie'], cache], [['a=1; Path=/', 'b=2, 3'], 'MISS']);
      }
    },
  },
  {
    name: 'HEAD of a page that is not there is the handler’s, and stores nothing',
    handler: () => said('max-age=60', '0123456789', { 'x-own': 'yes' }),
    async check(site) {
      const head = await site.send('HEAD', '/');
      assert.equal([head.status, head.text, head.headers['x-own'], head.cache], [200, '', 'yes', 'MISS']);
      assert.is(site.cache.count(), 0);
    },
  },
  {
    name: 'what a handler throws is the framework’s to answer, and is not stored',
    options: { ttl: 60 },
    handler: async (_, site) => {
      await sleep(1);
      if (site.seen.length === 1) throw new Error('thrown by the handler');
      return { body: 'page' };
    },
    async check(site) {
      assert.is((await site.get('/')).status, 500);
      const { status, text, cache } = await site.get('/');
      assert.equal([status, text, cache], [200, 'page', 'MISS']);
      // Where the framework made a response of the error nobody waits for the next one, and it is not stored either.
      await site.get('/');
      assert.is((await site.get('/')).cache, 'HIT');
    },
  },
  {
    name: 'stale-if-error: the stale page in place of what the handler throws',
    handler: async (_, site) => {
      await sleep(1);
      if (site.seen.length > 1) throw new Error('thrown by the handler');
      return said('max-age=10, stale-if-error=100', 'page');
    },
    async check(site) {
      await site.get('/');
      site.pass(15_000);
      for (let i = 0; i < 2; i++) {
        const { status, text, cache } = await site.get('/');
        assert.equal([status, text, cache], [200, 'page', 'STALE']);
      }
    },
  },
];
