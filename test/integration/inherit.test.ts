import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cached, type GetOrSetOptions, type Load, type PgCachedClient } from '../../client/index.js';
import { LIMIT } from '../../shared/protocol.js';
import { eventually, sleep, type TestServer, testServer } from '../support/daemon.js';
import { rejectsCode } from '../support/errors.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

/** What was made of parts is dropped with them: over two servers of one Postgres, with and without near tiers. */
const test = suite<{ db: TestDatabase; a: TestServer; b: TestServer }>('inherit');

test.before(async (context) => {
  context.db = await testDatabase();
  context.a = await testServer(context.db.url, { namespaces: { lone: { tiers: 'memory' } } });
  context.b = await testServer(context.db.url, { namespaces: { bare: { tiers: 'table' } } });
});

test.after(async (context) => {
  await context.a?.close();
  await context.b?.close();
  await context.db?.close();
});

const INHERIT: GetOrSetOptions = { inherit: true };
/** The bound of staleness, and some for a busy machine. */
const SEEN_MS = 3000;

/** A page made of a list made of an item, each in a namespace of its own, and how often each was made. */
function threeDeep(of: (namespace: string) => PgCachedClient, id: string) {
  const [pages, lists, items] = [of('pages'), of('lists'), of('items')];
  const made = { page: 0, list: 0, item: 0 };
  const item = () =>
    items.getOrSet(
      `item ${id}`,
      () => {
        made.item += 1;
        return 'item';
      },
      { ...INHERIT, tags: [`item ${id}`] },
    );
  const list = () =>
    lists.getOrSet(
      `list ${id}`,
      async () => {
        made.list += 1;
        return [await item()];
      },
      INHERIT,
    );
  const page = () =>
    pages.getOrSet(
      `page ${id}`,
      async () => {
        made.page += 1;
        return { list: await list() };
      },
      INHERIT,
    );
  return { made, page, list, item, pages, lists, items };
}

const clientsOf = (server: TestServer, near: boolean) => {
  const clients = new Map<string, PgCachedClient>();
  return (namespace: string) => {
    const client = clients.get(namespace) ?? server.client({ namespace, near });
    clients.set(namespace, client);
    return client;
  };
};

for (const near of [false, true]) {
  const how = near ? 'with near tiers' : 'without near tiers';
  const drops = {
    delete: (items: PgCachedClient, id: string) => items.delete(`item ${id}`),
    deleteMany: (items: PgCachedClient, id: string) => items.deleteMany([`item ${id}`]),
    tag: (items: PgCachedClient, id: string) => items.invalidateTags([`item ${id}`]),
    clear: (items: PgCachedClient) => items.clear(),
  };
  for (const [what, drop] of Object.entries(drops)) {
    test(`${what} of the deepest part drops the whole everywhere, ${how}`, async ({ a, b }) => {
      const id = `${what} ${near}`;
      const here = threeDeep(clientsOf(a, near), id);
      const there = threeDeep(clientsOf(b, near), id);
      for (const one of [here, there, here, there]) assert.equal(await one.page(), { list: ['item'] });
      assert.equal(here.made, { page: 1, list: 1, item: 1 });
      assert.equal(there.made, { page: 0, list: 0, item: 0 }, 'the other server finds it');
      await drop(here.items, id);
      assert.is(await here.pages.get(`page ${id}`), undefined, 'at once on the host that drops it');
      assert.is(await here.lists.get(`list ${id}`), undefined);
      await eventually('dropped there', async () => (await there.pages.get(`page ${id}`)) === undefined, SEEN_MS);
      await eventually('dropped there', async () => (await there.lists.get(`list ${id}`)) === undefined, SEEN_MS);
      await here.page();
      assert.equal(here.made, { page: 2, list: 2, item: 2 });
      await sleep(30);
      await here.page();
      assert.equal(here.made, { page: 2, list: 2, item: 2 }, 'and is stored again');
    });
  }

  test(`parts that were there before count as those that the load makes, ${how}`, async ({ a, b }) => {
    const id = `warm ${near}`;
    const one = threeDeep(clientsOf(a, near), id);
    await one.item();
    await one.item();
    await one.list();
    await one.list();
    await one.page();
    assert.equal(one.made, { page: 1, list: 1, item: 1 });
    const other = threeDeep(clientsOf(b, near), id);
    await other.items.delete(`item ${id}`);
    await eventually('dropped', async () => (await one.pages.get(`page ${id}`)) === undefined, SEEN_MS);
  });
}

