import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { activatedSocketFd, connectSystemd, type RunNotify } from '../../daemon/systemd.js';
import { CacheError } from '../../shared/errors.js';

const PID = 4711;
const NOTIFY = '/usr/bin/systemd-notify';
const PYTHON = ['/usr/bin/python3', '/usr/local/bin/python3'].find((path) => existsSync(path));

/** Keeps what would be sent; `hold` makes each message wait for `release`. */
function recorder(hold = false) {
  const messages: string[] = [];
  const environments: object[] = [];
  const warnings: string[] = [];
  const releases: (() => void)[] = [];
  const run: RunNotify = (assignments, environment) => {
    messages.push(assignments.join('\n'));
    environments.push(environment);
    return hold ? new Promise((resolve) => releases.push(resolve)) : Promise.resolve();
  };
  return { messages, environments, warnings, releases, run, warn: (problem: string) => void warnings.push(problem) };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 20_000; !condition(); await sleep(5)) {
    if (Date.now() > end) throw new Error(`waited 20 s for ${what}`);
  }
}

test('outside of systemd nothing is run, and the watchdog has no timer', async () => {
  const record = recorder();
  const systemd = connectSystemd({ environment: { WATCHDOG_USEC: undefined }, pid: PID, ...record });
  await systemd.notifyReady();
  await systemd.notifyStatus('serving');
  await systemd.notifyStopping();
  systemd.startWatchdog(() => true).stop();
  assert.equal(record.messages, []);
  assert.equal(record.warnings, []);
});

test('a message reaches systemd-notify with nothing but the socket in its environment', async () => {
  const record = recorder();
  const environment = { NOTIFY_SOCKET: '/run/notify', PGPASSWORD: 'secret' };
  await connectSystemd({ environment, pid: PID, ...record }).notifyReady();
  assert.equal(record.messages, ['READY=1']);
  assert.equal(record.environments, [{ NOTIFY_SOCKET: '/run/notify' }]);
});

test('one message is under way at a time, and the newest status replaces one that waits', async () => {
  const record = recorder(true);
  const systemd = connectSystemd({ environment: { NOTIFY_SOCKET: '/run/notify' }, pid: PID, ...record });
  const ready = systemd.notifyReady();
  await until(() => record.messages.length === 1, 'the first message');
  const others = [systemd.notifyStatus('old'), systemd.notifyStatus('new'), systemd.notifyStopping()];
  await sleep(20);
  assert.equal(record.messages, ['READY=1']);
  record.releases[0]?.();
  await ready;
  await until(() => record.messages.length === 2, 'the second message');
  record.releases[1]?.();
  await Promise.all(others);
  assert.equal(record.messages, ['READY=1', 'STATUS=new\nSTOPPING=1']);
});

test('a status cannot carry a second assignment, and is cut', async () => {
  const record = recorder();
  const systemd = connectSystemd({ environment: { NOTIFY_SOCKET: '/run/notify' }, pid: PID, ...record });
  await systemd.notifyStatus('database lost\nREADY=1\u0000');
  await systemd.notifyStatus('x'.repeat(5000));
  assert.equal(record.messages, ['STATUS=database lost READY=1 ', `STATUS=${'x'.repeat(200)}`]);
});

test('a message that fails is warned of and never rejects, and the next one is tried', async () => {
  const record = recorder();
  let runs = 0;
  const run: RunNotify = () => (runs++ === 0 ? Promise.reject(new Error('no such socket')) : Promise.resolve());
  const systemd = connectSystemd({ environment: { NOTIFY_SOCKET: '/run/notify' }, pid: PID, warn: record.warn, run });
  await systemd.notifyReady();
  await systemd.notifyStopping();
  assert.is(runs, 2);
  assert.equal(record.warnings, ['systemd was not told READY=1: no such socket']);
});

test('where the socket is gone, or systemd-notify is missing, the real call is warned of', async () => {
  const record = recorder();
  const environment = { NOTIFY_SOCKET: join(tmpdir(), 'pgcached-no-such-socket') };
  await connectSystemd({ environment, pid: PID, warn: record.warn }).notifyReady();
  assert.is(record.warnings.length, 1);
  assert.match(record.warnings[0] ?? '', /^systemd was not told READY=1: /);
});

test('the watchdog is fed while healthy, starved with one warning while not, and fed again', async () => {
  const record = recorder();
  const environment = { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '20000', WATCHDOG_PID: String(PID) };
  let health: boolean | Error = true;
  let asked = 0;
  const watchdog = connectSystemd({ environment, pid: PID, ...record }).startWatchdog(() => {
    asked++;
    if (health instanceof Error) throw health;
    return health;
  });
  await until(() => record.messages.length >= 2, 'two pings');
  assert.ok(record.messages.every((message) => message === 'WATCHDOG=1'));
  for (const [ill, problem] of [
    [false, 'the daemon is not healthy'],
    [new Error('stuck'), 'the health check failed: stuck'],
  ] as const) {
    record.warnings.length = 0;
    health = ill;
    const [pings, before] = [record.messages.length, asked];
    await until(() => asked >= before + 3, 'three questions');
    assert.ok(record.messages.length <= pings + 1, 'only a ping that was under way may follow');
    assert.equal(record.warnings, [`the watchdog is not fed: ${problem}`]);
    health = true;
    const starved = record.messages.length;
    await until(() => record.messages.length > starved, 'a ping after recovery');
  }
  watchdog.stop();
  const last = asked;
  await sleep(100);
  assert.is(asked, last);
});

