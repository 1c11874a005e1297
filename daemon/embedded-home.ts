import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { CacheError } from '../shared/errors.js';
import { findNative, type Identity, reachable, runnableNative } from './embedded-native.js';

/** The lines of a log that an error quotes. */
export const TAIL_LINES = 12;
/** Where root's cluster lives when Postgres, which must not be root, cannot reach the data folder. */
export const ROOT_SHELTER = '/var/lib/pgcached-embedded';

/** Of a data folder, as the option `dataDir` has it. */
const DEFAULT_NAME = '.pgcached';

/** Postgres refuses to run as root; initdb refuses a user without an entry in /etc/passwd: so, nobody. */
function identity(cluster: string): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (existsSync(cluster)) {
    const { uid, gid } = statSync(cluster);
    if (uid !== 0) return { uid, gid };
  }
  const entry = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  return { uid: Number(entry?.[1] ?? 65534), gid: Number(entry?.[2] ?? 65534) };
}

/** Makes the folder, and those above it, with a mode that the umask cannot narrow; leaves what exists as it is. */
export function makeFolder(path: string, mode: number, owner?: Identity): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined) return;
  for (let at = path; at !== first; ) {
    at = dirname(at);
    chmodSync(at, 0o711);
  }
  chmodSync(path, mode);
  if (owner) chownSync(path, owner.uid, owner.gid);
}

/** mkdtemp and a narrow umask make folders of mode 0700: one that is root's, and empty or ours already, may be walked through. */
function openOwn(folder: string, who: Identity | undefined): void {
  if (who === undefined || statSync(folder).uid !== 0) return;
  const names = readdirSync(folder);
  if (names.length === 0 || names.includes('cluster')) chmodSync(folder, statSync(folder).mode | 0o011);
}

export interface Home {
  readonly root: string;
  readonly cluster: string;
  readonly who: Identity | undefined;
  readonly native: string;
}

/** `git add` of the project that the folder lies in is to pass it by. A folder of the user's own, with his files in it, is left alone. */
function keepOutOfGit(folder: string, isNew: boolean): void {
  if (!isNew && basename(folder) !== DEFAULT_NAME) return;
  try {
    writeFileSync(join(folder, '.gitignore'), '# Made by pgcached: its data is no part of the project.\n*\n', {
      flag: 'wx',
    });
  } catch {
    // There is one; or nothing can be written here, which those say who have to.
  }
}

/** Finds or makes the folders and the binaries. */
export function prepareHome(dataDir: string, rootShelter: string, log: (line: string) => void): Home {
  let root = resolve(dataDir);
  const isNew = !existsSync(root);
  makeFolder(root, 0o711);
  keepOutOfGit(root, isNew);
  let who = identity(join(root, 'cluster'));
  openOwn(root, who);
  if (!reachable(root, who)) {
    const asked = root;
    makeFolder(rootShelter, 0o711);
    root = join(rootShelter, createHash('sha256').update(asked).digest('hex').slice(0, 16));
    makeFolder(root, 0o711);
    who = identity(join(root, 'cluster'));
    log(`${asked} is closed to user ${who?.uid}, whom Postgres runs as: its data is in ${root}`);
  }
  const found = findNative(process.platform, process.arch);
  const shelter = who === undefined || reachable(found.native, who) ? root : rootShelter;
  makeFolder(shelter, 0o711);
  return {
    root,
    cluster: join(root, 'cluster'),
    who,
    native: runnableNative(found.native, found.version, shelter, who),
  };
}

/** Only what Postgres needs: its user may be another one, and our environment may hold secrets. */
export function environment(native: string): NodeJS.ProcessEnv {
  const lib = join(native, 'lib');
  return { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: lib, DYLD_LIBRARY_PATH: lib };
}

/** Two that start at once both make a cluster; the first rename wins and the other draft is thrown away. */
export function initialise({ cluster, who, native }: Home): void {
  if (existsSync(join(cluster, 'PG_VERSION'))) return;
  const draft = `${cluster}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  makeFolder(draft, 0o700, who);
  const flags = ['--username=postgres', '--encoding=UTF8', '--locale=C', '--auth-local=trust', '--auth-host=reject'];
  const result = spawnSync(join(native, 'bin', 'initdb'), [`--pgdata=${draft}`, '--no-instructions', ...flags], {
    ...who,
    cwd: draft,
    env: environment(native),
    encoding: 'utf8',
  });
  if (result.status !== 0) {
    rmSync(draft, { recursive: true, force: true });
    const why = (result.error?.message ?? result.stderr ?? '').trim().split('\n').slice(-TAIL_LINES).join('\n');
    throw new CacheError('ERR_DATABASE', `initdb of the embedded Postgres failed: ${why}`, result.error);
  }
  try {
    renameSync(draft, cluster);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(join(cluster, 'PG_VERSION'))) throw error;
  }
}
