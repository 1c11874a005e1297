import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BriefMap } from '../../shared/brief-map.js';
import { Lru } from '../../shared/lru.js';
import { random } from '../support/random.js';

const CHANGES = 20_000;

test('is a map, however much comes and goes', () => {
  const source = random(20260711);
  for (const keys of [4, 64, 1000]) {
    const brief = new BriefMap<number, object>();
    const plain = new Map<number, object>();
    for (let change = 0; change < CHANGES; change++) {
      const key = source.next(keys);
      if (source.next(2) === 0) {
        const value = {};
        brief.set(key, value);
        plain.set(key, value);
      } else {
        assert.is(brief.delete(key), plain.delete(key), `seed ${source.seed}, change ${change}`);
      }
      const asked = source.next(keys);
      assert.is(brief.get(asked), plain.get(asked), `seed ${source.seed}, change ${change}`);
      assert.is(brief.size, plain.size);
    }
    assert.equal(new Set(brief.values()), new Set(plain.values()));
  }
});

test('an Lru of few entries is one, however many pass through it', () => {
  for (const maxEntries of [1, 64, 1000]) {
    const lru = new Lru<number>({ maxEntries });
    for (let change = 0; change < CHANGES; change++) lru.set(`key:${change}`, change, 1, Number.POSITIVE_INFINITY, 0);
    assert.is(lru.size, maxEntries);
    for (let change = 0; change < CHANGES; change++) {
      assert.is(lru.peek(`key:${change}`, 0), change < CHANGES - maxEntries ? undefined : change);
    }
  }
});

test.run();