test('set, add and expire of a part leave the whole as it is', async ({ a }) => {
  const one = threeDeep(clientsOf(a, false), 'set');
  await one.page();
  await one.items.set('item set', 'another');
  await one.items.expire('item set', 1000);
  await one.items.add('item set', 'third');
  await sleep(50);
  assert.equal(await one.pages.get('page set'), { list: ['item'] });
});

test('every way to read makes a part, and a key that is not there is one', async ({ a }) => {
  const [whole, parts] = [a.client({ near: true }), a.client({ namespace: 'parts', near: true })];
  const ways: Record<string, Load<unknown>> = {
    get: () => parts.get('k', 0),
    getMany: async () => (await parts.getMany(['j', 'k'])).size,
    has: () => parts.has('k'),
    ttl: async () => (await parts.ttl('k')) ?? 0,
    getOrSet: () => parts.getOrSet('k', () => 1),
    peek: async () => {
      await parts.get('k');
      return parts.peek('k') === undefined;
    },
    lease: async () => {
      const { value, lease } = await parts.lease('k');
      await lease?.fill(1, { tags: ['t'] });
      return value ?? 1;
    },
  };
  for (const [way, load] of Object.entries(ways)) {
    await parts.set('k', 1, { tags: ['t'] });
    await parts.get('k');
    await whole.getOrSet(way, load, INHERIT);
    assert.ok(await whole.has(way), `${way} is stored`);
    await parts.invalidateTags(['t']);
    assert.not.ok(await whole.has(way), `${way}, by its tag`);
    await whole.getOrSet(way, load, INHERIT);
    assert.ok(await whole.has(way), `${way} of nothing is stored`);
    await parts.delete('k');
    assert.not.ok(await whole.has(way), `${way}, by its key`);
  }
});

test('what is dropped while the load runs is not stored', async ({ a, b }) => {
  for (const [id, dropper] of Object.entries({ here: a, there: b })) {
    const [whole, parts] = [a.client(), a.client({ namespace: 'parts' })];
    const key = `late ${id}`;
    await parts.set(key, 1);
    let loads = 0;
    const value = await whole.getOrSet(
      key,
      async () => {
        loads += 1;
        const part = await parts.get(key, 'gone');
        if (loads === 1) await dropper.client({ namespace: 'parts' }).delete(key);
        return part;
      },
      INHERIT,
    );
    assert.is(loads, 2, 'refused, and loaded again');
    assert.is(value, 'gone');
    assert.is(await whole.get(key), 'gone');
  }
});

test('a load that begins after a drop is stored at once, though the drop was in another namespace', async ({ a }) => {
  const [whole, parts] = [a.client(), a.client({ namespace: 'parts' })];
  let loads = 0;
  for (let round = 1; round <= 20; round++) {
    await whole.getOrSet(
      'rounds',
      async () => {
        loads += 1;
        return (await parts.get('round')) ?? 0;
      },
      INHERIT,
    );
    assert.is(loads, round);
    await parts.delete('round');
  }
});

test('who waits for the load of a part has its names too', async ({ a, b }) => {
  const [one, two] = [a.client(), a.client()];
  const parts = () => a.client({ namespace: 'parts' });
  const part = () =>
    parts().getOrSet(
      'slow',
      async (context) => {
        context.setTags(['slow']);
        await sleep(100);
        return 1;
      },
      INHERIT,
    );
  await Promise.all([one.getOrSet('first', part, INHERIT), two.getOrSet('second', part, INHERIT)]);
  assert.ok((await one.has('first')) && (await one.has('second')));
  await b.client({ namespace: 'parts' }).invalidateTags(['slow']);
  await eventually('both', async () => !(await one.has('first')) && !(await one.has('second')), SEEN_MS);
});

test('what came of a load that nobody knows the parts of is returned and not stored', async ({ a }) => {
  const [whole, parts] = [a.client(), a.client({ namespace: 'parts' })];
  let [begin, end] = [() => {}, () => {}];
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const ended = new Promise<void>((resolve) => (end = resolve));
  const load = async () => {
    begin();
    await ended;
    return undefined;
  };
  const first = parts.getOrSet('void', load);
  await begun;
  const join = async () => {
    const joined = parts.getOrSet('void', load);
    setTimeout(end, 200);
    return (await joined) ?? 'none';
  };
  assert.is(await whole.getOrSet('of void', join, INHERIT), 'none');
  await first;
  assert.not.ok(await whole.has('of void'));
});

test('a load that does not inherit shows those around it its own names only', async ({ a }) => {
  const [whole, parts] = [a.client(), a.client({ namespace: 'parts' })];
  const middle = () => parts.getOrSet('middle', () => parts.get('deep', 0), { tags: ['middle'] });
  await whole.getOrSet('walled', middle, INHERIT);
  await parts.delete('deep');
  assert.ok(await whole.has('walled'));
  await parts.invalidateTags(['middle']);
  assert.not.ok(await whole.has('walled'));
});

