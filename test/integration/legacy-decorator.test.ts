import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Compiled by TypeScript with experimentalDecorators, as NestJS, TypeORM and Angular applications are. */
const SOURCE = `
import { cached } from '${root}dist/client/cached.js';
import { LocMemCache } from '${root}dist/client/backends/loc-mem-cache.js';

const cache = new LocMemCache();
let calls = 0;

class Users {
  label = 'users';
  @cached({ cache, ttl: 60 })
  find(id: number): string {
    calls++;
    return this.label + id;
  }
  @cached({ cache })
  static async count(): Promise<number> {
    return ++calls;
  }
  @cached({ cache, keyPrefix: 'mine' })
  prefixed(): number {
    return 3;
  }
}

const users = new Users();
const found: string[] = [users.find(1), users.find(1)];
const counted = [await Users.count(), await Users.count()];
users.prefixed();
const wrapped = Users.prototype.find as unknown as { key(id: number): string };
console.log(JSON.stringify({ found, counted, calls, key: wrapped.key(1), has: cache.has('Users.count') && cache.has('mine') }));
`;

test('as a legacy decorator it compiles, keeps the types and caches', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-legacy-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'users.ts'), SOURCE);
    const flags = [
      '--experimentalDecorators',
      '--strict',
      '--target',
      'es2022',
      '--module',
      'nodenext',
      '--skipLibCheck',
    ];
    const types = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node', '--ignoreConfig'];
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    execFileSync(process.execPath, [compiler, ...flags, ...types, join(folder, 'users.ts')], { encoding: 'utf8' });
    const printed = execFileSync(process.execPath, [join(folder, 'users.js')], { encoding: 'utf8' });
    assert.equal(JSON.parse(printed), {
      found: ['users1', 'users1'],
      counted: [2, 2],
      calls: 2,
      key: 'Users.find:1',
      has: true,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
