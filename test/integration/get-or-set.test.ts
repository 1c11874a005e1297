import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, sleep, type TestServer, testServer } from '../support/daemon.js';
import { rejectsCode } from '../support/errors.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';

/** `getOrSet` with all its options, and leases, over two servers of one Postgres. */
const test = suite<{ db: TestDatabase; a: TestServer; b: TestServer }>('getOrSet');

test.before(async (context) => {
  context.db = await testDatabase();
  context.a = await testServer(context.db.url, { trimIntervalMs: 1000, trimLagMs: 1000 });
  context.b = await testServer(context.db.url, { namespaces: { bare: { tiers: 'table' }, host: { tiers: 'memory' } } });
});

test.after(async (context) => {
  await context.a?.close();
  await context.b?.close();
  await context.db?.close();
});

/** Until the daemon has looked at the log as it is now: a refresh of a value that is younger than its last look is refused. */
async function looked(server: TestServer): Promise<void> {
  const client = server.client();
  const fromMs = performance.now();
  await eventually('a look', async () => {
    const { msSinceLastLook } = (await client.status()) as { msSinceLastLook: number | null };
    return msSinceLastLook !== null && msSinceLastLook + 1 < performance.now() - fromMs;
  });
}

const failing = async (): Promise<unknown> => {
  throw new TypeError('no such user');
};

/** A load that ends when it is told to. */
function gated<T>(value: T) {
  let open = () => {};
  let begin = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const load = async () => {
    begin();
    await gate;
    return value;
  };
  return { load, open, begun };
}

test('a load that throws is answered with what has expired, to its caller and to those who wait, marked', async ({
  a,
}) => {
  const [one, two] = [a.client(), a.client()];
  await one.set('grace', 'old', { ttl: 0.05, grace: 60 });
  await sleep(80);
  assert.is(await one.get('grace'), undefined, 'get still misses');
  const reasons: unknown[] = [];
  const options = { grace: 60, onStale: (reason: unknown) => reasons.push(reason) };
  const { load, open, begun } = gated(0);
  let seen: unknown;
  const first = one.getOrSet(
    'grace',
    async (context) => {
      seen = context.stale;
      await load();
      return failing();
    },
    options,
  );
  await begun;
  const second = two.getOrSet('grace', failing, options);
  const strict = two.getOrSet('grace', failing).catch((error) => error.message);
  await sleep(50);
  open();
  assert.is(await first, 'old');
  assert.is(await second, 'old');
  assert.match(String(await strict), /no such user/, 'who has not asked for grace has the error');
  assert.is(seen, 'old', 'the load sees it');
  assert.equal(
    reasons.map((reason) => (reason as Error).message),
    ['no such user', 'no such user'],
  );
  assert.is((await one.stats()).stale, 2);
  assert.is(await one.getOrSet('grace', () => 'new', options), 'new');
  assert.is(await two.get('grace'), 'new');
  assert.is(reasons.length, 2);
});

test('the other server finds it in the table, also one that keeps nothing in memory', async ({ a, b }) => {
  const options = { ttl: 0.05, grace: 60 };
  await a.client().set('elsewhere', 'old', options);
  await a.client({ namespace: 'bare' }).getOrSet('elsewhere', () => 'old', options);
  await sleep(80);
  assert.is(await b.client().getOrSet('elsewhere', failing, options), 'old');
  assert.is(await b.client({ namespace: 'bare' }).getOrSet('elsewhere', failing, options), 'old');
});