test('the watchdog of another process, or a malformed one, is not fed', async () => {
  for (const environment of [
    { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '2000', WATCHDOG_PID: '1' },
    { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '0' },
    { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: 'soon' },
  ]) {
    const record = recorder();
    const watchdog = connectSystemd({ environment, pid: PID, ...record }).startWatchdog(() => true);
    await sleep(30);
    watchdog.stop();
    assert.equal(record.messages, []);
  }
});

test('the socket that systemd passes is descriptor 3, if it is ours and the only one', () => {
  assert.is(activatedSocketFd({ LISTEN_FDS: '1', LISTEN_PID: '4711' }, PID), 3);
  assert.is(activatedSocketFd({}, PID), undefined);
  assert.is(activatedSocketFd({ LISTEN_FDS: '1' }, PID), undefined);
  assert.is(activatedSocketFd({ LISTEN_FDS: '2', LISTEN_PID: '1' }, PID), undefined);
  assert.is(activatedSocketFd({ LISTEN_FDS: '0', LISTEN_PID: '4711' }, PID), undefined);
  for (const [count, message] of [
    ['2', /systemd passed 2 sockets/],
    ['one', /LISTEN_FDS is 'one'/],
    ['-1', /LISTEN_FDS is '-1'/],
    ['', /LISTEN_FDS is ''/],
  ] as const) {
    assert.throws(
      () => activatedSocketFd({ LISTEN_FDS: count, LISTEN_PID: '4711' }, PID),
      (error: unknown) => error instanceof CacheError && error.code === 'ERR_SOCKET' && message.test(error.message),
    );
  }
});

test('a process that inherits a listening socket serves on it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-systemd-'));
  const [made, path] = [join(folder, 'made.sock'), join(folder, 'pgcached.sock')];
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(made, resolve));
  const { fd } = (holder as unknown as { _handle: { fd: number } })._handle;
  const program = `
    import { createServer } from 'node:net';
    import { activatedSocketFd } from ${JSON.stringify(new URL('../../daemon/systemd.js', import.meta.url).href)};
    const fd = activatedSocketFd(process.env, process.pid);
    const server = createServer((socket) => { socket.end('served on ' + fd); server.close(); });
    server.listen({ fd }, () => console.log('listening'));`;
  // As systemd does it: the shell writes its own pid and becomes the program.
  const command = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --input-type=module --eval "$1"';
  const child = spawn('/bin/sh', ['-c', command, process.execPath, program], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
  });
  try {
    // Only the child is to accept: the maker lets go, and finds no file of its name to remove.
    renameSync(made, path);
    holder.close();
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => child.stdout?.once('data', resolve).once('end', resolve));
    const reply = await new Promise<string>((resolve, reject) => {
      let text = '';
      connect(path)
        .on('data', (chunk) => {
          text += String(chunk);
        })
        .on('end', () => resolve(text))
        .on('error', reject);
    });
    assert.is(reply, 'served on 3');
    assert.is(await exited, 0);
    assert.ok(existsSync(path), 'the socket file is its maker’s, and stays');
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A datagram socket as systemd has one. It drops the descriptor of the barrier that systemd-notify waits for. */
const RECEIVER = `
import socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print("bound", flush=True)
while True:
    print(receiver.recv(4096).decode().replace("\\n", "|"), flush=True)
`;

test('systemd-notify delivers to a real datagram socket', async () => {
  if (PYTHON === undefined || !existsSync(NOTIFY)) {
    console.log('(no python3 or systemd-notify here: the delivery over a real socket was not tried)');
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-notify-'));
  const socket = join(folder, 'notify');
  const receiver = spawn(PYTHON, ['-c', RECEIVER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  receiver.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  try {
    await until(() => output.includes('bound'), 'the receiver');
    const warnings: string[] = [];
    const environment = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000', WATCHDOG_PID: String(process.pid) };
    const systemd = connectSystemd({ environment, pid: process.pid, warn: (problem) => warnings.push(problem) });
    await systemd.notifyReady();
    await systemd.notifyStatus('1 of 2 databases\nREADY=0');
    const watchdog = systemd.startWatchdog(() => true);
    await until(() => output.includes('WATCHDOG=1'), 'a ping');
    watchdog.stop();
    await systemd.notifyStopping();
    await until(() => output.includes('STOPPING=1'), 'the last message');
    const lines = output.split('\n').filter((line) => line !== '' && line !== 'BARRIER=1');
    const once = lines.filter((line, index) => line !== lines[index - 1]);
    assert.equal(once.slice(0, 4), ['bound', 'READY=1', 'STATUS=1 of 2 databases READY=0', 'WATCHDOG=1']);
    assert.match(once.at(-1) ?? '', /STOPPING=1$/);
    assert.equal(warnings, []);
  } finally {
    receiver.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
