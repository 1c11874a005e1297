import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NearTier } from '../../client/near.js';
import { NearHolder, NearRegister } from '../../daemon/near-register.js';
import { pack } from '../../shared/codec.js';

const test = suite('near');

/** A tier whose clock is 1000 behind the daemon's, turned on with a bound of 100 ms. */
function tier(limits = { maxEntries: 10, maxBytes: 10_000 }) {
  const clock = { nowMs: 500 };
  const near = new NearTier(limits, () => clock.nowMs);
  near.turnOn(500, 1500, 1600);
  return { near, clock };
}

const values: readonly unknown[] = [
  null,
  0,
  '',
  'text',
  [1, [2]],
  { a: { b: [] } },
  10n,
  new Date(7),
  new Map([[1, 2]]),
];

test('what a reply allows is kept, whatever it is, and nothing else', () => {
  const { near } = tier();
  for (const [i, value] of values.entries()) {
    assert.equal(near.accept(`kept-${i}`, pack(value), 1550), value);
    assert.equal(near.get(`kept-${i}`), value);
    assert.equal(near.accept(`not-${i}`, pack(value), undefined), value);
    assert.is(near.get(`not-${i}`), undefined);
  }
});

test('it answers before the bound, and not from the bound on', () => {
  const { near, clock } = tier();
  near.accept('k', pack(1), Number.POSITIVE_INFINITY);
  clock.nowMs = 599.9;
  assert.equal([near.get('k'), near.peek('k'), near.has('k')], [1, 1, true]);
  clock.nowMs = 600;
  assert.equal([near.get('k'), near.peek('k'), near.has('k')], [undefined, undefined, false]);
  near.fresh(1700);
  assert.is(near.get('k'), 1, 'what was kept is good again once the daemon has looked');
});

test('an entry expires when its instant has passed, never later', () => {
  const { near, clock } = tier();
  near.accept('k', pack(1), 1550.7);
  clock.nowMs = 549.9;
  assert.is(near.get('k'), 1);
  clock.nowMs = 550.7;
  assert.is(near.get('k'), undefined);
  near.accept('k', pack(1), 1550.7);
  assert.is(near.get('k'), undefined, 'expired on arrival');
});

test('time asked late or answered late makes it early, never late; the best answer counts', () => {
  const { near, clock } = tier();
  near.turnOff();
  // Asked at 500 (1500 there); the daemon read its clock 30 ms later.
  near.turnOn(500, 1530, 1600);
  near.accept('k', pack(1), Number.POSITIVE_INFINITY);
  clock.nowMs = 569;
  assert.is(near.get('k'), 1);
  clock.nowMs = 571;
  assert.is(near.get('k'), undefined);
  near.turnOn(571, 1572, 1600);
  assert.is(near.get('k'), 1);
  near.turnOn(572, 1602, 1600);
  clock.nowMs = 598;
  assert.is(near.get('k'), 1, 'a worse answer is not taken');
  clock.nowMs = 600;
  assert.is(near.get('k'), undefined);
});

test('before it is turned on, and after it is turned off, it keeps and answers nothing', () => {
  const clock = { nowMs: 500 };
  const near = new NearTier({ maxEntries: 10, maxBytes: 10_000 }, () => clock.nowMs);
  near.accept('k', pack(1), Number.POSITIVE_INFINITY);
  near.fresh(1e9);
  assert.is(near.get('k'), undefined);
  near.turnOn(500, 1500, 1600);
  assert.is(near.get('k'), undefined);
  near.accept('k', pack(1), Number.POSITIVE_INFINITY);
  near.turnOff();
  near.turnOn(500, 1500, 1600);
  assert.is(near.get('k'), undefined);
});

test('drops', () => {
  const { near } = tier();
  for (const key of ['a', 'b', 'c']) near.accept(key, pack(key), 1550);
  near.drop(['a', 'none']);
  assert.equal([near.get('a'), near.get('b')], [undefined, 'b']);
  near.drop(undefined);
  assert.equal([near.get('b'), near.get('c')], [undefined, undefined]);
  assert.is(near.stats().invalidations, 3);
});

