import assert from 'node:assert/strict';
import type { CacheTest } from '../cache-suite.js';
import { BAD_TAGS } from '../values.js';
import { rejects } from './rejects.js';

export function registerTags(test: CacheTest): void {
  test('invalidateTags drops every entry that has any of them', async ({ cache }) => {
    await cache.set('a', 1, { tags: ['x'] });
    await cache.add('b', 2, { tags: ['y', 'z'] });
    await cache.setMany({ c: 3, d: 4 }, { tags: ['x', 'w'] });
    await cache.getOrSet('e', () => 5, { tags: ['z'] });
    await cache.set('f', 6, { tags: ['w'] });
    await cache.set('g', 7);
    await cache.invalidateTags(['x', 'z', 'unknown']);
    assert.deepEqual([...(await cache.getMany(['a', 'b', 'c', 'd', 'e', 'f', 'g'])).keys()], ['f', 'g']);
    await cache.invalidateTags(new Set(['w']));
    assert.equal(await cache.has('f'), false);
    await cache.invalidateTags([]);
    assert.equal(await cache.get('g'), 7);
  });

  test('the tags of a value are those it was stored with last', async ({ cache }) => {
    await cache.set('k', 1, { tags: ['old'] });
    await cache.set('k', 2, { tags: ['new'] });
    await cache.invalidateTags(['old']);
    assert.equal(await cache.get('k'), 2);
    await cache.set('k', 3);
    await cache.invalidateTags(['new']);
    assert.equal(await cache.get('k'), 3);
    await cache.set('again', 1, { tags: ['t'] });
    await cache.delete('again');
    await cache.set('again', 2);
    await cache.invalidateTags(['t']);
    assert.equal(await cache.get('again'), 2);
  });

  test('what is stored after an invalidation stays', async ({ cache }) => {
    await cache.invalidateTags(['t']);
    await cache.set('k', 1, { tags: ['t'] });
    assert.equal(await cache.get('k'), 1);
  });

  test('strange tags', async ({ cache }) => {
    const tags = ['__proto__', 'constructor', ' ', 'ü'.repeat(127), '{"a":1}', "'", ','];
    for (const tag of tags) await cache.set(`of ${tag}`, 1, { tags: [tag, tag] });
    for (const tag of tags) {
      await cache.invalidateTags([tag]);
      assert.equal(await cache.has(`of ${tag}`), false, tag);
    }
    assert.equal(await cache.count(), 0);
  });

  test('the load may name tags', async ({ cache }) => {
    await cache.getOrSet(
      'k',
      (context) => {
        context.setTags(['from the load']);
        return 1;
      },
      { tags: ['from the call'] },
    );
    await cache.invalidateTags(['from the load']);
    assert.equal(await cache.has('k'), false);
  });

  for (const where of ['call', 'load'] as const) {
    test(`a late fill does not undo an invalidation of a tag named by the ${where}`, async ({ cache }) => {
      let calls = 0;
      let release = () => {};
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      let begin = () => {};
      const begun = new Promise<void>((resolve) => {
        begin = resolve;
      });
      const load = async (context: { setTags(tags: string[]): void }) => {
        const call = ++calls;
        begin();
        await gate;
        if (where === 'load') context.setTags(['t']);
        return call === 1 ? 'late' : 'loaded again';
      };
      const options = where === 'call' ? { tags: ['t'] } : {};
      const early = cache.getOrSet('k', load, options);
      await begun;
      await cache.invalidateTags(['t']);
      const after = cache.getOrSet('k', load, options);
      release();
      await early;
      assert.equal(await after, 'loaded again', 'who asks after the invalidation');
      assert.notEqual(await cache.get('k'), 'late');
    });
  }

  for (const [name, given] of Object.entries(BAD_TAGS)) {
    test(`bad tags are refused: ${name}`, async ({ cache }) => {
      const tags = given as string[];
      await rejects('ERR_INVALID_TAG', () => cache.set('k', 1, { tags }));
      await rejects('ERR_INVALID_TAG', () => cache.setMany({ k: 1 }, { tags }));
      await rejects('ERR_INVALID_TAG', () => cache.add('k', 1, { tags }));
      await rejects('ERR_INVALID_TAG', () => cache.getOrSet('k', () => assert.fail('load was called'), { tags }));
      await rejects('ERR_INVALID_TAG', () => cache.getOrSet('k', (context) => context.setTags(tags)));
      if (name !== 'too many') await rejects('ERR_INVALID_TAG', () => cache.invalidateTags(tags));
      assert.equal(await cache.has('k'), false);
    });

    test(`bad tags change nothing of what is there: ${name}`, async ({ cache }) => {
      const tags = given as string[];
      await cache.set('k', 'v', { tags: ['own'] });
      await rejects('ERR_INVALID_TAG', () => cache.set('k', 'w', { tags }));
      await rejects('ERR_INVALID_TAG', () => cache.setMany({ k: 'w', other: 1 }, { tags }));
      const beside = Array.isArray(tags) ? ['own', ...tags] : tags;
      if (name !== 'too many') await rejects('ERR_INVALID_TAG', () => cache.invalidateTags(beside));
      assert.equal(await cache.get('k'), 'v');
      assert.equal(await cache.has('other'), false);
      await cache.invalidateTags(['own']);
      assert.equal(await cache.has('k'), false, 'its own tag is still there');
    });
  }
}
