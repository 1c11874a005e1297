import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Server } from '../../daemon/server.js';
import { bindPrivately } from '../../daemon/socket-path.js';
import { LIMIT } from '../../shared/protocol.js';
import { rejectsCode } from '../support/errors.js';
import { MapNamespace } from '../support/map-namespace.js';
import { RawClient, startTestServer, temporaryFolder, temporarySocket } from '../support/transport.js';

const CONTESTANT = new URL('../support/contestant.js', import.meta.url);

function newServer(): Server {
  const main = new MapNamespace();
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  return new Server({ namespaces: () => main, status: () => ({}), log, release: 'test', start: 'test' });
}

/** Leaves behind what a daemon that was killed leaves behind. */
async function leaveStaleSocket(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  renameSync(path, `${path}.kept`);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  renameSync(`${path}.kept`, path);
  assert.ok(lstatSync(path).isSocket());
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

test('the folder is made 0750 and the socket 0660, or as asked; the umask stays what it was', async () => {
  const before = process.umask();
  const path = temporarySocket();
  const server = newServer();
  await server.listen({ path });
  assert.equal([modeOf(dirname(path)), modeOf(path)], ['750', '660']);
  await server.close();
  assert.not(existsSync(path));
  const other = temporarySocket();
  const open = newServer();
  await open.listen({ path: other, mode: 0o600, folderMode: 0o700 });
  assert.equal([modeOf(dirname(other)), modeOf(other)], ['700', '600']);
  await open.close();
  assert.is(process.umask(), before);
});

test('nobody else can connect between the making of the socket and the setting of its mode', async () => {
  const path = join(temporaryFolder(), 's.sock');
  const server = createServer();
  let madeAs = '';
  bindPrivately(path, { mode: 0o666 }, () => {
    server.listen(path);
    madeAs = modeOf(path);
    return true;
  });
  assert.equal([madeAs, modeOf(path)], ['0', '666']);
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test('the group is set by name or number; one that does not exist is an error', async () => {
  const [name, , gid] = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(
      // Only root may give a file to a group it is not in.
      ([, , id]) => (process.getuid?.() === 0 ? Number(id) > 0 : Number(id) === process.getgid?.()),
    )!;
  for (const group of [name!, gid!, Number(gid)]) {
    const path = temporarySocket();
    const server = newServer();
    await server.listen({ path, group });
    assert.equal([statSync(path).gid, statSync(dirname(path)).gid], [Number(gid), Number(gid)]);
    await server.close();
  }
  const error = await rejectsCode('ERR_SOCKET', () =>
    newServer().listen({ path: temporarySocket(), group: 'no such' }),
  );
  assert.match(error.message, /no group "no such"/);
});

test('a folder that is there keeps its mode', async () => {
  const folder = join(temporaryFolder(), 'mine');
  mkdirSync(folder, { mode: 0o711 });
  const server = newServer();
  await server.listen({ path: join(folder, 's.sock') });
  assert.is(modeOf(folder), '711');
  await server.close();
});

test('a path that no socket can have is refused before anything is made', async () => {
  const folder = temporaryFolder();
  const long = join(folder, 'x'.repeat(LIMIT.socketPathBytesMax - folder.length));
  assert.is(Buffer.byteLength(long), LIMIT.socketPathBytesMax + 1);
  const error = await rejectsCode('ERR_SOCKET', () => newServer().listen({ path: long }));
  assert.match(error.message, /takes 108 bytes, the limit is 107/);
  await rejectsCode('ERR_SOCKET', () => newServer().listen({ path: 'relative.sock' }));
  const longest = newServer();
  await longest.listen({ path: long.slice(0, -1) });
  (await RawClient.ready(long.slice(0, -1))).close();
  await longest.close();
});

test('a stale socket is replaced', async () => {
  const path = temporarySocket();
  await leaveStaleSocket(path);
  const server = newServer();
  await server.listen({ path });
  (await RawClient.ready(path)).close();
  await server.close();
});

test('a regular file, a folder or a symbolic link in its place is refused and left alone', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'file');
  writeFileSync(file, 'precious');
  const link = join(folder, 'link');
  symlinkSync(file, link);
  const sub = join(folder, 'folder');
  mkdirSync(sub);
  const dangling = join(folder, 'dangling');
  symlinkSync(join(folder, 'nothing'), dangling);
  for (const [path, what] of [
    [file, 'not a socket'],
    [link, 'a symbolic link'],
    [dangling, 'a symbolic link'],
    [sub, 'a folder'],
  ] as const) {
    const error = await rejectsCode('ERR_SOCKET', () => newServer().listen({ path }));
    assert.ok(error.message.includes(`${path} is ${what}`), error.message);
  }
  assert.is(readFileSync(file, 'utf8'), 'precious');
  assert.ok(lstatSync(link).isSymbolicLink());
});

test('a live socket is never taken: not a daemon’s, and not a stranger’s', async () => {
  const { path, server } = await startTestServer();
  const error = await rejectsCode('ERR_ALREADY_RUNNING', () => newServer().listen({ path }));
  assert.ok(error.message.includes(path));
  const viaLink = join(temporaryFolder(), 'alias');
  symlinkSync(dirname(path), viaLink);
  await rejectsCode('ERR_ALREADY_RUNNING', () => newServer().listen({ path: join(viaLink, 's.sock') }));
  (await RawClient.ready(path)).close();
  await server.close();

  const foreign = join(temporaryFolder(), 'foreign.sock');
  const stranger = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => stranger.listen(foreign, resolve));
  await rejectsCode('ERR_ALREADY_RUNNING', () => newServer().listen({ path: foreign }));
  assert.ok(lstatSync(foreign).isSocket());
  stranger.close();
});

