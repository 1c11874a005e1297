import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import { CacheError } from '../../shared/errors.js';
import { checkTags, isStoredAsItIs, storedKey } from '../../shared/key.js';
import { LIMIT } from '../../shared/protocol.js';

function isRefused(code: string, run: () => unknown, message = /./): void {
  assert.throws(
    run,
    (error: unknown) => error instanceof CacheError && error.code === code && message.test(error.message),
  );
}

test('short keys are stored as they are', () => {
  const keys = [
    'a',
    'user:42',
    ' ',
    '\n',
    'é🙂',
    'x'.repeat(255),
    'é'.repeat(127),
    '漢'.repeat(85),
    '~sha256~',
    'a~sha256~b',
  ];
  for (const key of keys) assert.equal(storedKey(key), key);
});

test('keys over 255 bytes become a prefix and the SHA-256 of their UTF-8', () => {
  for (const key of [
    'x'.repeat(256),
    'é'.repeat(128),
    '漢'.repeat(86),
    '🙂'.repeat(100),
    'y'.repeat(LIMIT.rawKeyBytesMax),
  ]) {
    const stored = storedKey(key);
    const [prefix, digest] = stored.split('~sha256~') as [string, string];
    assert.equal(digest, createHash('sha256').update(key).digest('base64url'));
    assert.ok(key.startsWith(prefix) && Buffer.byteLength(prefix) > 200);
    assert.ok(Buffer.byteLength(stored) <= LIMIT.keyBytesMax);
    assert.ok(!stored.includes('\ufffd'));
  }
});

test('two long keys with a common beginning differ', () => {
  const common = 'x'.repeat(299);
  assert.notEqual(storedKey(`${common}a`), storedKey(`${common}b`));
});

test('a key that looks like a digest is digested, so it meets nobody', () => {
  const long = 'x'.repeat(300);
  const imitation = storedKey(long);
  assert.notEqual(storedKey(imitation), imitation);
  const short = `~sha256~${'A'.repeat(43)}`;
  assert.notEqual(storedKey(short), short);
  assert.equal(storedKey(`~sha256~${'A'.repeat(42)}`), `~sha256~${'A'.repeat(42)}`);
});

test('keys with lone surrogates are stored as well-formed text, each its own', () => {
  const keys = [
    '\ud800',
    '\ud801',
    '\udc00',
    '\ufffd',
    'a\ud800',
    '\ud800a',
    `${'x'.repeat(300)}\ud800`,
    `${'x'.repeat(300)}\ufffd`,
  ];
  const stored = keys.map(storedKey);
  assert.equal(new Set(stored).size, keys.length);
  for (const key of stored)
    assert.ok(Buffer.from(key).toString() === key && Buffer.byteLength(key) <= LIMIT.keyBytesMax);
});

test('what is no key is refused with a reason', () => {
  isRefused('ERR_INVALID_KEY', () => storedKey(''), /empty/);
  isRefused('ERR_INVALID_KEY', () => storedKey('a\0b'), /NUL/);
  isRefused('ERR_INVALID_KEY', () => storedKey(`${'x'.repeat(300)}\0`), /NUL/);
  isRefused('ERR_INVALID_KEY', () => storedKey('x'.repeat(LIMIT.rawKeyBytesMax + 1)), /longer than 65536 bytes/);
  isRefused('ERR_INVALID_KEY', () => storedKey('é'.repeat(LIMIT.rawKeyBytesMax / 2 + 1)), /longer/);
  isRefused('ERR_INVALID_KEY', () => storedKey(`\ud800${'é'.repeat(LIMIT.rawKeyBytesMax / 2)}`), /longer/);
  for (const key of [undefined, null, 5, {}, ['a'], Symbol('s'), Object('a')]) {
    isRefused('ERR_INVALID_KEY', () => storedKey(key), /is not a string/);
  }
});

test('tags: any iterable, each once, in order', () => {
  assert.deepEqual(checkTags(undefined), []);
  assert.deepEqual(checkTags([]), []);
  assert.deepEqual(checkTags(['b', 'a', 'b']), ['b', 'a']);
  assert.deepEqual(checkTags(new Set(['é'.repeat(127), 'x'.repeat(255)])).length, 2);
  assert.deepEqual(checkTags(Array.from({ length: 500 }, (_, i) => `t${i % LIMIT.tagsPerEntryMax}`)).length, 64);
  assert.equal(
    checkTags(
      Array.from({ length: 65 }, (_, i) => `t${i}`),
      100,
    ).length,
    65,
  );
});

test('what is no tag is refused with a reason', () => {
  const bad: [unknown, RegExp][] = [
    ['tag', /not an array/],
    [5, /not an array/],
    [null, /not an array/],
    [{ a: 1 }, /not an array/],
    [[''], /empty/],
    [['a', 5], /5 is not a string/],
    [['a\0'], /NUL/],
    [['\ud800'], /lone surrogate/],
    [['x'.repeat(256)], /longer than 255 bytes/],
    [['é'.repeat(128)], /longer/],
    [Array.from({ length: 65 }, (_, i) => `t${i}`), /more than 64/],
  ];
  for (const [tags, message] of bad) isRefused('ERR_INVALID_TAG', () => checkTags(tags), message);
  function* endless() {
    for (let i = 0; ; i++) yield `t${i}`;
  }
  isRefused('ERR_INVALID_TAG', () => checkTags(endless()), /more than 64/);
});

test('a short key is stored as it is, or not at all; one that may be taken for a digest is not short', () => {
  const digest = storedKey('x'.repeat(300));
  assert.equal(isStoredAsItIs(digest.slice(-51)), false);
  assert.equal(isStoredAsItIs(digest.slice(-50)), true);
  assert.equal(storedKey(digest.slice(-50)), digest.slice(-50));
  assert.notEqual(storedKey(digest.slice(-51)), digest.slice(-51));
  for (const none of [undefined, 5, {}]) assert.equal(isStoredAsItIs(none), false);
});

test.run();