test('both limits hold, and are of packed bytes', () => {
  const { near } = tier({ maxEntries: 2, maxBytes: 2000 });
  for (const key of ['a', 'b', 'c']) near.accept(key, pack(key), 1550);
  assert.equal([near.get('a'), near.get('b'), near.get('c')], [undefined, 'b', 'c']);
  near.accept('large', pack('x'.repeat(1700)), 1550);
  assert.is(near.stats().evictions, 2, 'bytes made room as well');
  assert.ok(near.stats().bytes <= 2000);
  near.accept('too large', pack('x'.repeat(3000)), 1550);
  assert.is(near.get('too large'), undefined);
});

test('a tree is frozen to its leaves and shared; what can change all the same is unpacked for each', () => {
  const { near } = tier();
  const tree = near.accept('tree', pack({ a: [{ b: {} }] }), 1550) as { a: { b: object }[] };
  assert.is(near.get('tree'), tree);
  assert.ok([tree, tree.a, tree.a[0], tree.a[0]?.b].every(Object.isFrozen));
  const shared = { n: 1 };
  for (const value of [{ d: new Date(1) }, [Buffer.from('a')], new Set([{}]), { x: shared, y: shared }]) {
    near.accept('k', pack(value), 1550);
    const [one, two] = [near.get('k'), near.get('k')];
    assert.equal(one, value);
    assert.is.not(one, two);
    assert.not.ok(Object.isFrozen(one));
  }
});

test('what is kept does not refer to the frame that it came in', () => {
  const { near } = tier();
  for (const value of [new Date(7), ['text'], Buffer.from('bytes')]) {
    const frame = Buffer.from(pack(value));
    near.accept('k', frame, 1550);
    frame.fill(0xc1);
    assert.equal(near.get('k'), value);
  }
});

function holder(register: NearRegister) {
  let losses = 0;
  const made = new NearHolder(() => {
    losses += 1;
  });
  register.join(made);
  return { made, losses: () => losses };
}

test('the register tells those who hold a key, once', () => {
  const register = new NearRegister();
  const [a, b, c] = [holder(register), holder(register), holder(register)];
  register.add('k', a.made);
  register.add('k', b.made);
  register.add('k', b.made);
  register.add('other', c.made);
  register.drop('k');
  register.drop('k');
  assert.equal([a.made.takeLost(), b.made.takeLost(), c.made.takeLost()], [['k'], ['k'], undefined]);
  assert.equal([a.losses(), b.losses(), c.losses(), register.size], [1, 1, 0, 1]);
  register.drop(undefined);
  assert.equal([a.made.takeLost(), c.made.takeLost(), c.made.takeLost()], [undefined, 'all', undefined]);
  assert.is(register.size, 0);
});

test('who has left, or never joined, is given nothing and told of nothing', () => {
  const register = new NearRegister();
  const [a, b] = [holder(register), holder(register)];
  register.add('k', a.made);
  register.add('k', b.made);
  register.add('own', a.made);
  register.leave(a.made);
  register.leave(a.made);
  assert.is(register.size, 1);
  register.drop('k');
  assert.equal([a.losses(), b.losses()], [0, 1]);
  assert.is(register.add('k', a.made), false);
  assert.is(register.size, 0);
});

test('beyond its limit the keys given longest ago are taken back', () => {
  const register = new NearRegister(16);
  const { made } = holder(register);
  for (let i = 0; i < 16; i++) register.add(`${i}`, made);
  register.add('0', made);
  assert.is(made.takeLost(), undefined);
  register.add('16', made);
  assert.equal(made.takeLost(), ['1', '2']);
  assert.equal([made.keys.size, register.size], [15, 15]);
});

test('a loss of very many keys is told as a loss of all', () => {
  const register = new NearRegister();
  const { made } = holder(register);
  for (let i = 0; i <= 10_001; i++) register.add(`${i}`, made);
  for (let i = 0; i <= 10_000; i++) register.drop(`${i}`);
  assert.is(made.takeLost(), 'all');
  register.leave(made);
  assert.is(register.size, 0);
});

test.run();
