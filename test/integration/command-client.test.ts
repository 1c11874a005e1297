import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../client/index.js';
import { socketPath } from '../../client/options.js';
import { loadConfig } from '../../daemon/config.js';
import { runCommand } from '../support/command.js';
import { startTestServer, temporarySocket } from '../support/transport.js';

const server = await startTestServer();
const test = suite('command and daemon');
test.after(() => server.server.close());

const environment = { PGCACHED_SOCKET: server.path };
const pgcached = (...args: string[]) => runCommand(args, { environment });

test('stores, shows, counts and deletes', async () => {
  assert.equal(await pgcached('set', 'greeting', 'hello', '--ttl', '5m'), { code: 0, stdout: '', stderr: '' });
  assert.is((await pgcached('get', 'greeting')).stdout, 'hello\n');
  assert.is((await pgcached('get', 'greeting', '--json')).stdout, '"hello"\n');
  assert.is((await pgcached('set', 'user', '{"name":"Ann","tags":[1,null]}', '--json')).code, 0);
  assert.is((await pgcached('get', 'user')).stdout, "{ name: 'Ann', tags: [ 1, null ] }\n");
  assert.equal(JSON.parse((await pgcached('get', 'user', '--json')).stdout), { name: 'Ann', tags: [1, null] });
  assert.is((await pgcached('incr', 'visits', '7')).stdout, '7\n');
  assert.is((await pgcached('incr', 'visits', '-9', '--json')).stdout.replace(/\s/g, ''), '{"counter":-2}');
  assert.is((await pgcached('delete', 'user', 'visits', 'nothing')).stdout, '2\n');
  assert.equal(await pgcached('get', 'user'), { code: 1, stdout: '', stderr: 'pgcached: no value under "user"\n' });
});

test('stores what standard input brings', async () => {
  const { code } = await runCommand(['set', 'piped', '-'], { environment, input: 'one\ntwo' });
  assert.is(code, 0);
  assert.is((await pgcached('get', 'piped')).stdout, 'one\ntwo\n');
});

test('keeps to its namespace, and clears only that', async () => {
  await pgcached('set', 'k', 'default');
  await pgcached('set', 'k', 'other', '-n', 'other');
  assert.is((await pgcached('get', 'k', '--namespace', 'other')).stdout, 'other\n');
  assert.equal(await pgcached('clear', '--yes', '-n', 'other'), { code: 0, stdout: '', stderr: '' });
  assert.is((await pgcached('get', 'k', '-n', 'other')).code, 1);
  assert.is((await pgcached('get', 'k')).stdout, 'default\n');
});

test('drops what has a tag', async () => {
  const client = connect({ socket: server.path });
  await client.set('a', 1, { tags: ['red', 'big'] });
  await client.set('b', 2, { tags: ['blue'] });
  assert.equal(await pgcached('invalidate', 'red', 'green'), { code: 0, stdout: '', stderr: '' });
  assert.equal(await client.getMany(['a', 'b']), new Map([['b', 2]]));
  await client.set('page', 1, { tags: ['url:example.org/a?b=1'] });
  assert.equal(await pgcached('purge', 'https://Example.org:443/a?b=1'), { code: 0, stdout: '', stderr: '' });
  assert.is(await client.get('page'), undefined);
  await client.close();
  assert.is.not((await pgcached('purge', '/a')).code, 0);
  assert.is((await pgcached('invalidate')).code, 2);
  assert.is((await pgcached('invalidate', '')).code, 2);
});

test('shows the state of the daemon', async () => {
  assert.match((await pgcached('status')).stdout, new RegExp(`^pid +${process.pid}$`, 'm'));
  assert.equal(JSON.parse((await pgcached('status', '--json')).stdout), { pid: process.pid });
});

test('top shows the daemon so many times', async () => {
  const { code, stdout } = await pgcached('top', '--count', '2', '--interval-ms', '100');
  assert.is(code, 0);
  assert.is(stdout.match(/^daemon \d+, /gm)?.length, 2);
  const lines = (await pgcached('top', '--count', '2', '--interval-ms', '100', '--json')).stdout.trim().split('\n');
  assert.equal(
    lines.map((line) => (JSON.parse(line) as { pid: number }).pid),
    [process.pid, process.pid],
  );
  assert.is((await pgcached('top', '--count', '0')).code, 2);
});

test('ends with 2 for what the cache refuses, and with 3 where no daemon is', async () => {
  for (const args of [
    ['get', ''],
    ['set', 'k', 'v', '--ttl', '5 parsecs'],
    ['set', 'k', 'v', '--ttl', '0'],
    ['get', 'k', '-n', 'No Good'],
  ]) {
    const { code, stderr } = await pgcached(...args);
    assert.is(code, 2, `${args}: ${stderr}`);
    assert.match(stderr, /^pgcached: /);
    assert.not.match(stderr, 'ERR_');
  }
  const nobody = await runCommand(['get', 'k', '--socket', temporarySocket(), '--timeout-ms', '1000']);
  assert.is(nobody.code, 3, nobody.stderr);
  assert.match(nobody.stderr, 'start the daemon');
  const verbose = await runCommand(['get', 'k', '--socket', temporarySocket(), '--timeout-ms', '500', '--verbose']);
  assert.match(verbose.stderr, 'ERR_');
});

test('doctor finds the socket, who may connect and that it answers', async () => {
  const { stdout } = await pgcached('doctor', '--json');
  const { findings } = JSON.parse(stdout) as { findings: { check: string; result: string; found: string }[] };
  const of = Object.fromEntries(findings.map(({ check, result }) => [check, result]));
  assert.equal([of.socket, of.permissions, of.daemon], ['ok', 'ok', 'ok']);
});

test('daemon and client look for the same socket where nobody names one', () => {
  for (const environment of [{}, { XDG_RUNTIME_DIR: '/run/user/7' }, { PGCACHED_SOCKET: '/x/y' }]) {
    assert.is(loadConfig({ environment }).socket, socketPath(undefined, environment));
  }
});

test.run();
