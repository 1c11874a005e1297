import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkHistory } from '../../scripts/nemesis/check.js';
import { type Crash, type Look, parseHistory, type Read, type Write } from '../../scripts/nemesis/history.js';

const test = suite("the nemesis's checker");

const BOUND = 500;
const REGISTER = 'r:0:1:0:0';
const LOADED = 'l:1:0';
const COUNTER = 'c:1:0';
const WRITER = { process: 'w', host: 0, near: false, degrades: false };
const NEVER = Number.POSITIVE_INFINITY;

const write = (part: Partial<Write>): Write => ({
  ...WRITER,
  kind: 'set',
  key: REGISTER,
  inv: 0,
  resp: 10,
  outcome: 'ok',
  version: 1,
  tag: 'tag:0',
  ...part,
});
const set = (version: number, inv: number, more: Partial<Write> = {}) =>
  write({ version, inv, resp: inv + 10, ...more });
const unknown = { outcome: 'unknown', resp: NEVER } as const;
const incr = (version: number, inv: number, more: Partial<Write> = {}) =>
  set(version, inv, { kind: 'incr', key: COUNTER, ...more });
const read = (version: number | undefined, inv: number, part: Partial<Read> = {}): Read => ({
  process: 'other',
  host: 1,
  near: false,
  degrades: false,
  kind: 'get',
  key: REGISTER,
  inv,
  resp: inv + 10,
  version,
  ...part,
});

function broken(
  writes: readonly Write[],
  reads: readonly Read[],
  crashes: readonly Crash[] = [],
  looks: readonly Look[] = [],
): string[] {
  return checkHistory({ writes, reads, crashes, looks }, BOUND).violations.map(({ promise }) => promise);
}

const twoSets = [set(1, 0), set(2, 100)];

test('a process reads its own write, through a near tier too', () => {
  for (const near of [false, true]) {
    assert.equal(broken(twoSets, [read(1, 111, { ...WRITER, near })]), ['read your writes (process)']);
    assert.equal(broken(twoSets, [read(1, 110, { ...WRITER, near }), read(2, 121, { ...WRITER, near })]), []);
  }
});

test('the host reads it as well, if it asks the daemon; a near tier has the bound', () => {
  assert.equal(broken(twoSets, [read(1, 111, { host: 0 })]), ['read your writes (host)']);
  assert.equal(broken(twoSets, [read(1, 111, { host: 0, near: true })]), []);
  assert.equal(broken(twoSets, [read(1, 611, { host: 0, near: true })]), ['bounded staleness']);
});

test('another host reads it within the bound, counted from the acknowledgement to the beginning of the read', () => {
  assert.equal(broken(twoSets, [read(1, 610, { resp: 5_000 })]), []);
  assert.equal(broken(twoSets, [read(1, 611)]), ['bounded staleness']);
  assert.is(checkHistory({ writes: twoSets, reads: [read(1, 610)], crashes: [], looks: [] }, BOUND).stalestUs, 500);
});

test('a process does not go back', () => {
  assert.equal(broken(twoSets, [read(2, 120), read(1, 131)]), ['monotonic reads']);
  assert.equal(broken(twoSets, [read(2, 120), read(1, 129), read(1, 131, { process: 'third' })]), []);
});

test('a write of unknown outcome may be seen, or not, but not after a later one', () => {
  const writes = [set(1, 0), set(2, 100, unknown), set(3, 200)];
  assert.equal(broken(writes, [read(1, 190)]), []);
  assert.equal(broken(writes, [read(2, 190)]), []);
  assert.equal(broken(writes, [read(2, 720)]), ['bounded staleness']);
});

test('a write that failed is never seen, nor is one that was not made', () => {
  assert.equal(broken([set(1, 0, { outcome: 'no' })], [read(1, 20)]), ['only what was written']);
  assert.equal(broken([set(1, 100)], [read(1, 20)]), ['only what was written']);
  assert.equal(broken([set(1, 0)], [read(7, 20)]), ['only what was written']);
});

