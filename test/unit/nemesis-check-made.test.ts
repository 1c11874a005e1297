import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkHistory, type Verdict } from '../../scripts/nemesis/check.js';
import type { Look, Read, Write } from '../../scripts/nemesis/history.js';

const test = suite("the nemesis's checker, of values made of others");

const BOUND = 500;
const REGISTER = 'r:0:1:0:0';
const LOADED = 'l:1:9';
const MADE = 'm:1:3:0';
const GRACED = 'g:1:0';
const WRITER = { process: 'w', host: 0, near: false, degrades: false };

/** From 100 to 110. */
const write = (part: Partial<Write>): Write => ({
  ...WRITER,
  kind: 'update',
  key: LOADED,
  inv: 100,
  resp: 110,
  outcome: 'ok',
  version: 2,
  ...part,
});
const made = (parts: Record<string, number> | undefined, inv: number, more: Partial<Read> = {}): Read => ({
  process: 'other',
  host: 1,
  near: false,
  degrades: false,
  kind: 'getOrSet',
  key: MADE,
  inv,
  resp: inv + 10,
  version: parts === undefined ? undefined : 1,
  ...(parts && { parts }),
  id: `load ${inv}`,
  ...more,
});
const graced = (version: number, inv: number, more: Partial<Read> = {}) =>
  made({ [GRACED]: version }, inv, { key: GRACED, version, id: 'first', ...more });
const marked = { stale: 'ERR_DATABASE', graceUs: 1_000_000 } as const;

function check(writes: readonly Write[], reads: readonly Read[], looks: readonly Look[] = []): Verdict {
  return checkHistory({ writes, reads, crashes: [], looks }, BOUND);
}
const broken = (...history: Parameters<typeof check>): string[] =>
  check(...history).violations.map(({ promise }) => promise.replace('made of parts: ', ''));

const late = 'no late fill, bounded staleness';

test('a part that was updated longer ago than the bound is not shown', () => {
  assert.equal(broken([write({})], [made({ [LOADED]: 1 }, 611)]), [late]);
  assert.equal(broken([write({})], [made({ [LOADED]: 1 }, 610), made({ [LOADED]: 2 }, 611), made(undefined, 700)]), []);
  assert.equal(broken([write({})], [made({ 'l:1:8': 7, [LOADED]: 1, 'l:1:7': 1 }, 611)]), [late]);
  assert.is(check([write({})], [made({ [LOADED]: 1 }, 611)]).violations[0]?.part, LOADED);
  const not: Partial<Write>[] = [
    { outcome: 'no', rolledBack: true },
    { outcome: 'unknown', resp: Number.POSITIVE_INFINITY },
  ];
  for (const more of not) assert.equal(broken([write(more)], [made({ [LOADED]: 1 }, 5_000)]), []);
});

test('the process that committed the update with its client reads no value made of what was before', () => {
  const own = write({ own: true });
  assert.equal(broken([own], [made({ [LOADED]: 1 }, 111, { ...WRITER, near: true })]), ['read your writes (process)']);
  assert.equal(broken([write({})], [made({ [LOADED]: 1 }, 111, WRITER)]), []);
});

test('what kills a register kills what was made of it; a newer set and its expiry do not', () => {
  const set = (version: number, inv: number, more: Partial<Write> = {}) =>
    write({ kind: 'set', key: REGISTER, version, inv, resp: inv + 10, tag: 'tag:0', ...more });
  const kills: Partial<Write>[] = [
    { kind: 'delete', key: REGISTER, version: 2 },
    { kind: 'invalidateTags', key: '', version: 0, tag: 'tag:0' },
    { kind: 'clear', key: '', version: 0 },
  ];
  for (const kill of kills) {
    const writes = [set(1, 0), write(kill)];
    assert.equal(broken(writes, [made({ [REGISTER]: 1 }, 611)]), [late], kill.kind!);
    assert.equal(broken(writes, [made({ [REGISTER]: 1 }, 111, { host: 0 })]), ['read your writes (host)'], kill.kind!);
    assert.equal(broken(writes, [made({ [REGISTER]: 1 }, 610)]), [], kill.kind!);
  }
  assert.equal(broken([set(1, 0, { ttlUs: 5 }), set(2, 100)], [made({ [REGISTER]: 1 }, 900_000)]), []);
  const inSql = write({ kind: 'invalidateTags', key: '', sql: true, version: 0, tag: 'tag:0' });
  assert.equal(broken([set(1, 0), inSql], [made({ [REGISTER]: 1 }, 111, { host: 0 })]), []);
  assert.equal(broken([set(1, 0), inSql], [made({ [REGISTER]: 1 }, 611, { host: 0 })]), [late]);
});

