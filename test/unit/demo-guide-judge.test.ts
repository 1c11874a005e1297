/** The judge of `npm run demo -- --site` sees each kind of fault, and only then. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Judge, rowsOf } from '../../scripts/demo/guide/judge.js';

const test = suite('the judge of the web site');
const MS = 1e6;
const BOUND_MS = 1000;

/** One city, in version 3 with 100 people, that somebody changes at 1 s, confirmed at 1.1 s. */
function changed() {
  const judge = new Judge(BOUND_MS);
  judge.know({ row: 'cities:1', version: 3, population: 100 });
  judge.sending('cities:1', 1000 * MS)(1100 * MS);
  return (body: string, askedMs: number, answeredMs = askedMs + 1) => {
    const found = judge.judge('/', body, askedMs * MS, answeredMs * MS);
    return { found, counts: judge.counts, oldestMs: judge.oldestMs };
  };
}
const shows = (version: number, population: number) => `<li data-row="cities:1:${version}:${population}">`;

test('rows are found in HTML and in JSON', () => {
  const row = { row: 'countries:FR', version: 7, population: 0 };
  assert.equal(rowsOf('<p data-row="countries:FR:7:0">'), [row]);
  assert.equal(rowsOf(JSON.stringify({ row: 'countries:FR:7:0', code: 'FR' })), [row]);
});

test('what is new enough is no fault', () => {
  const judge = changed();
  assert.is(judge(shows(3, 100), 900).found, 0, 'before');
  assert.is(judge(shows(4, 101), 1001).found, 0, 'it may be there before it is confirmed');
  const last = judge(shows(3, 100), 2100);
  assert.is(last.found, 0, 'at the bound');
  assert.is(last.oldestMs, 1000);
  assert.is(judge('<li data-row="cities:2:1:1">', 5000).found, 0, 'a row that nobody edits');
});

test('a page older than the bound is stale', () => {
  const { found, counts } = changed()(shows(3, 100), 2101);
  assert.is(found, 1);
  assert.is(counts.stale, 1);
});

test('two versions of a row in a page are mixed, also within the bound', () => {
  assert.is(changed()(shows(3, 100) + shows(4, 101), 1200).counts.mixed, 1);
});

test('a row of parts of two versions is torn', () => {
  assert.is(changed()(shows(4, 100), 1200).counts.torn, 1);
});

test('a version that was not sent yet, or never, is uncommitted', () => {
  assert.is(changed()(shows(4, 101), 990, 999).counts.uncommitted, 1);
  assert.is(changed()(shows(5, 102), 1200).counts.uncommitted, 1);
});

test.run();