test('what was deleted, invalidated, cleared or has expired does not come back', () => {
  const kills: Partial<Write>[] = [
    { kind: 'delete', version: 2 },
    { kind: 'invalidateTags', key: '', version: 0, process: 'third' },
    { kind: 'clear', key: '', version: 0, process: 'third' },
    { kind: 'expire', version: 1, ttlUs: 0, resp: 110 - 100_000 },
  ];
  for (const kill of kills) {
    const writes = [set(1, 0), write({ inv: 100, resp: 110, ...kill })];
    assert.equal(broken(writes, [read(1, 611)]), ['bounded staleness'], kill.kind!);
    assert.equal(broken(writes, [read(1, 120, { host: 0 })]), ['read your writes (host)'], kill.kind!);
    assert.equal(broken(writes, [read(1, 600), read(undefined, 620)]), [], kill.kind!);
  }
});

test('an invalidation leaves what was written at the same time or later, and what has other tags', () => {
  const kill = write({ kind: 'invalidateTags', key: '', inv: 100, resp: 110 });
  assert.equal(broken([set(1, 0), set(2, 95), kill], [read(2, 2_000)]), []);
  assert.equal(broken([set(1, 0, { tag: 'tag:1' }), kill], [read(1, 2_000)]), []);
});

test('a second expire gives another life, longer or shorter', () => {
  const [short, long] = [10_000, 1_000_000];
  const lives = (first: number, second: number, more: Partial<Write> = {}) => [
    set(1, 0),
    set(1, 20, { kind: 'expire', ttlUs: first }),
    set(1, 40, { kind: 'expire', ttlUs: second, ...more }),
  ];
  const late = [read(1, 200_000)];
  assert.equal(broken(lives(short, long), late), []);
  assert.equal(broken(lives(short, long, unknown), late), []);
  assert.equal(broken(lives(long, short), late), ['bounded staleness']);
  assert.equal(broken(lives(short, long, { outcome: 'no' }), late), ['bounded staleness']);
});

test('a miss has a reason', () => {
  assert.equal(broken([set(1, 0)], [read(undefined, 20)]), ['nothing is lost']);
  assert.equal(broken([set(1, 0)], [read(undefined, 5)]), []);
  assert.equal(broken([set(1, 0, { ttlUs: 5 })], [read(undefined, 20)]), []);
  assert.equal(broken([set(1, 0)], [read(undefined, 20)], [{ start: 12, end: 15 }]), []);
  const before = write({ kind: 'clear', key: '', inv: 0, resp: 5 });
  assert.equal(broken([before, set(1, 20)], [read(undefined, 40)]), ['nothing is lost']);
});

test('no load brings back what was updated longer ago than the bound', () => {
  const update = write({ kind: 'update', key: LOADED, version: 2, inv: 100, resp: 110 });
  assert.equal(broken([update], [read(1, 611, { key: LOADED })]), ['no late fill, bounded staleness']);
  assert.equal(broken([update], [read(1, 600, { key: LOADED, ...WRITER })]), []);
  assert.equal(broken([{ ...update, own: true }], [read(1, 111, { key: LOADED, ...WRITER })]), [
    'read your writes (process)',
  ]);
  assert.equal(broken([], [read(2, 0, { key: LOADED }), read(1, 20, { key: LOADED })]), ['monotonic reads']);
});

test('an increment counts once, or its caller does not know', () => {
  const once = 'an increment takes effect exactly once';
  assert.equal(broken([incr(1, 0), incr(2, 20), incr(3, 40)], []), []);
  assert.equal(broken([incr(1, 0), incr(3, 20)], []), [once]);
  assert.equal(broken([incr(1, 0), incr(0, 5, unknown), incr(3, 20)], []), []);
  assert.equal(broken([incr(1, 0), incr(0, 5, unknown), incr(4, 20)], []), [once]);
  assert.equal(broken([incr(1, 0), incr(0, 5, { outcome: 'no' }), incr(3, 20)], []), [once]);
  assert.equal(broken([incr(1, 0), incr(1, 5)], []), [once]);
  assert.equal(broken([incr(1, 0), incr(2, 20), incr(1, 40)], []).sort(), [once, 'counters do not go back'].sort());
  assert.equal(broken([incr(1, 0), incr(2, 20), incr(1, 40)], [], [{ start: 31, end: 39 }]), []);
  assert.equal(broken([incr(1, 0), incr(2, 20)], [read(1, 31, { key: COUNTER })]), ['counters do not go back']);
});

