import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ConsistentHashRing } from '../../client/index.js';
import { type Packed, toBytes } from '../../daemon/packed.js';
import { SpreadNamespace } from '../../daemon/spread.js';
import { unpack } from '../../shared/codec.js';
import { CacheError } from '../../shared/errors.js';
import { layOut } from '../../shared/ketama.js';
import { rejectsCode } from '../support/errors.js';
import { MapNamespace } from '../support/map-namespace.js';

const NODES = [
  { name: 'a:5432/x', weight: 1 },
  { name: 'b:5432/x', weight: 2 },
  { name: 'c:5432/x', weight: 1 },
];
const KEYS = Array.from({ length: 400 }, (_, i) => `key ${i}`);
const holder = { name: 'a session' };
const ASK = { fromTable: false, graceMs: 0, beta: 0, cluster: false };
const terms = (tags: string[] = []) => ({ ttlMs: undefined, tags, graceMs: 0, deltaMs: 1, once: false });
const bytes = (text: string) => Buffer.from(text);

function spread() {
  const shards = NODES.map(() => new MapNamespace('spread'));
  return { shards, namespace: new SpreadNamespace('spread', shards, layOut(NODES)) };
}

test('puts each key where any ketama ring puts it, by weight', async () => {
  const { shards, namespace } = spread();
  await namespace.setMany(KEYS, KEYS.map(bytes), undefined, [], 0);
  const ring = new ConsistentHashRing({
    nodes: Object.fromEntries(NODES.map(({ name }, at) => [name, at])),
    weightFn: (name) => NODES.find((node) => node.name === name)!.weight,
  });
  for (const key of KEYS) {
    const owners = shards.flatMap(({ entries }, at) => (entries.has(key) ? [at] : []));
    assert.equal(owners, [ring.getNode(key)!]);
  }
  const sizes = shards.map(({ entries }) => entries.size);
  assert.ok(sizes[1]! > sizes[0]! && sizes[1]! > sizes[2]!, `${sizes}`);
});

test('joins the answers in the order of the keys, at once where all are at hand', async () => {
  const { namespace } = spread();
  await namespace.setMany(KEYS.slice(1), KEYS.slice(1).map(bytes), undefined, [], 0);
  const asked = [...KEYS, KEYS[5]!].reverse();
  const expected = asked.map((key) => (key === KEYS[0] ? undefined : key));
  const text = (values: (Packed | undefined)[]) =>
    values.map((value) => value && Buffer.from(toBytes(value)).toString());
  const atOnce = namespace.getMany(asked, false, false);
  assert.not.instance(atOnce, Promise);
  assert.equal(text(atOnce as Packed[]), expected);
  assert.equal(text(await namespace.getMany(asked, true, false)), expected);
});

test('adds up what concerns all', async () => {
  const { shards, namespace } = spread();
  await namespace.setMany(KEYS, KEYS.map(bytes), undefined, [], 0);
  assert.is(await namespace.count(), KEYS.length);
  assert.is(namespace.stats().entries, KEYS.length);
  assert.is(await namespace.deleteMany([...KEYS.slice(0, 100), 'none']), 100);
  assert.is(await namespace.incr('n', 2, undefined), 2);
  assert.is(await namespace.incr('n', 3, undefined), 5);
  await namespace.clear();
  for (const { entries } of shards) assert.is(entries.size, 0);
});

test('one that fails fails the call, or with `partial` only its own keys', async () => {
  const { shards, namespace } = spread();
  await namespace.setMany(KEYS, KEYS.map(bytes), undefined, [], 0);
  const lost = new Set(shards[1]!.entries.keys());
  const down = new CacheError('ERR_DATABASE', 'down');
  shards[1]!.getMany = () => Promise.reject(down);
  shards[1]!.clear = () => Promise.reject(down);
  await rejectsCode('ERR_DATABASE', async () => namespace.getMany(KEYS, false, false));
  const values = await namespace.getMany(KEYS, false, true);
  for (const [i, key] of KEYS.entries()) assert.is(values[i] === undefined, lost.has(key));
  await rejectsCode('ERR_DATABASE', async () => namespace.getMany([...lost], false, true));
  await rejectsCode('ERR_DATABASE', () => namespace.clear());
  assert.is(shards[0]!.entries.size + shards[2]!.entries.size, 0, 'the others were cleared');
});

test('loads of different databases have tokens of their own', async () => {
  const { namespace } = spread();
  const tokens = new Map<string, number>();
  for (const key of KEYS.slice(0, 30)) {
    const outcome = await namespace.load(key, holder, ASK);
    assert.is(outcome.kind, 'load');
    tokens.set(key, (outcome as { token: number }).token);
  }
  assert.is(new Set(tokens.values()).size, 30);
  for (const [key, token] of tokens) await namespace.fill(token, holder, bytes(key), terms());
  const values = await namespace.getMany([...tokens.keys()], false, false);
  assert.equal(
    values.map((value) => Buffer.from(value!).toString()),
    [...tokens.keys()],
  );
  await rejectsCode('ERR_INVALID_TOKEN', () => namespace.fill(1_000_000, holder, bytes('x'), terms()));
});

test('tags are refused everywhere, with advice, and a load that brings some ends for all who wait', async () => {
  const { shards, namespace } = spread();
  const code = 'ERR_TAGS_NOT_AVAILABLE';
  const error = await rejectsCode(code, () => namespace.set('k', bytes('v'), undefined, ['t'], 0));
  assert.match(error.message, /spread over 3 databases.*placement: 'whole'/);
  await rejectsCode(code, () => namespace.setMany(['k'], [bytes('v')], undefined, ['t'], 0));
  await rejectsCode(code, () => namespace.add('k', bytes('v'), undefined, ['t'], 0));
  await rejectsCode(code, () => namespace.invalidateTags(['t']));
  await namespace.invalidateTags([]);
  const { token } = (await namespace.load('k', holder, ASK)) as { token: number };
  const waiting = Promise.resolve(namespace.load('k', { name: 'another' }, ASK));
  await rejectsCode(code, () => namespace.fill(token, holder, bytes('v'), terms(['t'])));
  const outcome = await waiting;
  assert.is(outcome.kind, 'failed');
  const { thrown } = unpack((outcome as { error: Uint8Array }).error) as { thrown: Error };
  assert.match(thrown.message, /spread over/);
  for (const { entries } of shards) assert.is(entries.size, 0);
});

test.run();
