import HashRing from 'hashring';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ConsistentHashRing } from '../../client/backends/consistent-hash-ring.js';
import { ketamaHash, layOut } from '../../shared/ketama.js';
import {
  LIBMEMCACHED_BEYOND_THE_LAST,
  LIBMEMCACHED_WEIGHTS,
  libmemcachedVectors,
  recordedAnswers,
} from '../support/ketama-vectors.js';

function ringOf(weights: Readonly<Record<string, number>>): ConsistentHashRing<number> {
  return new ConsistentHashRing({ nodes: weights, weightFn: (_name, weight) => weight });
}

const libmemcached = Object.entries(LIBMEMCACHED_WEIGHTS).map(([name, weight]) => ({ name, weight }));

test('hashes keys and lays points as libmemcached publishes them', () => {
  const { points, owners } = layOut(libmemcached);
  assert.is(libmemcachedVectors().length, 99);
  for (const [key, hash, point, server] of libmemcachedVectors()) {
    assert.is(ketamaHash(key), hash, key);
    const at = points.findIndex((candidate) => candidate >= hash);
    assert.is(points[at], point, key);
    assert.is(libmemcached[owners[at]!]!.name, server, key);
  }
});

test('answers with the servers that libmemcached publishes', () => {
  const ring = ringOf(LIBMEMCACHED_WEIGHTS);
  for (const [key, , , server] of libmemcachedVectors()) assert.is(ring.getNodeName(key), server, key);
});

test('a key beyond the last point wraps to the first', () => {
  const { points, owners } = layOut(libmemcached);
  const { key, hash } = LIBMEMCACHED_BEYOND_THE_LAST;
  assert.is(ketamaHash(key), hash);
  assert.ok(points.at(-1)! < hash);
  assert.is(ringOf(LIBMEMCACHED_WEIGHTS).getNodeName(key), libmemcached[owners[0]!]!.name);
});

test('answers as libketama did for 100,000 keys on five weighted servers', () => {
  const ring = ringOf({ '0.0.0.1': 1, '0.0.0.2': 2, '0.0.0.3': 3, '0.0.0.4': 4, '0.0.0.5': 5 });
  const answers = recordedAnswers('ketama.txt');
  assert.is(answers.length, 100_000);
  for (const [key, server] of answers) if (ring.getNodeName(key) !== server) assert.unreachable(`${key} ${server}`);
});

test('answers as libmemcached did through pylibmc for 100,000 keys', () => {
  // libmemcached leaves its default port, 11211, out of a server's name.
  const ring = ringOf({ '0.0.0.1': 1, '0.0.0.2': 1, '0.0.0.3': 1, '0.0.0.4:11213': 1, '0.0.0.5:11212': 1 });
  const answers = recordedAnswers('pylibmc.txt');
  assert.is(answers.length, 100_000);
  for (const [key, server] of answers) {
    if (ring.getNodeName(key) !== server.replace(/:11211$/, '')) assert.unreachable(`${key} ${server}`);
  }
});

test('answers as the npm package hashring does, for equal nodes, weighted ones and other sizes', () => {
  const names = Array.from({ length: 20 }, (_, i) => `cache-${i}.internal:11211`);
  const keys = Array.from({ length: 5000 }, (_, i) => `user:${i}:profil-é`);
  const compare = (weights: Record<string, number>, sizes: { replicas: number; vnodes: number }): void => {
    const servers = Object.fromEntries(Object.entries(weights).map(([name, weight]) => [name, { weight }]));
    const theirs = new HashRing(servers as never, 'md5', { replicas: sizes.replicas, 'vnode count': sizes.vnodes });
    const ours = new ConsistentHashRing({ nodes: weights, weightFn: (_name, weight) => weight, ...sizes });
    for (const key of keys) assert.is(ours.getNodeName(key), theirs.get(key), key);
  };
  for (const count of [1, 2, 3, 4, 5, 6, 10, 20]) {
    const equal = Object.fromEntries(names.slice(0, count).map((name) => [name, 1]));
    compare(equal, { replicas: 4, vnodes: 40 });
    compare(equal, { replicas: 3, vnodes: 64 });
  }
  compare({ a: 1, b: 2, c: 5 }, { replicas: 4, vnodes: 40 });
});

test('has libketama’s 160 points a node where the doubles of hashring round a node down to 156', () => {
  const names = Array.from({ length: 7 }, (_, i) => `node-${i}`);
  const ours = ringOf(Object.fromEntries(names.map((name) => [name, 1])));
  assert.is(ours.getStats().points, 7 * 160);
  assert.is(Object.values(new HashRing(names).points(names)).flat().length, 7 * 156);
});

test.run();