test('a process does not go back to a value with an older part', () => {
  const forth = made({ [LOADED]: 2, [REGISTER]: 2 }, 0);
  const old = { id: 'old' };
  const known = made({ [LOADED]: 1 }, -20, { ...old, process: 'third' });
  assert.equal(broken([], [known, forth, made({ [LOADED]: 1 }, 11, old)]), ['monotonic reads']);
  assert.equal(broken([], [forth, made({ [LOADED]: 1 }, 11)]), [], 'made since, of what was not known to be dead');
  assert.equal(broken([], [known, forth, made({ [LOADED]: 1 }, 9, old)]), [], 'at the same time');
  assert.equal(broken([], [known, forth, made({ [LOADED]: 1 }, 11, { ...old, process: 'fourth' })]), []);
  assert.equal(broken([], [known, forth, made({ [LOADED]: 1 }, 11, { ...old, key: 'm:1:1:1' })]), []);
  const set = (version: number) => write({ kind: 'set', key: REGISTER, version, inv: -90, resp: -80 });
  const register = { [REGISTER]: 1 };
  const registers = [made(register, -20, old), forth, made(register, 11, old)];
  assert.equal(broken([set(1), set(2)], registers), [], 'a set kills nothing');
});

test('tells how stale the worst was, and how many were found made', () => {
  const reads = [made({ [LOADED]: 1 }, 210, { id: 'one' }), made({ [LOADED]: 1 }, 310, { id: 'one' })];
  const { stalestMadeUs, stalestUs, madeReads, madeHits } = check([write({})], reads);
  assert.equal([stalestMadeUs, stalestUs, madeReads, madeHits], [200, 0, 2, 1]);
});

test('under grace a dead value is served only by a daemon that could not know', () => {
  const update = write({ key: GRACED });
  const reads = [graced(1, 9_000, marked)];
  const look = (host: number, sentUs: number, knownUs: number): Look => ({ host, sentUs, knownUs });
  const known = ['grace is for what is not known to be dead'];
  assert.equal(broken([update], reads, [look(1, 105, 200), look(0, 300, 310), look(1, 8_000, 9_001)]), []);
  assert.equal(broken([update], reads, [look(1, 111, 8_999)]), known);
  assert.equal(broken([update], [graced(1, 9_000)], []), [late], 'not marked');
  const part = made({ [GRACED]: 2, [LOADED]: 1 }, 9_000, { ...marked, key: GRACED });
  assert.equal(broken([write({})], [part], [look(1, 111, 8_999)]), known);
  const { graceReads, stalestGraceUs } = check([update], reads);
  assert.equal([graceReads, stalestGraceUs], [1, 8_890]);
});

test('grace has an end, and what is served after its ttl is marked', () => {
  const end = 'grace has an end, and is marked';
  const load = (graceUs: number): Write =>
    write({ kind: 'load', key: GRACED, inv: 0, resp: 10, id: 'first', ttlUs: 400_000, graceUs });
  assert.equal(broken([load(2_000_000)], [graced(1, 500_010), graced(1, 1_500_010, marked)]), []);
  assert.equal(broken([load(2_000_000)], [graced(1, 500_011)]), [end]);
  assert.equal(broken([load(2_000_000)], [graced(1, 1_500_011, marked)]), [end], "the call's");
  assert.equal(broken([load(500_000)], [graced(1, 1_000_011, marked)]), [end], "the value's");
  const lost = { ...load(500_000), outcome: 'unknown', resp: Number.POSITIVE_INFINITY } as const;
  assert.equal(broken([lost], [graced(1, 9_000_000, marked)]), []);
});

test.run();