test('an inherited socket is served, and its file left to whoever made it', async () => {
  const path = join(temporaryFolder(), 'inherited.sock');
  const owner = createServer();
  await new Promise<void>((resolve) => owner.listen(path, resolve));
  const { fd } = (owner as unknown as { _handle: { fd: number } })._handle;
  const child = fork(CONTESTANT, { stdio: ['inherit', 'inherit', 'inherit', 'ipc', fd] });
  await once(child, 'message');
  // From here on the child alone accepts.
  renameSync(path, `${path}.kept`);
  await new Promise<void>((resolve) => owner.close(() => resolve()));
  renameSync(`${path}.kept`, path);
  assert.is(await answer(child, 'fd:4'), 'owner');
  (await RawClient.ready(path)).close();
  assert.is(await answer(child, null), 'free');
  assert.ok(existsSync(path));
  child.disconnect();
  await once(child, 'exit');
  await rejectsCode('ERR_SOCKET', () => newServer().listen({ fd: 9999 }));
});

function answer(child: ChildProcess, message: string | null): Promise<unknown> {
  const answered = once(child, 'message').then(([text]) => text);
  child.send(message as string);
  return answered;
}

test('of two daemons that start at once one serves and the other says why not: 50 races', async () => {
  const children = [0, 1].map(() => fork(CONTESTANT));
  await Promise.all(children.map((child) => once(child, 'message')));
  const folder = temporaryFolder();
  const wins = [0, 0];
  for (let race = 0; race < 50; race++) {
    const path = join(folder, `${race}`, 's.sock');
    if (race % 2 === 0) await leaveStaleSocket(path);
    const order = race % 4 < 2 ? [0, 1] : [1, 0];
    const outcomes: unknown[] = [];
    await Promise.all(
      order.map(async (i) => {
        outcomes[i] = await answer(children[i]!, path);
      }),
    );
    assert.equal([...outcomes].sort(), ['ERR_ALREADY_RUNNING', 'owner'], `race ${race}`);
    wins[outcomes.indexOf('owner')]!++;
    await Promise.all(children.map((child) => answer(child, null)));
  }
  for (const child of children) {
    child.disconnect();
    await once(child, 'exit');
  }
  assert.is(wins[0]! + wins[1]!, 50);
});

test('the socket of a daemon that was killed is free at once', async () => {
  const child = fork(CONTESTANT);
  await once(child, 'message');
  const path = temporarySocket();
  assert.is(await answer(child, path), 'owner');
  await rejectsCode('ERR_ALREADY_RUNNING', () => newServer().listen({ path }));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(lstatSync(path).isSocket(), 'it left its socket behind');
  const server = newServer();
  await server.listen({ path });
  (await RawClient.ready(path)).close();
  await server.close();
});

test.run();
