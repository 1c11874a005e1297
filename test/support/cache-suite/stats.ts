import assert from 'node:assert/strict';
import type { Cache, TierStats } from '../../../shared/cache.js';
import type { CacheTest, Capabilities } from '../cache-suite.js';

const FIELDS = [
  'hits',
  'misses',
  'sets',
  'evictions',
  'expirations',
  'invalidations',
  'bytes',
  'entries',
] as const satisfies readonly (keyof TierStats)[];

async function difference(cache: Cache, work: () => Promise<unknown>): Promise<TierStats> {
  const before = await cache.stats();
  await work();
  const after = await cache.stats();
  return Object.fromEntries(FIELDS.map((field) => [field, after[field] - before[field]])) as unknown as TierStats;
}

export function registerStats(test: CacheTest, { inexactStats = false }: Capabilities): void {
  test('stats has every counter, for all and by tier', async ({ cache }) => {
    await cache.set('k', 'some value');
    await cache.get('k');
    await cache.get('absent');
    const stats = await cache.stats();
    assert.ok(stats.hitRate >= 0 && stats.hitRate <= 1);
    const tiers = Object.values(stats.tiers);
    assert.ok(tiers.length > 0);
    for (const tier of [stats, ...tiers]) {
      for (const field of FIELDS) assert.ok(Number.isFinite(tier[field]) && tier[field] >= 0, field);
    }
  });

  if (!inexactStats) {
    test('stats counts hits, misses and sets', async ({ cache }) => {
      const counted = await difference(cache, async () => {
        await cache.set('a', 1);
        await cache.setMany({ b: 2, c: null });
        await cache.get('a');
        await cache.get('c', 'default');
        await cache.get('absent');
        await cache.getMany(['a', 'b', 'absent']);
        await cache.getOrSet('a', () => 1);
        await cache.getOrSet('d', () => 4);
      });
      assert.equal(counted.hits, 5);
      assert.equal(counted.misses, 3);
      assert.equal(counted.sets, 4);
      assert.equal(counted.entries, 4);
    });
  }

  test('has, ttl and count are no hits or misses', async ({ cache }) => {
    await cache.set('k', 1);
    const counted = await difference(cache, async () => {
      await cache.has('k');
      await cache.has('absent');
      await cache.ttl('k');
      await cache.ttl('absent');
      await cache.count();
    });
    assert.equal(counted.hits, 0);
    assert.equal(counted.misses, 0);
  });
}
