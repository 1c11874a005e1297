import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { basename, dirname, isAbsolute } from 'node:path';
import { CacheError } from '../shared/errors.js';
import { LIMIT } from '../shared/protocol.js';

export interface SocketAccess {
  /** Mode of the socket file; 0o660 where it is missing. */
  readonly mode?: number | undefined;
  /** Mode of its folder where that has to be made; 0o750 where it is missing. */
  readonly folderMode?: number | undefined;
  /** Group of the socket file and of a folder that had to be made: a name or a number; the process's own if missing. */
  readonly group?: string | number | undefined;
}

const SOCKET_MODE = 0o660;
const FOLDER_MODE = 0o750;

/** @throws CacheError ERR_SOCKET for a path that is not absolute, or longer than the kernel can hold */
export function checkSocketPath(path: string): void {
  if (!isAbsolute(path) || path.includes('\0')) {
    throw new CacheError('ERR_SOCKET', `the socket path ${JSON.stringify(path)} is not absolute`);
  }
  const bytes = Buffer.byteLength(path);
  if (bytes > LIMIT.socketPathBytesMax) {
    throw new CacheError(
      'ERR_SOCKET',
      `the socket path takes ${bytes} bytes, the limit is ${LIMIT.socketPathBytesMax}`,
    );
  }
}

/** Makes the socket's folder if it is not there; one that is there is left as it is. */
export function makeSocketFolder(path: string, access: SocketAccess): void {
  const folder = dirname(path);
  try {
    if (mkdirSync(folder, { recursive: true, mode: FOLDER_MODE }) === undefined) return;
    if (access.group !== undefined) chownSync(folder, -1, groupId(access.group));
    chmodSync(folder, access.folderMode ?? FOLDER_MODE);
  } catch (error) {
    if (error instanceof CacheError) throw error;
    throw new CacheError('ERR_SOCKET', `the folder ${folder} cannot be made: ${message(error)}`, error);
  }
}

/**
 * Makes this process the only one that may own the socket. The lock is a listening socket in Linux's abstract namespace,
 * named after the folder's inode and the file's name: bind is atomic, and the kernel frees it with the process, however
 * that ends. A lock file has neither: between finding a stale one and replacing it another daemon may have done the same.
 * @throws CacheError ERR_ALREADY_RUNNING if another process of this network namespace has it
 */
export async function lockSocketPath(path: string): Promise<Server> {
  const { dev, ino } = statSync(dirname(path));
  const lock = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      lock.once('error', reject);
      lock.listen({ path: `\0pgcached/${dev}:${ino}/${basename(path)}`, exclusive: true }, resolve);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw alreadyRunning(path);
    throw new CacheError('ERR_SOCKET', `the lock of ${path} cannot be taken: ${message(error)}`, error);
  }
  lock.unref();
  return lock;
}

/**
 * Removes a socket file that nobody listens on any more. To be called with the lock held.
 * @throws CacheError ERR_ALREADY_RUNNING if somebody answers, ERR_SOCKET if it is something else than a socket
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    const kind = found.isSymbolicLink() ? 'a symbolic link' : found.isDirectory() ? 'a folder' : 'not a socket';
    throw new CacheError('ERR_SOCKET', `${path} is ${kind}; it was left as it is`);
  }
  const refusal = await probe(path);
  if (refusal === undefined) throw alreadyRunning(path);
  if (refusal.code !== 'ECONNREFUSED') {
    throw new CacheError('ERR_SOCKET', `${path} cannot be tried: ${refusal.message}`, refusal);
  }
  unlinkSync(path);
}

/**
 * Runs `bind`, which is to create the socket file before it returns, such that nobody else can connect before the mode
 * is right.
 * @param bind returns false where it made no file: what stands there then is not ours to touch
 */
export function bindPrivately(path: string, access: SocketAccess, bind: () => boolean): void {
  const group = access.group === undefined ? undefined : groupId(access.group);
  const before = process.umask(0o777);
  let bound = false;
  try {
    bound = bind();
  } finally {
    process.umask(before);
  }
  if (!bound) return;
  if (group !== undefined) chownSync(path, -1, group);
  chmodSync(path, access.mode ?? SOCKET_MODE);
}

/** @returns undefined if somebody accepts connections there */
function probe(path: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', resolve);
  });
}

function groupId(group: string | number): number {
  if (typeof group === 'number') return group;
  if (/^\d+$/.test(group)) return Number(group);
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , id] = line.split(':');
    if (name === group && id !== undefined) return Number(id);
  }
  throw new CacheError('ERR_SOCKET', `there is no group ${JSON.stringify(group)} in /etc/group`);
}

function alreadyRunning(path: string): CacheError {
  return new CacheError('ERR_ALREADY_RUNNING', `another daemon serves ${path}`);
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
