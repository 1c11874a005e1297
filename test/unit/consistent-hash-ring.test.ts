import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ConsistentHashRing } from '../../client/backends/consistent-hash-ring.js';
import { throwsCode } from '../support/errors.js';

const KEYS = Array.from({ length: 50_000 }, (_, i) => `user:${i}`);

function ringOf(count: number): ConsistentHashRing<string> {
  const names = Array.from({ length: count }, (_, i) => `node-${i}`);
  return new ConsistentHashRing({ nodes: Object.fromEntries(names.map((name) => [name, `value of ${name}`])) });
}

function placement(ring: ConsistentHashRing<string>): (string | undefined)[] {
  return KEYS.map((key) => ring.getNodeName(key));
}

test('getNode returns the value of the node that getNodeName names, always the same', () => {
  const ring = ringOf(5);
  for (const key of KEYS.slice(0, 1000)) assert.is(ring.getNode(key), `value of ${ring.getNodeName(key)}`);
  assert.equal(placement(ring), placement(ring));
});

test('a value of null or undefined is a value', () => {
  const ring = new ConsistentHashRing({ nodes: new Map([['only', null]]) });
  assert.is(ring.getNode('k'), null);
});

test('the order in which nodes are listed does not matter', () => {
  const names = Array.from({ length: 6 }, (_, i) => `node-${i}`);
  const ring = new ConsistentHashRing<string>();
  for (const name of names.toReversed()) ring.addNode(name, '');
  assert.equal(placement(ring), placement(ringOf(6)));
});

test('a node that joins takes about 1/N of the keys, and only it takes any', () => {
  for (const count of [2, 4, 9, 19]) {
    const ring = ringOf(count);
    const before = placement(ring);
    ring.addNode('newcomer', '');
    const after = placement(ring);
    const moved = after.filter((name, i) => name !== before[i]);
    assert.ok(moved.every((name) => name === 'newcomer'));
    const part = moved.length / KEYS.length;
    process.stdout.write(
      `join as node ${count + 1}: ${(part * 100).toFixed(1)} % moved, 1/N is ${(100 / (count + 1)).toFixed(1)} %\n`,
    );
    assert.ok(part > 0.5 / (count + 1) && part < 2 / (count + 1), String(part));
  }
});

test('a node that leaves gives up its own keys and no others move; when it is back, all is as before', () => {
  const ring = ringOf(8);
  const before = placement(ring);
  assert.is(ring.removeNode('node-3'), true);
  const after = placement(ring);
  for (const [i, name] of before.entries()) {
    if (name === 'node-3') assert.is.not(after[i], 'node-3');
    else assert.is(after[i], name);
  }
  ring.addNode('node-3', 'value of node-3');
  assert.equal(placement(ring), before);
});

test('keys spread as the shares of getStats say, within what 160 points allow', () => {
  const ring = ringOf(10);
  const counts = new Map<string, number>();
  for (const name of placement(ring)) counts.set(name!, (counts.get(name!) ?? 0) + 1);
  const stats = ring.getStats();
  assert.is(stats.nodes, 10);
  assert.is(stats.points, 1600);
  let shares = 0;
  for (const [name, { share, points, weight }] of Object.entries(stats.byNode)) {
    const part = counts.get(name)! / KEYS.length;
    process.stdout.write(
      `${name}: ${(part * 100).toFixed(2)} % of the keys, ${(share * 100).toFixed(2)} % of the circle\n`,
    );
    assert.is(points, 160);
    assert.is(weight, 1);
    assert.ok(Math.abs(part - share) < 0.01, `${name} ${part} ${share}`);
    assert.ok(share > 0.06 && share < 0.14, `${name} ${share}`);
    shares += share;
  }
  assert.ok(Math.abs(shares - 1) < 1e-9);
});

test('a node of twice the weight has twice the keys', () => {
  const ring = new ConsistentHashRing({
    nodes: { small: 1, big: 2 },
    weightFn: (_name, weight) => weight,
    vnodes: 1000,
  });
  const { big, small } = ring.getStats().byNode;
  assert.ok(Math.abs(big!.share / small!.share - 2) < 0.3, String(big!.share / small!.share));
  ring.removeNode('big');
  ring.addNode('big', 2, 1);
  assert.is(ring.getStats().byNode.big!.weight, 1);
});

test('an empty ring has no node for a key, and says so with undefined', () => {
  const ring = new ConsistentHashRing();
  assert.is(ring.getNode('k'), undefined);
  assert.is(ring.getNodeName('k'), undefined);
  assert.equal(ring.getStats(), { nodes: 0, points: 0, byNode: {} });
  ring.addNode('first', 1);
  assert.is(ring.getNodeName('k'), 'first');
  assert.is(ring.removeNode('first'), true);
  assert.is(ring.removeNode('first'), false);
  assert.is(ring.getNodeName('k'), undefined);
});

test('a ring always has points, also where single precision leaves every node short of one', () => {
  for (let count = 1; count <= 130; count++) {
    const nodes = new Map(Array.from({ length: count }, (_, i) => [`n${i}`, i]));
    assert.ok(new ConsistentHashRing({ nodes, vnodes: 1, replicas: 1 }).getNodeName('k'), String(count));
  }
});

test('more keys than a ring remembers, in rotation, are placed as by a ring that remembers none', () => {
  const ring = ringOf(5);
  const keys = KEYS.slice(0, 20_000);
  const first = keys.map((key) => ringOfFive.getNodeName(key));
  for (let round = 0; round < 2; round++)
    assert.equal(
      keys.map((key) => ring.getNodeName(key)),
      first,
    );
});
const ringOfFive = ringOf(5);

test('hashKey is the point of a key, 0 to 2^32 − 1', () => {
  assert.is(ConsistentHashRing.hashKey(''), 0xd98c1dd4);
  assert.is(ConsistentHashRing.hashKey('abc'), 0x98500190);
});

test('bad sizes, names, weights and keys are refused with a code, and the ring stays as it was', () => {
  for (const sizes of [
    { replicas: 0 },
    { replicas: 5 },
    { replicas: 1.5 },
    { vnodes: 0 },
    { vnodes: 10_001 },
    { vnodes: Number.NaN },
  ]) {
    throwsCode('ERR_INVALID_ARGUMENT', () => new ConsistentHashRing(sizes));
  }
  const ring = ringOf(3);
  throwsCode('ERR_INVALID_ARGUMENT', () => ring.addNode('node-1', 'again'));
  throwsCode('ERR_INVALID_ARGUMENT', () => ring.addNode('', 'nameless'));
  for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    throwsCode('ERR_INVALID_ARGUMENT', () => ring.addNode('weighed', '', weight));
  }
  throwsCode('ERR_INVALID_KEY', () => ring.getNode(1 as unknown as string));
  throwsCode('ERR_INVALID_KEY', () => ConsistentHashRing.hashKey(undefined as unknown as string));
  assert.equal(placement(ring), placement(ringOf(3)));
});

test.run();