test('what was killed is never served under grace, nor what is older than the caller or the value allow', async ({
  a,
  b,
}) => {
  const client = a.client();
  const far = b.client();
  const kills = {
    tag: () => far.invalidateTags(['t']),
    delete: () => far.delete('killed'),
    clear: () => far.clear(),
    set: () => far.set('killed', 'short', 0.01),
  };
  for (const [what, kill] of Object.entries(kills)) {
    await client.set('killed', 'old', { ttl: 0.05, grace: 60, tags: ['t'] });
    await sleep(80);
    assert.is(await client.getOrSet('killed', failing, { grace: 60 }), 'old', what);
    const { load, open, begun } = gated(0);
    const late = client.getOrSet('killed', () => load().then(failing), { grace: 60 }).catch((e) => e.message);
    await begun;
    await kill();
    await looked(a);
    await sleep(50); // by then what `set` wrote has expired
    open();
    assert.match(String(await late), /no such user/, `${what}, while the load ran`);
    assert.match(
      String(await client.getOrSet('killed', failing, { grace: 60 }).catch((e) => e.message)),
      /no such user/,
      what,
    );
  }
  await client.set('brief', 'old', { ttl: 0.02, grace: 0.05 });
  await client.set('long', 'old', { ttl: 0.02, grace: 60 });
  await sleep(150);
  await rejectsTypeError(client.getOrSet('brief', failing, { grace: 60 }));
  await rejectsTypeError(client.getOrSet('long', failing, { grace: 0.05 }));
  assert.is(await client.getOrSet('long', failing, { grace: 60 }), 'old');
});

async function rejectsTypeError(promise: Promise<unknown>): Promise<void> {
  assert.match(await promise.then(String, (error) => String(error)), /TypeError: no such user/);
}

test('softTimeout: who waits takes what has expired, and the load goes on and is stored', async ({ a }) => {
  const [one, two] = [a.client(), a.client()];
  await one.set('soft', 'old', { ttl: 0.02, grace: 60 });
  await sleep(50);
  const { load, open, begun } = gated('new');
  const reasons: string[] = [];
  const onStale = (reason: unknown) => reasons.push((reason as { code: string }).code);
  const options = { grace: 60, softTimeout: 0.05, onStale };
  assert.is(await one.getOrSet('soft', load, options), 'old');
  await begun;
  assert.is(await two.getOrSet('soft', failing, options), 'old', 'one that waits for another load');
  assert.is(await two.getOrSet('soft', failing, { ...options, softTimeout: 0 }), 'old');
  assert.equal(reasons, ['ERR_TIMEOUT', 'ERR_TIMEOUT', 'ERR_TIMEOUT']);
  open();
  await eventually('the new value', async () => (await two.get('soft')) === 'new');
  const nothing = gated('made');
  const patient = one.getOrSet('nothing to serve', nothing.load, options);
  await sleep(100);
  nothing.open();
  assert.is(await patient, 'made', 'without a stale value softTimeout changes nothing');
});

test('hardTimeout: the call rejects, its load is stored all the same, and its signal is not aborted', async ({ a }) => {
  const [one, two] = [a.client(), a.client()];
  const { load, open, begun } = gated('slow');
  let signal: AbortSignal | undefined;
  const slow = (context: { signal: AbortSignal }) => {
    signal = context.signal;
    return load();
  };
  // Listened to from the beginning: its time may be up before the other's.
  const holder = rejectsCode('ERR_TIMEOUT', () => one.getOrSet('hard', slow, { hardTimeout: 0.1 }));
  await begun;
  await rejectsCode('ERR_TIMEOUT', () => two.getOrSet('hard', failing, { hardTimeout: 0.05 }));
  await holder;
  assert.is(signal?.aborted, false);
  open();
  await eventually('the value', async () => (await two.get('hard')) === 'slow');
});

