import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { registerAdapter } from '../../client/backends/registry.js';
import { cached, getCache, setCache } from '../../client/cached.js';
import { asyncCache } from '../support/async-cache.js';
import { rejectsCode, throwsCode } from '../support/errors.js';

test('a synchronous function on a synchronous cache stays synchronous, and computes once an argument', () => {
  const cache = new LocMemCache();
  let calls = 0;
  const square = cached(
    function square(n: number) {
      calls++;
      return n * n;
    },
    { cache },
  );
  assert.is(square(3), 9);
  assert.is(square(3), 9);
  assert.is(calls, 1);
  assert.is(square(4), 16);
  assert.is(calls, 2);
  assert.is(square.name, 'square');
  assert.is(square.length, 1);
});

test('an asynchronous function answers with a promise on a miss and on a hit, on either kind of cache', async () => {
  for (const cache of [new LocMemCache(), asyncCache()]) {
    let calls = 0;
    const load = cached({ cache })(async function load(id: number) {
      calls++;
      return { id };
    });
    for (let i = 0; i < 3; i++) {
      const answer: unknown = load(1);
      assert.instance(answer, Promise);
      assert.equal(await answer, { id: 1 });
    }
    assert.is(calls, 1);
  }
});

test('a function that returns promises without being declared async does so on a hit as well', async () => {
  const cache = new LocMemCache();
  const wrap = () => cached({ cache, keyPrefix: 'plain' })((id: number) => Promise.resolve(id));
  assert.is(await wrap()(1), 1);
  assert.instance(wrap()(1), Promise);
});

test('a synchronous function on an asynchronous cache answers with a promise', async () => {
  const cache = asyncCache();
  const double = cached({ cache })(function double(n: number) {
    return n * 2;
  });
  const answer: Promise<number> = double(2);
  assert.instance(answer, Promise);
  assert.is(await answer, 4);
  assert.is(cache.behind.get('double:2'), 4);
});

test('null is cached, undefined is not', () => {
  const cache = new LocMemCache();
  const calls = { none: 0, nothing: 0 };
  const none = cached({ cache, keyPrefix: 'none' })(() => {
    calls.none++;
    return null;
  });
  const nothing = cached({ cache, keyPrefix: 'nothing' })(() => {
    calls.nothing++;
    return undefined;
  });
  for (let i = 0; i < 2; i++) {
    assert.is(none(), null);
    assert.is(nothing(), undefined);
  }
  assert.equal(calls, { none: 1, nothing: 2 });
});

test('100 concurrent calls compute once, also on an asynchronous cache', async () => {
  for (const cache of [new LocMemCache(), asyncCache()]) {
    let calls = 0;
    const slow = cached({ cache, keyPrefix: 'slow' })(async (id: number) => {
      calls++;
      await new Promise(setImmediate);
      return id;
    });
    const answers = await Promise.all(Array.from({ length: 100 }, () => slow(7)));
    assert.ok(answers.every((answer) => answer === 7));
    assert.is(calls, 1);
  }
});