test('beyond the limit the names of a namespace give way to one that everything deleted there drops', async ({
  db,
  a,
  b,
}) => {
  const [whole, many, few] = ['default', 'many', 'few'].map((namespace) => a.client({ namespace })) as [
    PgCachedClient,
    PgCachedClient,
    PgCachedClient,
  ];
  const keys = Array.from({ length: LIMIT.inheritedNamesMax * 3 }, (_, i) => `key ${i}`);
  const load = async () => [(await many.getMany(keys)).size, await few.get('one', 0)];
  const drops = {
    'a part': () => b.client({ namespace: 'many' }).delete('key 300'),
    'no part, but of their namespace': () => b.client({ namespace: 'many' }).delete('other'),
    'a tag there': () => b.client({ namespace: 'many' }).invalidateTags(['other']),
    'a part in the other namespace': () => b.client({ namespace: 'few' }).delete('one'),
    'in SQL': () => runSql(db.url, "SELECT hyper_cache_ns_many_invalidate('key', 'other')"),
  };
  await many.setMany(Object.fromEntries(keys.map((key) => [key, 1])), { tags: ['t'] });
  for (const [what, drop] of Object.entries(drops)) {
    await whole.getOrSet('big', load, INHERIT);
    await b.client({ namespace: 'few' }).delete('other');
    await sleep(50);
    assert.ok(await whole.has('big'), `before ${what}`);
    await drop();
    await eventually(what, async () => !(await whole.has('big')), SEEN_MS);
  }
});

test('parts in more namespaces than there may be names: returned, not stored', async ({ a }) => {
  const whole = a.client();
  const parts = Array.from({ length: LIMIT.inheritedNamesMax / 2 + 1 }, (_, i) => a.client({ namespace: `n${i}` }));
  const load = async () => {
    for (const part of parts) await part.get('k');
    return 'wide';
  };
  assert.is(await whole.getOrSet('wide', load, INHERIT), 'wide');
  assert.not.ok(await whole.has('wide'));
});

test('cached functions three deep need no tags at all', async ({ a, b }) => {
  const cache = a.client({ near: true });
  let calls = 0;
  const price = cached({ cache, keyPrefix: 'price' })(async (id: number) => {
    calls += 1;
    return id * 100;
  });
  const basket = cached({ cache, keyPrefix: 'basket' })(async (ids: number[]) =>
    Promise.all(ids.map((id) => price(id))),
  );
  const total = cached({ cache, keyPrefix: 'total' })(async (ids: number[]) =>
    (await basket(ids)).reduce((sum, one) => sum + one, 0),
  );
  assert.is(await total([1, 2]), 300);
  assert.is(await total([1, 2]), 300);
  assert.is(await total([3]), 300);
  assert.is(calls, 3);
  await price.invalidate(2);
  assert.is(await cache.has(total.key([1, 2])), false);
  assert.is(await cache.has(total.key([3])), true, 'what is not made of it stays');
  assert.is(await total([1, 2]), 300);
  assert.is(calls, 4);
  const far = cached({ cache: b.client(), keyPrefix: 'price', inherit: false })(async (id: number) => id);
  await far.invalidate(3);
  await eventually('from afar', async () => !(await cache.has(total.key([3]))), SEEN_MS);
});

test('where nothing can be inherited true is refused, auto is not', async ({ a }) => {
  const lone = a.client({ namespace: 'lone' });
  await rejectsCode('ERR_INVALID_ARGUMENT', () => lone.getOrSet('k', () => 1, INHERIT));
  assert.is(await lone.getOrSet('k', () => 1, { inherit: 'auto' }), 1);
  assert.is(await lone.get('k'), 1);
  await rejectsCode('ERR_INVALID_ARGUMENT', () => a.client().getOrSet('k', () => 1, { inherit: 'yes' as 'auto' }));
});

test('a namespace without memory inherits, and is inherited from', async ({ b }) => {
  const bare = b.client({ namespace: 'bare' });
  const whole = b.client();
  await bare.set('k', 1, { tags: ['t'] });
  await bare.getOrSet('middle', () => bare.get('k'), INHERIT);
  await whole.getOrSet('of bare', () => bare.get('middle'), INHERIT);
  await bare.invalidateTags(['t']);
  assert.not.ok(await bare.has('middle'));
  assert.not.ok(await whole.has('of bare'));
});

test.run();
