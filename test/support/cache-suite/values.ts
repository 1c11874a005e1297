import assert from 'node:assert/strict';
import type { CacheTest, Capabilities } from '../cache-suite.js';
import { assertSame } from '../same.js';
import { BAD_NESTED_VALUES, BAD_VALUES, makeError, VALUES } from '../values.js';
import { rejects } from './rejects.js';

export function registerValues(test: CacheTest, { byReference = false, frozen = false }: Capabilities): void {
  for (const [name, make] of Object.entries(VALUES)) {
    test(`what goes in comes out: ${name}`, async ({ cache }) => {
      await cache.set('set', make());
      await cache.add('add', make());
      await cache.setMany({ many: make() });
      assertSame(await cache.getOrSet('load', async () => make()), make());
      for (const key of ['set', 'add', 'many', 'load']) assertSame(await cache.get(key), make());
      assertSame((await cache.getMany(['set'])).get('set'), make());
    });
  }

  test('what goes in comes out: an Error', async ({ cache }) => {
    await cache.set('k', makeError());
    const error = await cache.get<Error>('k');
    assert.ok(error instanceof TypeError);
    assert.equal(error.message, 'wrong kind');
    assert.ok(error.cause instanceof RangeError);
    assert.equal(error.cause.message, 'too far');
  });

  const reference = byReference === 'in part' ? undefined : test;
  reference?.(
    byReference ? 'values are kept by reference' : 'readers cannot change the value of others',
    async ({ cache }) => {
      const value = { list: [1] };
      await cache.set('k', value);
      const read = await cache.get<typeof value>('k');
      if (byReference) {
        assert.equal(read, value);
        return;
      }
      if (frozen) assert.throws(() => read?.list.push(2), TypeError);
      else read?.list.push(2);
      value.list.push(3);
      assert.deepEqual(await cache.get('k'), { list: [1] });
    },
  );

  const bad = byReference === true ? BAD_VALUES : { ...BAD_VALUES, ...BAD_NESTED_VALUES };
  for (const [name, value] of Object.entries(bad)) {
    test(`a value that is no data is refused, and the older one stays: ${name}`, async ({ cache }) => {
      await cache.set('k', 'old');
      await rejects('ERR_INVALID_VALUE', () => cache.set('k', value));
      await rejects('ERR_INVALID_VALUE', () => cache.add('new', value));
      await rejects('ERR_INVALID_VALUE', () => cache.setMany({ good: 1, k: value }));
      if (value !== undefined) await rejects('ERR_INVALID_VALUE', () => cache.getOrSet('new', () => value));
      assert.equal(await cache.get('k'), 'old');
      assert.equal(await cache.get('good'), undefined);
      assert.equal(await cache.has('new'), false);
    });
  }
}