test('what the function throws reaches every waiter and is not remembered', async () => {
  let calls = 0;
  const flaky = cached({ cache: new LocMemCache(), keyPrefix: 'flaky' })(async () => {
    calls++;
    await new Promise(setImmediate);
    if (calls === 1) throw new Error('not yet');
    return 'there';
  });
  const outcomes = await Promise.allSettled([flaky(), flaky()]);
  assert.equal(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.is(await flaky(), 'there');
  assert.is(calls, 2);

  let throws = 0;
  const failing = cached({ cache: new LocMemCache(), keyPrefix: 'failing' })(() => {
    throws++;
    throw new Error('no');
  });
  assert.throws(failing, /no/);
  assert.throws(failing, /no/);
  assert.is(throws, 2);
});

test('ttl is 300 seconds unless given, and tags and durations reach the cache', () => {
  let nowMs = 0;
  const cache = new LocMemCache({ clock: () => nowMs });
  const one = cached({ cache, keyPrefix: 'one' })((n: number) => n);
  const two = cached({ cache, keyPrefix: 'two', ttl: '2m', tags: (n: number) => [`n:${n}`] })((n: number) => n);
  one(1);
  two(1);
  two(2);
  assert.is(cache.ttl('one:1'), 300);
  assert.is(cache.ttl('two:1'), 120);
  cache.invalidateTags(['n:1']);
  assert.is(cache.has('two:1'), false);
  assert.is(cache.has('two:2'), true);
  nowMs = 300_001;
  assert.is(cache.has('one:1'), false);
});

test('the options of getOrSet are handed to the cache where they are given, and only there', () => {
  const seen: unknown[] = [];
  const cache = new (class extends LocMemCache {
    override getOrSet(...args: Parameters<LocMemCache['getOrSet']>): never {
      seen.push(args[2]);
      return super.getOrSet(args[0], args[1]) as never;
    }
  })();
  cached({ cache, keyPrefix: 'a' })(() => 1)();
  const all = { inherit: true, beta: 0, grace: '1m', softTimeout: 1, hardTimeout: 2, coalesce: 'cluster' } as const;
  const onStale = () => {};
  cached({ cache, keyPrefix: 'b', ...all, onStale, tags: ['t'] })(() => 1)();
  assert.equal(seen, [{ ttl: 300 }, { ttl: 300, ...all, onStale, tags: ['t'] }]);
  const plain = cached({ cache: new LocMemCache(), keyPrefix: 'c', grace: '1m' })(() => 1);
  throwsCode('ERR_INVALID_ARGUMENT', () => plain());
});

test('the options first and the function beside them is refused, not forgotten', () => {
  const swapped = cached as (options: object, fn: () => number) => unknown;
  const error = throwsCode('ERR_INVALID_ARGUMENT', () => swapped({ ttl: 1 }, () => 1));
  assert.match(error.message, 'cached(fn, options)');
});

test('key and invalidate speak of the result for the same arguments', async () => {
  const cache = new LocMemCache();
  let calls = 0;
  const users = cached({ cache, keyPrefix: 'users' })((id: number, _options?: { include_posts?: boolean }) => {
    calls++;
    return id;
  });
  assert.is(users.key(42, { include_posts: true }), 'users:42:include_posts=true');
  users(42, { include_posts: true });
  assert.is(cache.has('users:42:include_posts=true'), true);
  assert.is(users.invalidate(42), false);
  assert.is(users.invalidate(42, { include_posts: true }), true);
  users(42, { include_posts: true });
  assert.is(calls, 2);
  const remote = cached({ cache: asyncCache(), keyPrefix: 'users' })((id: number) => id);
  await remote(1);
  assert.is(await remote.invalidate(1), true);
});

test('arguments that only look alike compute on their own', () => {
  const cache = new LocMemCache();
  const show = cached({ cache, keyPrefix: 'show' })((...args: unknown[]) => args);
  assert.equal(show(1), [1]);
  assert.equal(show('1'), ['1']);
  assert.equal(show('a:b'), ['a:b']);
  assert.equal(show('a', 'b'), ['a', 'b']);
  assert.is(cache.count(), 4);
});

test('a key option names the call: text as it is, a list as arguments', () => {
  const cache = new LocMemCache();
  const options = { cache, keyPrefix: 'page' };
  const text = cached({ ...options, key: (request: { url: string }) => request.url })(
    (request: { url: string }) => request.url,
  );
  assert.is(text.key({ url: '/a?b' }), 'page:/a?b');
  const list = cached({ ...options, key: (a: Date, b: unknown) => [a.getTime(), typeof b] })(
    (a: Date, _b: unknown) => a,
  );
  assert.is(
    list.key(new Date(5), () => 1),
    'page:5:function',
  );
  assert.match(text.key({ url: 'x'.repeat(300) }), /^page:[0-9a-f]{64}$/);
  const neither = cached({ ...options, key: ((id: number) => id) as never })((id: number) => id);
  throwsCode('ERR_INVALID_ARGUMENT', () => neither(5));
});

test('this is passed on, to the function and to the key option', () => {
  const account = {
    id: 7,
    name: cached(
      function name(this: { id: number }, suffix: string) {
        return `${this.id}${suffix}`;
      },
      {
        cache: new LocMemCache(),
        key(this: { id: number }, suffix: string) {
          return [this.id, suffix];
        },
      },
    ),
  };
  assert.is(account.name('a'), '7a');
  assert.is(account.name.key.call(account, 'a'), 'name:7:a');
  assert.is(account.name.invalidate.call(account, 'a'), true);
});

test('unkeyable arguments: an async function rejects, a synchronous one throws', async () => {
  const cache = new LocMemCache();
  const load = cached({ cache, keyPrefix: 'x' })(async (fn: () => void) => fn());
  for (const twice of [load, cached({ cache, keyPrefix: 'xx' })(load)]) {
    const answer = twice(() => {});
    await rejectsCode('ERR_INVALID_ARGUMENT', () => answer);
  }
  const error = throwsCode('ERR_INVALID_ARGUMENT', () =>
    cached({ cache, keyPrefix: 'y' })((fn: () => void) => fn())(() => {}),
  );
  assert.match(error.message, /argument 1 is a function/);
});

test('the cache may be a name or a function, looked up at each call', () => {
  registerAdapter('cached-test', () => new LocMemCache());
  const named = cached({ cache: 'cached-test', keyPrefix: 'n' })((n: number) => n);
  assert.is(named(1), 1);
  const caches = [new LocMemCache(), new LocMemCache()];
  let turn = 0;
  const chosen = cached({ cache: () => caches[turn]!, keyPrefix: 'c' })((n: number) => n);
  chosen(1);
  turn = 1;
  assert.is(chosen.invalidate(1), false);
  assert.is(caches[0]!.has('c:1'), true);
  throwsCode('ERR_INVALID_ARGUMENT', () => cached({ cache: 'unknown', keyPrefix: 'u' })(() => 1)());
  throwsCode('ERR_INVALID_ARGUMENT', () => cached({ cache: {} as never, keyPrefix: 'u' })(() => 1)());
});

test('without a cache, the global one of the time of the call is used: a LocMemCache until set', () => {
  assert.instance(getCache(), LocMemCache);
  assert.is(getCache(), getCache());
  const first = getCache();
  const answer = cached(function answer() {
    return 42;
  });
  answer();
  assert.is((first as LocMemCache).has('answer'), true);
  const second = new LocMemCache();
  setCache(second);
  assert.is(getCache(), second);
  answer();
  assert.is(second.has('answer'), true);
  throwsCode('ERR_INVALID_ARGUMENT', () => setCache(undefined as never));
  throwsCode('ERR_INVALID_ARGUMENT', () => setCache(new Map() as never));
  assert.is(getCache(), second);
});

test('a function without a name needs a prefix; two of one name in one cache do not share it in silence', () => {
  const cache = new LocMemCache();
  throwsCode('ERR_INVALID_ARGUMENT', () => cached({ cache })(() => 1));
  function twin() {
    return 1;
  }
  const other = { twin: () => 2 };
  cached({ cache })(twin);
  cached({ cache })(twin);
  const error = throwsCode('ERR_INVALID_ARGUMENT', () => cached({ cache })(other.twin));
  assert.match(error.message, /keyPrefix/);
  assert.is(cached({ cache: new LocMemCache() })(other.twin)(), 2);
  assert.is(cached({ cache, keyPrefix: 'other' })(other.twin)(), 2);
});

test('wrong options are refused by name', () => {
  const cache = new LocMemCache();
  for (const options of [{ tll: 5 }, { keyPrefix: '' }, { keyPrefix: 5 }, 5, null, { kind: 'method' }]) {
    throwsCode('ERR_INVALID_ARGUMENT', () => cached(options as never));
  }
  throwsCode('ERR_INVALID_ARGUMENT', () => cached({ cache })(5 as never));
  throwsCode('ERR_INVALID_TTL', () => cached({ cache, ttl: '5 parsecs', keyPrefix: 'p' }));
  throwsCode('ERR_INVALID_TTL', () => cached({ cache, ttl: 0, keyPrefix: 'p' }));
});

test.run();
