// gate: cost=1 timeout=120
/** Pages in the near tier: unpacked once for all, and gone with their copy. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheHandler } from '../../client/http/index.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';

const test = suite('http over the near tier');
let database: TestDatabase;
let server: TestServer;

test.before(async () => {
  database = await testDatabase();
  server = await testServer(database.url);
});
test.after(async () => {
  await server.close();
  await database.close();
});

test('a page is answered by the process itself, until another client drops what it was made of', async () => {
  const near = server.client({ near: true });
  const other = server.client();
  await Promise.all([near.ready(), other.ready()]);
  let pages = 0;
  const handle = cacheHandler(
    async () => {
      const part = await near.getOrSet('part', () => 'part', { tags: ['row:1'] });
      return new Response(`${part} ${++pages}`, { headers: { 'x-many': 'a', vary: 'accept-language' } });
    },
    { cache: near, ttl: 60 },
  );
  const get = async () => {
    const response = await handle(new Request('http://site.example/near'));
    const bytes = new Uint8Array(await response.arrayBuffer());
    const text = Buffer.from(bytes).toString();
    bytes.fill(0); // what one receiver does to its copy must reach nobody else
    return `${text} ${response.headers.get('x-cache')} ${response.headers.get('x-many')}`;
  };
  const nearHits = async () => (await near.stats()).tiers.near!.hits;

  let expected = 'part 1 MISS a';
  for (let round = 1; round <= 3; round++) {
    assert.is(await get(), expected);
    await eventually('the near tier answers', async () => {
      const before = await nearHits();
      assert.is(await get(), `part ${round} HIT a`);
      return (await nearHits()) > before;
    });
    assert.is(await get(), `part ${round} HIT a`);
    await other.invalidateTags(['row:1']);
    expected = `part ${round + 1} HIT a`; // of the request that found it gone
    await eventually('the page is dropped', async () => (await get()) === `part ${round + 1} MISS a`);
  }
});

test.run();
