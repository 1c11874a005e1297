/** Checked when it is compiled: each `expectType` and each @ts-expect-error that does not hold fails the build. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { cached } from '../../client/cached.js';
import type { Cache } from '../../shared/cache.js';
import { asyncCache } from '../support/async-cache.js';
import { expectType, type Same } from '../support/types.js';

const sync = new LocMemCache();
const remote: Cache = asyncCache();

function area(this: { scale: number } | undefined, width: number, height = 1): number {
  return width * height * (this?.scale ?? 1);
}

test('a synchronous function on a synchronous cache keeps its type', () => {
  const wrapped = cached(area, { cache: sync });
  expectType<Same<ReturnType<typeof wrapped>, number>>();
  expectType<Same<Parameters<typeof wrapped>, [width: number, height?: number]>>();
  expectType<Same<ThisParameterType<typeof wrapped>, { scale: number } | undefined>>();
  expectType<Same<ReturnType<typeof wrapped.invalidate>, boolean>>();
  expectType<Same<ReturnType<typeof wrapped.key>, string>>();
  // @ts-expect-error the parameters are kept
  assert.throws(() => wrapped.call({ scale: 1 }, () => 1));
});

test('a synchronous function on an asynchronous cache answers with a promise, the rest is kept', () => {
  const wrapped = cached({ cache: remote })(area);
  expectType<Same<ReturnType<typeof wrapped>, Promise<number>>>();
  expectType<Same<Parameters<typeof wrapped>, [width: number, height?: number]>>();
  expectType<Same<ThisParameterType<typeof wrapped>, { scale: number } | undefined>>();
  expectType<Same<ReturnType<typeof wrapped.invalidate>, Promise<boolean>>>();
  const made = cached({ cache: () => remote, keyPrefix: 'made' })((n: number) => String(n));
  expectType<Same<ReturnType<typeof made>, Promise<string>>>();
});

test('an asynchronous function keeps its type on every cache', () => {
  const load = async (id: number): Promise<{ id: number }> => ({ id });
  const first = cached(load, { cache: sync, keyPrefix: 'first' });
  const second = cached({ cache: remote, keyPrefix: 'second' })(load);
  const third = cached({ keyPrefix: 'third' })(load);
  expectType<Same<ReturnType<typeof first>, Promise<{ id: number }>>>();
  expectType<Same<ReturnType<typeof second>, Promise<{ id: number }>>>();
  expectType<Same<ReturnType<typeof third>, Promise<{ id: number }>>>();
});

test('where the cache is known only at run time, the type of a synchronous function says so', () => {
  const wrapped = cached({ keyPrefix: 'unknown' })((n: number) => n);
  const named = cached({ cache: 'some name', keyPrefix: 'named' })((n: number) => n);
  expectType<Same<ReturnType<typeof wrapped>, number | Promise<number>>>();
  expectType<Same<ReturnType<typeof named>, number | Promise<number>>>();
  expectType<Same<ReturnType<typeof wrapped.invalidate>, boolean | Promise<boolean>>>();
});

test('generic functions stay generic', () => {
  const identity = cached({ cache: sync, keyPrefix: 'identity' })(<T>(value: T): T => value);
  expectType<Same<ReturnType<typeof identity<'a'>>, 'a'>>();
});

test('key and tags options see the parameters of the function', () => {
  const wrapped = cached((id: number, name: string) => `${id}${name}`, {
    cache: sync,
    keyPrefix: 'seen',
    key: (id, name) => [id.toFixed(), name.trim()],
    tags: (id) => [`user:${id}`],
  });
  assert.is(wrapped(1, 'a'), '1a');
  // @ts-expect-error a key is text or a list
  assert.throws(() => cached((id: number) => id, { cache: sync, keyPrefix: 'bad', key: (id: number) => id })(1));
});

test('a decorator does not let a method lie about its type', () => {
  class Fine {
    @cached({ cache: sync })
    plain(): number {
      return 1;
    }
    @cached({ cache: remote })
    async later(): Promise<number> {
      return 1;
    }
    // @ts-expect-error on an asynchronous cache a synchronous method would answer with a promise
    @cached({ cache: remote, keyPrefix: 'wrong' })
    wrong(): number {
      return 1;
    }
    // @ts-expect-error nor may it where the cache is known only at run time
    @cached({ keyPrefix: 'unsure' })
    unsure(): number {
      return 1;
    }
  }
  expectType<Same<ReturnType<Fine['plain']>, number>>();
  expectType<Same<ReturnType<Fine['later']>, Promise<number>>>();
  assert.is(new Fine().plain(), 1);
});

test('unknown and mistyped options do not compile', () => {
  // @ts-expect-error there is no such option
  assert.throws(() => cached({ cache: sync, tll: 5 }));
  // @ts-expect-error a cache is an adapter, a name or a function
  assert.throws(() => cached({ cache: 5, keyPrefix: 'five' })(() => 1)());
});

test.run();