test('one of many adds succeeds', () => {
  const add = (version: number, inv: number, more: Partial<Write> = {}) =>
    set(version, inv, { kind: 'add', key: 'a:1:1', ...more });
  const one = 'one of many adds succeeds';
  assert.equal(broken([add(1, 0), add(0, 5)], []), []);
  assert.equal(broken([add(1, 0), add(1, 5)], []), [one]);
  assert.equal(broken([add(1, 0), add(1, 50)], [], [{ start: 20, end: 30 }]), []);
  assert.equal(broken([add(0, 0)], []), [one]);
  assert.equal(broken([add(0, 0, unknown), add(0, 5)], []), []);
});

test('a rolled back invalidation is no reason for a miss, and its update is never seen', () => {
  const rolledBack = 'nothing of a rolled back transaction takes effect';
  const inSql = { kind: 'invalidateTags', key: '', sql: true, inv: 20, resp: 30 } as const;
  const undone = write({ ...inSql, outcome: 'no', rolledBack: true });
  assert.equal(broken([set(1, 0), undone], [read(undefined, 40)]), [rolledBack]);
  assert.equal(broken([set(1, 0), write(inSql)], [read(undefined, 40)]), []);
  assert.equal(broken([], [read(1_000_001, 40, { key: LOADED })]), [rolledBack]);
  const parts = { [LOADED]: 1_000_001 };
  assert.equal(broken([], [read(1, 40, { key: 'm:1:1:0', parts })]), [rolledBack]);
});

test('an invalidation in SQL has the bound, on its own host too; one of withTransaction is seen by its own process', () => {
  const inSql = write({ kind: 'invalidateTags', key: '', sql: true, inv: 100, resp: 110, process: 'third' });
  assert.equal(broken([set(1, 0), inSql], [read(1, 610, { host: 0, process: 'third' })]), []);
  assert.equal(broken([set(1, 0), inSql], [read(1, 611, { host: 0 })]), ['bounded staleness']);
  const own = { ...inSql, own: true };
  assert.equal(broken([set(1, 0), own], [read(1, 111, { process: 'third' })]), ['read your writes (process)']);
});

test('a set that a client has dropped is not older to its own process, and its misses mean nothing', () => {
  const degrading = { degrades: true } as const;
  const dropped = set(2, 100, { ...unknown, ...degrading, droppedUs: 110 });
  const writes = [set(1, 0, degrading), dropped];
  assert.equal(broken(writes, [read(1, 111, WRITER)]), ['read your writes (process)']);
  assert.equal(broken(writes, [read(undefined, 111, WRITER), read(1, 5_000), read(2, 5_100)]), []);
  assert.equal(broken([set(1, 0)], [read(undefined, 20, degrading)]), []);
});

test('reads what a killed process has left of its file', () => {
  const lines = [
    { b: 0, w: { kind: 'set', key: REGISTER, version: 1, inv: 1 } },
    { b: 1, w: { kind: 'incr', key: COUNTER, version: 0, inv: 2 } },
    { e: 1, resp: 3, outcome: 'ok', version: 5 },
    { r: { kind: 'get', key: REGISTER, inv: 4, resp: 5 } },
  ].map((line) => JSON.stringify(line));
  const { writes, reads } = parseHistory(`${lines.join('\n')}\n{"e":0,"re`, WRITER);
  assert.equal(
    writes.map(({ outcome, resp, version }) => [outcome, resp, version]),
    [
      ['unknown', NEVER, 1],
      ['ok', 3, 5],
    ],
  );
  assert.equal(reads, [{ ...WRITER, kind: 'get', key: REGISTER, inv: 4, resp: 5, version: undefined }]);
});

test.run();
