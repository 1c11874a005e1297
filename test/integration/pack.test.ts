import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { projectRoot } from '../support/source.js';

interface Manifest {
  readonly version: string;
  readonly bin: Record<string, string>;
  readonly exports: Record<string, string | { types: string; default: string }>;
  readonly dependencies: Record<string, string>;
}

const test = suite('the package');
let folder = '';
let packed: string[] = [];
/** As it lies in the node_modules of a user. */
let installed = '';
let manifest: Manifest;

function run(program: string, args: string[], cwd: string): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, npm_config_update_notifier: 'false' };
  return spawnSync(program, args, { cwd, env, encoding: 'utf8', timeout: 60_000, maxBuffer: 64 * 2 ** 20 });
}

/**
 * Unpacks into an empty project. The packages that the manifest declares are linked, and no others: so the test needs no
 * registry, and an import that is not declared fails.
 */
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgcached-pack-'));
  const made = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], projectRoot);
  assert.is(made.status, 0, made.stderr);
  const [archive] = JSON.parse(made.stdout) as { filename: string; files: { path: string }[] }[];
  packed = archive!.files.map(({ path }) => path);
  installed = join(folder, 'node_modules', 'pgcached');
  mkdirSync(installed, { recursive: true });
  const unpack = run('tar', ['-xzf', join(folder, archive!.filename), '--strip-components=1', '-C', installed], folder);
  assert.is(unpack.status, 0, unpack.stderr);
  manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest;
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
    symlinkSync(join(projectRoot, 'node_modules', name), join(folder, 'node_modules', name));
  }
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('holds what is declared, and nothing else', () => {
  const allowed =
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|docs\/.*\.md|systemd\/.*|scripts\/install-systemd|dist\/(shared|client|daemon)\/.*\.(js|d\.ts|sql))$/;
  assert.equal(
    packed.filter((path) => !allowed.test(path)),
    [],
  );
  assert.ok(packed.includes('LICENSE'));
  assert.equal(
    packed.filter((path) => /\.test\.|placeholder/.test(path)),
    [],
  );
});

test('names no folder of the machine that made it', () => {
  const told = packed.filter((path) => readFileSync(join(installed, path), 'utf8').includes(projectRoot));
  assert.equal(told, []);
});

test('every entry point is there with its types, and loads', () => {
  for (const [name, target] of Object.entries(manifest.exports)) {
    const { types, default: code } = typeof target === 'string' ? { types: target, default: target } : target;
    if (name.endsWith('.json')) continue;
    // Entry points are declared before they are written; one that has a source must be there.
    const source = code.replace('./dist/', '').replace(/\.js$/, '.ts');
    if (name !== '.' && !existsSync(join(projectRoot, source))) continue;
    for (const path of [types, code])
      assert.ok(packed.includes(path.slice(2)), `${name}: ${path} is not in the package`);
    const specifier = join('pgcached', name);
    const loaded = run(
      process.execPath,
      ['--input-type=module', '-e', `console.log(Object.keys(await import('${specifier}')).length)`],
      folder,
    );
    assert.is(loaded.status, 0, `${specifier}: ${loaded.stderr}`);
    assert.ok(Number(loaded.stdout) > 0, `${specifier} exports nothing`);
  }
});

/** What the types of these entry points are made of is the user's own, who would not import them without it. */
const PEERS = ['drizzle-orm', 'fastify', 'hono', 'kysely'];

test('the types of every entry point compile in a strict program that has nothing else', () => {
  for (const name of PEERS) symlinkSync(join(projectRoot, 'node_modules', name), join(folder, 'node_modules', name));
  const specifiers = Object.keys(manifest.exports).filter((name) => !name.endsWith('.json'));
  const lines = specifiers.map((name, i) => `export * as entry${i} from '${join('pgcached', name)}';`);
  const use =
    "import { connect } from 'pgcached';\nimport { cachedPool } from 'pgcached/query';\nimport pg from 'pg';\n" +
    'export const pool = cachedPool(new pg.Pool(), { cache: connect() });\n' +
    "// @ts-expect-error a result's rows have types, and this is none of its fields\nexport const none = (await pool.query('')).rowz;\n";
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'consumer.ts'), `${lines.join('\n')}\n${use}`);
  const flags = '--noEmit --strict --target es2022 --module nodenext --moduleResolution nodenext --skipLibCheck'.split(
    ' ',
  );
  const tsc = join(projectRoot, 'node_modules/typescript/bin/tsc');
  const own = run(process.execPath, [tsc, ...flags, 'true', 'consumer.ts'], folder);
  assert.is(own.stdout, '');
  const whole = run(process.execPath, [tsc, ...flags, 'false', 'consumer.ts'], folder);
  assert.equal(
    whole.stdout.split('\n').filter((line) => line.includes('pgcached/')),
    [],
  );
});

test('the command runs', () => {
  const command = join(installed, manifest.bin.pgcached!);
  const help = run(process.execPath, [command, '--help'], folder);
  assert.is(help.status, 0, help.stderr);
  assert.match(help.stdout, /^ {2}dev /m);
  const version = run(process.execPath, [command, '--version'], folder);
  assert.is(version.stdout.trim().split(/\s+/).at(-1), manifest.version);
  assert.match(readFileSync(command, 'utf8'), /^#!\/usr\/bin\/env node\n/);
});

test.run();
