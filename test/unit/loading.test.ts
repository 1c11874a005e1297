import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FillTerms, LoadAsk, LoadOutcome } from '../../daemon/namespace.js';
import type { Store } from '../../daemon/store.js';
import { random } from '../support/random.js';
import { HandClock, LOAD_TIMEOUT_MS, SmallTable, STALE_BOUND_MS, storeOver, turns } from '../support/small-table.js';

/** The daemon's side of getOrSet, by the millisecond: expiry, grace, early refreshes, take-over, the lease of the cluster. */
const test = suite('loading');

const one = { name: 'one' };
const two = { name: 'two' };
const bytes = (text: string) => Buffer.from(text);
const ASK: LoadAsk = { fromTable: false, graceMs: 0, beta: 0, cluster: false };
const TERMS: FillTerms = { ttlMs: 1000, tags: [], graceMs: 0, deltaMs: 0, once: false };

async function world(randomSource?: () => number) {
  const clock = new HandClock();
  const table = new SmallTable(clock);
  return { clock, table, ...(await storeOver(table, clock, randomSource)) };
}

function tokenOf(outcome: LoadOutcome): number {
  if (outcome.kind !== 'load' && outcome.kind !== 'refresh') throw new Error(`it is a ${outcome.kind}`);
  return outcome.token;
}

const textOf = (outcome: LoadOutcome) =>
  `${outcome.kind}: ${'bytes' in outcome ? Buffer.from(outcome.bytes).toString() : ''}`;

async function loaded(store: Store, key: string, terms: Partial<FillTerms> = {}): Promise<void> {
  await store.fill(tokenOf(await store.load(key, one, ASK)), one, bytes('v'), { ...TERMS, ...terms });
}

test('XFetch: with r left, a read is picked with probability e^(−r ÷ βδ)', async () => {
  const source = random(20150801);
  const { clock, store } = await world(() => source.next(2 ** 32) / 2 ** 32);
  await loaded(store, 'k', { ttlMs: 60_000, deltaMs: 2000 });
  const reads = 4000;
  for (const leftMs of [20_000, 8000, 4000, 2000, 500]) {
    await clock.pass(60_000 - leftMs - clock.now());
    for (const beta of [0.5, 1, 2]) {
      let picked = 0;
      for (let i = 0; i < reads; i++) {
        const outcome = store.load('k', one, { ...ASK, beta }) as LoadOutcome;
        if (outcome.kind !== 'refresh') continue;
        picked += 1;
        assert.is(textOf(outcome), 'refresh: v');
        store.abandon(outcome.token, one, undefined);
      }
      const expected = Math.exp(-leftMs / (beta * 2000));
      // Five standard deviations: one false alarm in a million.
      const slack = 5 * Math.sqrt((expected * (1 - expected)) / reads) + 1e-3;
      const seen = picked / reads;
      assert.ok(
        Math.abs(seen - expected) < slack,
        `seed ${source.seed}, ${leftMs} ms, β ${beta}: ${seen}, not ${expected}`,
      );
    }
  }
});

test('a compute time that no clock could tell does not switch it off; without beta nobody is picked', async () => {
  const { clock, store } = await world(() => 1 - Math.exp(-2));
  await loaded(store, 'k', { ttlMs: 1000, deltaMs: 0 });
  await clock.pass(997);
  assert.is(textOf((await store.load('k', one, { ...ASK, beta: 1 })) as LoadOutcome), 'value: v', '3 ms before');
  await clock.pass(1);
  assert.is(textOf(await store.load('k', one, ASK)), 'value: v');
  assert.is(textOf(await store.load('k', one, { ...ASK, beta: 1 })), 'refresh: v', '2 ms before: 2 = δβ·−ln(e^−2)');
});

test('one refresh a key at a time; its value is stored, and the compute time outlives memory', async () => {
  const { clock, table, store } = await world(() => 0.99);
  await loaded(store, 'k', { ttlMs: 1000, deltaMs: 200 });
  await clock.pass(500);
  const beta = { ...ASK, beta: 1 };
  const picked = await store.load('k', one, beta);
  assert.is(picked.kind, 'refresh');
  assert.is(textOf(await store.load('k', two, beta)), 'value: v');
  assert.is(textOf(await store.fill(tokenOf(picked), one, bytes('w'), { ...TERMS, deltaMs: 300 })), 'value: w');
  assert.is(textOf(await store.load('k', two, ASK)), 'value: w');
  store.reset();
  await clock.pass(100);
  const before = table.reads;
  assert.is(textOf(await store.load('k', two, beta)), 'refresh: w', 'by the δ in the table');
  assert.is(table.reads, before + 1);
});

