import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { TwoTierCache } from '../../client/backends/two-tier-cache.js';
import { asyncCache } from '../support/async-cache.js';

/** A far tier whose calls act at once, or `late` when their answers are let go, which the test does by name. */
function slowAnswers({ late = '' }: { late?: string } = {}) {
  const waiting: { call: string; release: () => void }[] = [];
  const l2 = asyncCache({}, async (call, _args, act) => {
    const answer = call === late ? undefined : act();
    await new Promise<void>((release) => waiting.push({ call, release }));
    return call === late ? act() : answer;
  });
  const release = async (call: string): Promise<void> => {
    const at = waiting.findIndex((entry) => entry.call === call);
    if (at < 0) assert.unreachable(`no ${call} waits, but ${waiting.map((entry) => entry.call)}`);
    waiting.splice(at, 1)[0]!.release();
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  };
  const releaseAll = async (): Promise<void> => {
    while (waiting.length > 0) await release(waiting[0]!.call);
  };
  const l1 = new LocMemCache();
  return { l1, l2, release, releaseAll, cache: new TwoTierCache({ l1, l2 }) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a fill that read before a set does not land after it', async () => {
  const { l1, l2, release, releaseAll, cache } = slowAnswers();
  l2.behind.set('k', 'old', 60);
  const read = cache.get('k');
  await turn();
  const write = cache.set('k', 'new', 60);
  await turn();
  await release('set');
  await write;
  assert.is(l1.get('k'), 'new');
  await releaseAll();
  assert.is(await read, 'old');
  assert.is(l1.get('k'), 'new');
});

for (const order of [
  ['ttl', 'delete'],
  ['delete', 'ttl'],
] as const) {
  test(`a fill that a delete overtook does not land, answered as ${order}`, async () => {
    const { l1, l2, release, cache } = slowAnswers();
    l2.behind.set('k', 'old', 60);
    const read = cache.get('k');
    await turn();
    await release('get');
    // The value is here; the question for its life is out.
    const removal = cache.delete('k');
    await turn();
    for (const call of order) await release(call);
    assert.is(await removal, true);
    assert.is(await read, 'old');
    assert.is(l1.has('k'), false);
  });
}

for (const order of [
  ['get', 'delete'],
  ['delete', 'get'],
] as const) {
  test(`a fill that began while a delete was under way does not land after it, answered as ${order}`, async () => {
    const { l1, l2, release, releaseAll, cache } = slowAnswers({ late: 'delete' });
    l2.behind.set('k', 'old', 60);
    const removal = cache.delete('k');
    await turn();
    const read = cache.get('k');
    await turn();
    for (const call of order) await release(call);
    await releaseAll();
    assert.is(await read, 'old');
    assert.is(await removal, true);
    assert.is(l1.has('k'), false);
  });
}

test('who reads after a delete does not join a question that was out before it', async () => {
  const { l2, release, cache } = slowAnswers();
  l2.behind.set('k', 'old', 60);
  const before = cache.get('k');
  await turn();
  const removal = cache.delete('k');
  await turn();
  await release('delete');
  await removal;
  const after = cache.get('k');
  await turn();
  await release('get');
  await release('get');
  assert.is(await before, 'old');
  assert.is(await after, undefined);
});

test('of two sets that overlap, whose answers come in the other order, l1 keeps neither', async () => {
  const { l1, l2, release, cache } = slowAnswers();
  const first = cache.set('k', 1, 60);
  const second = cache.set('k', 2, 60);
  await turn();
  assert.is(l2.behind.get('k'), 2);
  await release('set');
  await release('set');
  await Promise.all([first, second]);
  assert.is(l1.has('k'), false);
  const third = cache.set('k', 3, 60);
  await turn();
  await release('set');
  await third;
  assert.is(l1.get('k'), 3);
});

for (const call of ['clear', 'invalidateTags'] as const) {
  const invalidate = (cache: TwoTierCache): Promise<void> =>
    call === 'clear' ? cache.clear() : cache.invalidateTags(['t']);

  test(`a set that ${call} has passed in l2 does not stay in l1`, async () => {
    const { l1, release, cache } = slowAnswers();
    const write = cache.set('k', 1, { ttl: 60, tags: ['t'] });
    await turn();
    const cleared = invalidate(cache);
    await turn();
    await release(call);
    await cleared;
    await release('set');
    await write;
    assert.is(l1.has('k'), false);
  });

  test(`a fill that began while ${call} was under way does not land after it`, async () => {
    const { l1, l2, release, cache } = slowAnswers({ late: call });
    l2.behind.set('k', 1, { ttl: 60, tags: ['t'] });
    const cleared = invalidate(cache);
    await turn();
    const read = cache.get('k');
    await turn();
    await release('get');
    await release(call);
    await cleared;
    await release('ttl');
    assert.is(await read, 1);
    assert.is(l1.has('k'), false);
  });

  test(`${call} empties an l1 that is slow to store only after that`, async () => {
    const waiting: (() => void)[] = [];
    const l1 = asyncCache({}, async (name, _args, act) => {
      if (name === 'set') await new Promise<void>((release) => waiting.push(release));
      return act();
    });
    const cache = new TwoTierCache({ l1, l2: new LocMemCache() });
    const write = cache.set('k', 1, { ttl: 60, tags: ['t'] });
    await turn();
    const cleared = invalidate(cache);
    await turn();
    assert.is(waiting.length, 1);
    waiting[0]!();
    await Promise.all([write, cleared]);
    assert.is(l1.behind.has('k'), false);
  });

  test(`a fill or a load that began before ${call} ended does not stay in l1`, async () => {
    const { l1, l2, release, cache } = slowAnswers();
    l2.behind.set('k', 1, { ttl: 60, tags: ['t'] });
    const read = cache.get('k');
    const load = cache.getOrSet('l', () => 1, { ttl: 60, tags: ['t'] });
    await turn();
    await release('get');
    await release('getOrSet');
    const cleared = invalidate(cache);
    await turn();
    await release('ttl');
    await release('ttl');
    await release(call);
    await Promise.all([read, load, cleared]);
    assert.is(l1.count(), 0);
  });
}

test('an asynchronous l1 that is slow to store does not store over a later write', async () => {
  const waiting: (() => void)[] = [];
  const l1 = asyncCache({}, async (call, _args, act) => {
    if (call === 'set') await new Promise<void>((release) => waiting.push(release));
    return act();
  });
  const l2 = new LocMemCache();
  l2.set('k', 'old', 60);
  const cache = new TwoTierCache({ l1, l2 });
  const read = cache.get('k');
  await turn();
  const removal = cache.delete('k');
  await turn();
  assert.is(waiting.length, 1);
  waiting[0]!();
  await removal;
  assert.is(await read, 'old');
  assert.is(l1.behind.has('k'), false);
});

test('an l1 that refuses the new value does not keep the old one', async () => {
  const l1 = new LocMemCache();
  const cache = new TwoTierCache({ l1, l2: new LocMemCache() });
  await cache.set('k', 'old', 60);
  l1.set = () => {
    throw new Error('too large for l1');
  };
  await cache.set('k', 'new', 60);
  assert.is(l1.has('k'), false);
  assert.is(await cache.get('k'), 'new');
});

test.run();
