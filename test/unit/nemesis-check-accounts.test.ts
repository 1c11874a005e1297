import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkHistory, type Verdict } from '../../scripts/nemesis/check.js';
import type { Read, Write } from '../../scripts/nemesis/history.js';
import { ACCOUNTS_TOTAL } from '../../scripts/nemesis/keys.js';
import { NEVER_COMMITTED } from '../../scripts/nemesis/source.js';

const test = suite("the nemesis's checker, of queries");

const BOUND = 500;
const ACTOR = { process: 'one', host: 0, near: false, degrades: false };

/** From 100 to 110. */
const moved = (version: number, part: Partial<Write> = {}): Write => ({
  ...ACTOR,
  process: 'w',
  kind: 'update',
  key: 'b:3',
  inv: 100,
  resp: 110,
  outcome: 'ok',
  version,
  sql: true,
  own: false,
  ...part,
});
const answer = (parts: Record<string, number>, inv: number, more: Partial<Read> = {}): Read => ({
  ...ACTOR,
  kind: 'query',
  key: 'q:3',
  inv,
  resp: inv + 10,
  version: 1,
  parts,
  ...more,
});
const check = (writes: readonly Write[], reads: readonly Read[]): Verdict =>
  checkHistory({ writes, reads, crashes: [], looks: [] }, BOUND);
const broken = (...history: Parameters<typeof check>): string[] =>
  check(...history).violations.map(({ promise }) => promise);

const late = 'queries: no late fill, bounded staleness';

test('a query that saw all accounts saw the total', () => {
  const all = (total: number) => answer({}, 200, { key: 'q:all', total });
  assert.equal(broken([], [all(ACCOUNTS_TOTAL)]), []);
  const torn = 'queries: a transaction is seen whole or not at all';
  assert.equal(broken([], [all(ACCOUNTS_TOTAL - 1)]), [torn]);
  assert.equal(broken([], [answer({}, 200, { key: 'q:page 1', total: ACCOUNTS_TOTAL + 7 })]), [torn]);
});

test('an account that was moved longer ago than the bound is not shown, in whichever query', () => {
  assert.equal(broken([moved(2)], [answer({ 'b:3': 1 }, 611)]), [late]);
  assert.equal(broken([moved(2)], [answer({ 'b:3': 1 }, 610)]), []);
  assert.equal(broken([moved(2)], [answer({ 'b:3': 2 }, 611)]), []);
  assert.equal(broken([moved(2)], [answer({ 'b:4': 1, 'b:3': 1 }, 611, { key: 'q:all', total: ACCOUNTS_TOTAL })]), [
    late,
  ]);
  assert.is(check([moved(2)], [answer({ 'b:3': 1 }, 611)]).violations[0]?.part, 'b:3');
  const undone: Partial<Write>[] = [
    { outcome: 'no', rolledBack: true },
    { outcome: 'unknown', resp: Number.POSITIVE_INFINITY },
  ];
  for (const part of undone) assert.equal(broken([moved(2, part)], [answer({ 'b:3': 1 }, 900)]), []);
});

test('who moved it through the pool reads nothing older; others follow within the bound', () => {
  const own = moved(2, { own: true, process: 'one' });
  assert.equal(broken([own], [answer({ 'b:3': 1 }, 111)]), ['queries: read your writes (process)']);
  assert.equal(broken([own], [answer({ 'b:3': 1 }, 111, { process: 'other' })]), []);
  assert.equal(broken([moved(2, { process: 'one' })], [answer({ 'b:3': 1 }, 111)]), []);
});

test('a process never sees the answer to a query grow older', () => {
  const reads = [answer({ 'b:3': 2 }, 120), answer({ 'b:3': 1 }, 140)];
  assert.equal(broken([moved(2)], reads), ['queries: monotonic reads']);
  assert.equal(broken([moved(2)], [reads[0]!, answer({ 'b:3': 1 }, 140, { process: 'other' })]), []);
  assert.equal(broken([moved(2)], [reads[0]!, answer({ 'b:3': 1 }, 140, { key: 'q:all' })]), [], 'another query');
});

test('what a rolled back transaction wrote is seen by nobody', () => {
  assert.equal(broken([], [answer({ 'b:3': NEVER_COMMITTED + 4 }, 200)]), [
    'nothing of a rolled back transaction takes effect',
  ]);
});

test('answers are counted, with the largest staleness', () => {
  const { queryReads, stalestQueryUs } = check([moved(2)], [answer({ 'b:3': 1 }, 300), answer({ 'b:3': 2 }, 400)]);
  assert.equal([queryReads, stalestQueryUs], [2, 190]);
});

test.run();
