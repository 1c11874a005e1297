import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadIdentity } from '../../daemon/identity.js';
import { CacheError } from '../../shared/errors.js';

const test = suite<{ folder: string }>('identity');

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'pgcached-identity-'));
});

test.after.each(({ folder }) => {
  rmSync(folder, { recursive: true, force: true });
});

test('keeps its host and raises its start, on disk', ({ folder }) => {
  const starts = [1, 2, 3].map(() => loadIdentity(join(folder, 'state'), 'a'));
  assert.is(new Set(starts.map(({ host }) => host)).size, 1);
  assert.ok(starts[0]!.start < starts[1]!.start && starts[1]!.start < starts[2]!.start);
  assert.ok(loadIdentity(join(folder, 'state'), 'b').host !== starts[0]!.host, 'another daemon of the host is another');
});

test('has different starts in copies of one state folder', ({ folder }) => {
  loadIdentity(join(folder, 'state'), 'a');
  cpSync(join(folder, 'state'), join(folder, 'copy'), { recursive: true });
  const [one, other] = [loadIdentity(join(folder, 'state'), 'a'), loadIdentity(join(folder, 'copy'), 'a')];
  assert.is(one.host, other.host);
  assert.ok(one.start !== other.start);
});

test('raises a start to the last that a number can hold', ({ folder }) => {
  const host = '00000000-0000-4000-8000-000000000000';
  writeFileSync(join(folder, 'a.json'), JSON.stringify({ host, start: 2 ** 52 }));
  assert.ok(Number.isSafeInteger(loadIdentity(folder, 'a').start));
});

test('refuses a file that holds something else', ({ folder }) => {
  writeFileSync(join(folder, 'a.json'), '{"host": 1}');
  assert.throws(
    () => loadIdentity(folder, 'a'),
    (error: unknown) => error instanceof CacheError && error.code === 'ERR_INVALID_CONFIG',
  );
});

test.run();