test('beta: one caller a host refreshes before the end, in the background, and all are answered at once', async ({
  a,
}) => {
  const clients = Array.from({ length: 4 }, () => a.client());
  await clients[0]?.getOrSet('eager', (): Promise<unknown> => sleep(20).then(() => 'old'), 60);
  await looked(a);
  const { load, open } = gated('new');
  let loads = 0;
  const counted = () => {
    loads++;
    return load();
  };
  // So eager that each read is picked: 20 ms of compute time are as good as a minute.
  const options = { ttl: 60, beta: 1e9 };
  const values = await Promise.all(
    Array.from({ length: 40 }, (_, i) => clients[i % 4]?.getOrSet('eager', counted, options)),
  );
  assert.equal([...new Set(values)], ['old']);
  assert.is(loads, 1, 'one refresh at a time');
  open();
  await eventually('the refresh', async () => (await clients[1]?.get('eager')) === 'new');
  assert.is(
    await clients[0]?.getOrSet('eager', failing, { ttl: 60, beta: 1e9 }),
    'new',
    'a refresh that throws hurts nobody',
  );
  await sleep(20);
  assert.is(await clients[0]?.get('eager'), 'new');
});

test('a refresh that was computed before a delete is not stored after it', async ({ a, b }) => {
  const client = a.client();
  await client.set('refreshed', 'old');
  await eventually('both have it', async () => (await b.client().get('refreshed')) === 'old');
  const { load, open, begun } = gated('too late');
  assert.is(await client.getOrSet('refreshed', load, { beta: 1e12 }), 'old');
  await begun;
  await b.client().delete('refreshed');
  open();
  await sleep(100);
  assert.is(await b.client().get('refreshed'), undefined);
  await eventually('here as well', async () => (await client.get('refreshed')) === undefined);
});

test('a lease: the value, or the right to compute it, for callers who have only get and set', async ({ a, b }) => {
  const [one, two] = [a.client(), a.client({ namespace: 'default' })];
  const { value, lease } = await one.lease('leased');
  assert.is(value, undefined);
  const waiting = two.lease('leased');
  assert.is(await lease?.fill({ made: 1 }, { ttl: 60, tags: ['leases'] }), true);
  assert.equal(await waiting, { value: { made: 1 }, lease: undefined });
  await rejectsCode('ERR_INVALID_TOKEN', () => lease!.fill('twice'));
  await rejectsCode('ERR_INVALID_TOKEN', () => lease!.abandon());
  assert.equal(await one.get('leased'), { made: 1 });

  const { lease: stale } = await one.lease('refused');
  await b.client().set('refused', 'newer');
  assert.is(await stale?.fill('older'), false, 'what it did not see was written meanwhile');
  assert.is(await one.get('refused'), 'newer');

  const { lease: given } = await one.lease('given up');
  const next = two.lease('given up');
  await rejectsCode('ERR_INVALID_VALUE', () => given!.fill(undefined));
  await rejectsCode('ERR_INVALID_TTL', () => given!.fill(1, 0));
  await given?.abandon();
  const { lease: passed } = await next;
  assert.ok(passed, 'it passes to the next who waits');
  const told = one.lease('given up').catch((error) => error);
  await sleep(20);
  await passed?.abandon(new RangeError('out of cities'));
  assert.match((await told).message, /out of cities/);
  assert.is(await one.has('given up'), false);
});

test('a lease whose connection was lost is nobody else’s', async ({ a }) => {
  const lost = a.client();
  const { lease } = await lost.lease('lost');
  await lost.close();
  await rejectsCode('ERR_CLOSED', () => lease!.fill('v'));
});

test('a namespace of memory alone refreshes early and gives leases, but has no grace', async ({ b }) => {
  const client = b.client({ namespace: 'host' });
  await rejectsCode('ERR_INVALID_ARGUMENT', () => client.getOrSet('k', () => 1, { grace: 5 }));
  await rejectsCode('ERR_INVALID_ARGUMENT', () => client.set('k', 1, { grace: 5 }));
  assert.is(await client.getOrSet('k', () => 'old', 60), 'old');
  assert.is(await client.getOrSet('k', () => 'new', { ttl: 60, beta: 1e9 }), 'old');
  await eventually('the refresh', async () => (await client.get('k')) === 'new');
  const { lease } = await client.lease('other');
  await client.delete('other');
  assert.is(await lease?.fill('late'), false);
  assert.is(await client.get('other'), undefined);
});

test.run();