test('near tiers keep no stale value, and let go of a loaded one early enough for a refresh', async () => {
  const { clock, store } = await world();
  const share = store.near.join(() => {});
  await loaded(store, 'k', { ttlMs: 60_000, deltaMs: 1000, graceMs: 60_000 });
  assert.is(share.keep('k', bytes('v')), 55_000);
  await clock.pass(58_000);
  assert.is(share.keep('k', bytes('v')), 59_000, 'for half of what is left');
  await clock.pass(2000);
  assert.is(textOf(await store.stale('k', 60_000)), 'stale: v');
  assert.is(share.keep('k', bytes('v')), undefined);
  await loaded(store, 'plain', { ttlMs: 60_000, deltaMs: 0 });
  assert.is(share.keep('plain', bytes('v')), 120_000);
});

test('a refresh that does not see the row is refused, and not repeated', async () => {
  const { table, store } = await world(() => 0.99);
  await loaded(store, 'k', { ttlMs: 60_000, deltaMs: 30_000 });
  await store.load('k', one, ASK);
  const picked = await store.load('k', one, { ...ASK, beta: 1 });
  assert.is(picked.kind, 'refresh');
  table.put('k', bytes('newer'), 60_000);
  assert.is(textOf(await store.fill(tokenOf(picked), one, bytes('older'), TERMS)), 'value: older', 'to nobody else');
  assert.is(textOf(await store.load('k', two, ASK)), 'value: newer');
});

test('grace ends to the millisecond: the value’s and the caller’s', async () => {
  const { clock, store } = await world();
  await loaded(store, 'k', { ttlMs: 1000, graceMs: 500 });
  await clock.pass(999);
  assert.is(textOf(await store.stale('k', 400)), 'value: v');
  await clock.pass(1);
  assert.is(await store.get('k', false), undefined);
  assert.is(textOf(await store.stale('k', 400)), 'stale: v');
  assert.is(textOf(await store.stale('k', 0)), 'nothing: ');
  await clock.pass(399);
  assert.is(textOf(await store.stale('k', 400)), 'stale: v');
  await clock.pass(1);
  assert.is(textOf(await store.stale('k', 400)), 'nothing: ');
  assert.is(textOf(await store.stale('k', Number.POSITIVE_INFINITY)), 'stale: v');
  await clock.pass(100);
  assert.is(textOf(await store.stale('k', Number.POSITIVE_INFINITY)), 'nothing: ');
  assert.is(store.stats().stale, 3);
  assert.is(store.stats().entries, 0, 'memory keeps it no longer than that');
});

test('the database is away: under grace there is an answer as often as it is asked, until an invalidation is heard of', async () => {
  const { clock, table, store, follower } = await world();
  await loaded(store, 'k', { ttlMs: 60_000, graceMs: 60_000, tags: ['t'] });
  await loaded(store, 'bare', { ttlMs: 60_000 });
  const grace = { ...ASK, graceMs: 1 };
  table.isAway = true;
  assert.is(textOf(await store.load('k', one, ASK)), 'value: v', 'within the bound');
  await clock.pass(STALE_BOUND_MS + 1);
  for (let i = 0; i < 3; i++) assert.is(textOf(await store.load('k', one, grace)), 'stale: v');
  for (const [key, ask] of [
    ['k', ASK],
    ['bare', grace],
  ] as const) {
    const error = await Promise.resolve(store.load(key, one, ask)).catch((reason) => reason);
    assert.is(error.code, 'ERR_DATABASE', `${key}: no grace, no answer`);
  }
  table.isAway = false;
  table.invalidate('t:default:t');
  await follower.look();
  table.isAway = true;
  const error = await Promise.resolve(store.load('k', one, grace)).catch((reason) => reason);
  assert.is(error.code, 'ERR_DATABASE', 'killed');
});

test('a load whose time is up passes on; what its holder brings then is tried like any other', async () => {
  const { clock, store } = await world();
  const late = tokenOf(await store.load('k', one, ASK));
  const waiting = Promise.resolve(store.load('k', two, ASK));
  await clock.pass(LOAD_TIMEOUT_MS);
  const next = tokenOf(await waiting);
  assert.is(textOf(await store.fill(late, one, bytes('late'), TERMS)), 'value: late', 'nothing was stored meanwhile');
  assert.is(
    textOf(await store.fill(next, two, bytes('next'), { ...TERMS, once: true })),
    'nothing: ',
    'but now there was',
  );
  assert.is(textOf(await store.load('k', two, ASK)), 'value: late');
});

