import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../client/index.js';
import { plainEnvironment } from '../support/command.js';
import { until } from '../support/process.js';

const CHILD = fileURLToPath(new URL('../support/lifecycle-child.js', import.meta.url));
const URL_WITH_PASSWORD = 'postgres://u:s3same@127.0.0.1:1/d';
const test = suite('life of the daemon’s process');

function start(name: string, ...more: string[]) {
  const child = spawn(process.execPath, [CHILD, name, ...more], { env: plainEnvironment() });
  const seen = { stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    seen.stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const lines = () =>
    seen.stderr
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const messages = () => lines().map(({ msg }) => msg);
  const said = (text: string) => until(text, () => seen.stderr.includes(text));
  return { child, seen, ended, lines, messages, said };
}

test('says when it is ready and where, serves, and ends well after SIGTERM or SIGINT', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const daemon = start('well');
    await daemon.said('"ready"');
    const socket = String(daemon.lines().find(({ msg }) => msg === 'ready')!.socket);
    const client = connect({ socket });
    await client.set('k', 1);
    assert.is(await client.get('k'), 1);
    await client.close();
    daemon.child.kill(signal);
    assert.is(await daemon.ended, 0);
    assert.equal(daemon.messages().slice(-2), ['after', 'stopped']);
    assert.is(daemon.lines().find(({ signal: told }) => told !== undefined)!.signal, signal);
  }
});

test('ends at once at the second signal', async () => {
  const daemon = start('slow');
  await daemon.said('"ready"');
  daemon.child.kill('SIGTERM');
  await daemon.said('stopping');
  daemon.child.kill('SIGTERM');
  assert.is(await daemon.ended, 1);
  assert.match(daemon.seen.stderr, 'second signal');
});

test('logs why it cannot start or go on, without the password, and ends with 1', async () => {
  for (const name of ['refused', 'uncaught']) {
    const daemon = start(name, URL_WITH_PASSWORD);
    assert.is(await daemon.ended, 1);
    assert.match(daemon.seen.stderr, 'postgres://u:***@127.0.0.1:1/d');
    assert.not.match(daemon.seen.stderr, 's3same');
  }
});

test('takes a password out of its command line, and advises against it', async () => {
  const daemon = start('well', URL_WITH_PASSWORD);
  await daemon.said('"ready"');
  assert.match(daemon.seen.stderr, 'a password was given on the command line');
  assert.not.match(daemon.seen.stderr, 's3same');
  if (process.platform === 'linux') {
    const commandLine = readFileSync(`/proc/${daemon.child.pid}/cmdline`, 'utf8');
    assert.match(commandLine, /^pgcached test/);
    assert.not.match(commandLine, 's3same');
  }
  daemon.child.kill('SIGTERM');
  assert.is(await daemon.ended, 0);
});

test.run();
