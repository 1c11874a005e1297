import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { until } from './process.js';

/** A real PgBouncer in transaction mode before a cluster of the tests. */
export interface TestPooler {
  readonly url: string;
  close(): Promise<void>;
}

/** @returns where PgBouncer is installed; undefined where it is not */
export function pgBouncerPath(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'pgbouncer')).find((path) => existsSync(path));
}

/**
 * @param url of a cluster on a Unix socket: postgres://user@/database?host=/folder
 * @param poolSize connections to Postgres, which all clients of the pooler share
 */
export async function testPooler(path: string, url: string, poolSize: number): Promise<TestPooler> {
  const parameters = new URLSearchParams(url.split('?')[1]);
  const host = parameters.get('host') as string;
  // It refuses root, and must reach the socket of Postgres: it runs as the user that Postgres runs as.
  const { uid, gid } = statSync(host);
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-bouncer-'));
  const [ini, users] = [join(folder, 'pgbouncer.ini'), join(folder, 'users.txt')];
  writeFileSync(users, '"postgres" ""\n');
  writeFileSync(
    ini,
    `[databases]
* = host=${host} port=${parameters.get('port') ?? 5432}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = ${folder}
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
`,
  );
  chownSync(folder, uid, gid);
  chmodSync(folder, 0o755);
  const child = spawn(path, ['-q', ini], { uid, gid, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const close = async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const socket = join(folder, '.s.PGSQL.6432');
  try {
    await until('PgBouncer answers', () => {
      if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${said}`);
      return answers(socket);
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `postgres://postgres@/postgres?host=${encodeURIComponent(folder)}&port=6432`, close };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