test('a token is of one holder, and of one use', async () => {
  const { store } = await world();
  const token = tokenOf(await store.load('k', one, ASK));
  const codeOf = (act: () => unknown) => {
    try {
      return String(act());
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assert.is(await store.fill(token, two, bytes('x'), TERMS).catch((error) => error.code), 'ERR_INVALID_TOKEN');
  assert.is(await store.fill(token + 1, one, bytes('x'), TERMS).catch((error) => error.code), 'ERR_INVALID_TOKEN');
  assert.is(
    codeOf(() => store.abandon(token, two, undefined)),
    'ERR_INVALID_TOKEN',
  );
  assert.is(textOf(await store.fill(token, one, bytes('v'), TERMS)), 'value: v', 'nothing had changed');
  assert.is(await store.fill(token, one, bytes('x'), TERMS).catch((error) => error.code), 'ERR_INVALID_TOKEN');
  assert.is(textOf(await store.load('k', two, ASK)), 'value: v');
});

test('the cluster’s lease: renewed while the load runs, waited for, released, taken over', async () => {
  const { clock, table, store, released } = await world();
  const other = await storeOver(table, clock);
  const cluster = { ...ASK, cluster: true };
  const token = tokenOf(await store.load('k', one, cluster));
  let outcome: LoadOutcome | undefined;
  void Promise.resolve(other.store.load('k', two, cluster)).then((result) => {
    outcome = result;
  });
  await clock.pass(9000);
  assert.is(outcome, undefined, 'three times as long as a lease holds');
  await store.fill(token, one, bytes('v'), TERMS);
  await turns();
  assert.is(released(), 1, 'others are woken');
  assert.is(outcome, undefined);
  other.store.wake();
  await clock.pass(21);
  assert.is(outcome && textOf(outcome), 'value: v');
  assert.is(table.leases.size, 0);

  const first = tokenOf(await store.load('again', one, cluster));
  const waiting = Promise.resolve(other.store.load('again', two, cluster));
  await turns();
  store.abandon(first, one, bytes('an error'));
  await clock.pass(300);
  const second = await waiting;
  assert.is(second.kind, 'load', 'without a wake-up it is found by looking');
  other.store.release(two);
  await turns();
  assert.is(table.leases.size, 0, 'released with the connection');
});

test('a server that died with the cluster’s lease is waited for until that is over', async () => {
  const { clock, table, store } = await world();
  table.leases.set('k', { lease: 'of a dead server', untilMs: 2000 });
  let outcome: LoadOutcome | undefined;
  void Promise.resolve(store.load('k', one, { ...ASK, cluster: true })).then((result) => {
    outcome = result;
  });
  await clock.pass(1900);
  assert.is(outcome, undefined);
  await clock.pass(400);
  assert.is(outcome?.kind, 'load');
});

test('who was told that an entry is gone does not get it from memory afterwards', async () => {
  const { table, store } = await world();
  await loaded(store, 'k', { ttlMs: 60_000 });
  table.rows.delete('k'); // as by another server, before this one looks at the log
  assert.is(store.get('k', false), 'v', 'within the bound, as text: it is small');
  assert.is(await store.ttl('k'), undefined);
  assert.is(await store.get('k', false), undefined);
});

test('nor from a read that was out when it was told', async () => {
  const clock = new HandClock();
  let answer = () => {};
  const late = new Promise<void>((resolve) => {
    answer = resolve;
  });
  /** Sees at once, and tells when the test says. */
  class SlowTable extends SmallTable {
    override database() {
      const database = super.database();
      const read: typeof database.read = async (namespace, keys) => {
        const result = await database.read(namespace, keys);
        await late;
        return result;
      };
      return { ...database, read };
    }
  }
  const table = new SlowTable(clock);
  const { store } = await storeOver(table, clock);
  table.put('k', bytes('v'), 60_000);
  const before = store.get('k', false);
  await turns();
  table.rows.delete('k');
  assert.is(await store.has('k', false), false);
  answer();
  assert.equal(await before, bytes('v'), 'who had asked before has it');
  assert.is(await store.get('k', false), undefined);
});

test.run();
