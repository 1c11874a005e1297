import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { databasesOf } from '../../daemon/databases.js';
import { changeFor, layoutOf, NO_TOPOLOGY } from '../../daemon/topology.js';
import { ALONE, textOf } from '../../shared/layout.js';
import type { Topology } from '../../shared/table/topology.js';

const [OURS, OTHER, THIRD] = ['ours', 'other', 'third'] as const;
const record = (layout: string, epoch: string, follows = ''): Topology => ({ layout, epoch, follows, node: 'n' });
const change = (...found: Topology[]) => changeFor(OURS, found, 'self');

test('the name of a database has neither user nor password nor parameters', () => {
  const nameOf = (databaseUrl: string) => databasesOf({ databaseUrl, databaseWeights: undefined })[0]!.name;
  assert.is(nameOf('postgres://ann:secret@Db.example/app?sslmode=require'), 'db.example:5432/app');
  assert.is(nameOf('postgres://bob@db.example:5432/app'), 'db.example:5432/app');
  assert.is(nameOf('postgresql://db.example:6000/app'), 'db.example:6000/app');
  assert.is(nameOf('postgres:///app?host=/run/postgresql&port=5433'), '/run/postgresql:5433/app');
  assert.is(nameOf('postgres://u@%2Frun%2Fpostgresql/app'), '/run/postgresql:5432/app');
  assert.is(nameOf('socket:/run/postgresql?db=app'), '/run/postgresql:5432/app');
  assert.is(nameOf('postgres://ann@h'), 'h:5432/ann');
});

test('weights go with the databases, and none is named twice', () => {
  const databaseUrl = ['postgres://a/x', 'postgres://b/x'];
  assert.equal(
    databasesOf({ databaseUrl, databaseWeights: [1, 2] }).map(({ weight }) => weight),
    [1, 2],
  );
  assert.throws(() => databasesOf({ databaseUrl, databaseWeights: [1] }), 'databaseWeights are 1, the databases 2');
  const twice = ['postgres://u:one@a/x', 'postgres://v:two@a:5432/x'];
  assert.throws(() => databasesOf({ databaseUrl: twice, databaseWeights: undefined }), 'a:5432/x twice');
});

test('layouts are the same where every key lies in the same place', () => {
  const text = (urls: string[], weights?: number[], namespaces = {}, placement: 'spread' | 'whole' = 'spread') =>
    textOf(layoutOf({ placement, namespaces }, databasesOf({ databaseUrl: urls, databaseWeights: weights })));
  const [a, b] = ['postgres://u:p@a/x', 'postgres://b/x'] as const;
  const usual = text([a, b]);
  assert.is(text([b, a.replace('u:p', 'v:q')]), usual);
  assert.is(text([b, a], [1, 1], { n: { placement: 'spread', maxEntries: 5 }, m: { tiers: 'table' } }), usual);
  for (const other of [
    text([a, b], [1, 2]),
    text([a, 'postgres://c/x']),
    text([a, b], undefined, { n: { placement: 'whole' } }),
    text([a, b], undefined, { n: { database: 'b:5432/x' } }),
    text([a, b], undefined, {}, 'whole'),
  ]) {
    assert.is.not(other, usual);
  }
  assert.is(text([a]), ALONE);
  assert.is(text([b], [7]), ALONE);
});

test('databases that agree need no change', () => {
  assert.is(change(record(OURS, 'e', 'd'), record(OURS, 'e', 'd')), undefined);
});

test('a change that has not reached all is completed', () => {
  const begun = record(OURS, 'e', 'd');
  assert.equal(change(begun, record(OTHER, 'd', 'c')), { epoch: 'e', follows: 'd' });
  assert.equal(change(NO_TOPOLOGY, begun, record(OTHER, 'd', 'c')), { epoch: 'e', follows: 'd' });
  assert.equal(change(begun, NO_TOPOLOGY), { epoch: 'e', follows: 'd' });
});

test('a change from a known epoch is the same for all who make it, and another one the next time', () => {
  const first = change(record(OTHER, 'd', 'c'), record(OTHER, 'd', 'c'));
  assert.equal(change(NO_TOPOLOGY, record(OTHER, 'd', 'c')), first);
  assert.is(first?.follows, 'd');
  assert.is.not(change(record(OTHER, 'f', 'e'))?.epoch, first?.epoch);
  assert.equal(change(NO_TOPOLOGY, NO_TOPOLOGY), change(NO_TOPOLOGY));
  assert.is.not(changeFor(ALONE, [NO_TOPOLOGY], 'a')?.epoch, changeFor(ALONE, [NO_TOPOLOGY], 'b')?.epoch);
});

test('one that was away while the others changed twice is not taken for what it was', () => {
  const missed = change(record(OTHER, 'f', 'e'), record(OURS, 'd', 'c'));
  assert.is(missed?.follows, '', 'nothing is kept anywhere');
  assert.is.not(change(record(OTHER, 'f', 'e'), record(OURS, 'd', 'c'))?.epoch, missed?.epoch, 'an epoch of its own');
  assert.is(change(record(OTHER, 'd', 'c'), record(THIRD, 'e', 'c'))?.follows, '', 'two that went apart');
  assert.is(change(record(OTHER, 'f', 'd'), record(OURS, 'd', 'c'))?.follows, 'f', 'once: the later one is kept');
});

test('a new database that was taken in while the others were out of sight does not count against them', () => {
  const { epoch } = change(NO_TOPOLOGY)!;
  const born = record(OURS, epoch);
  assert.is(change(born, record(OTHER, 'd', 'c'))?.follows, 'd');
  assert.equal(change(born, NO_TOPOLOGY), { epoch, follows: '' });
  assert.is(change(born, born), undefined);
});

test.run();
