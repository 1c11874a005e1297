import { accessSync, constants, existsSync, lstatSync, readFileSync, type Stats, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { RELEASE } from '../../../shared/release.js';
import type { Config } from '../../config.js';
import { type Finding, findingsOf } from './finding.js';

const OTHERS = 0o007;
const OTHERS_WRITE = 0o002;
const NODE_MAJOR_MIN = 20;
/** Releases of node-ipc that were sabotaged or stole credentials. */
const BANNED_NODE_IPC = /^(9\.1\.6|9\.2\.2|9\.2\.3|10\.1\.[1-3]|11\..*|12\.0\.1)$/;

/** What stands in the file system where the socket should be. */
export function checkSocketFile({ socket }: Config): Finding {
  const { ok, fail } = findingsOf('socket');
  const stats = statsOf(socket);
  if (typeof stats === 'string') {
    if (stats === 'ENOENT')
      return fail(
        `there is no socket at ${socket}`,
        'start the daemon (pgcached daemon, or pgcached dev), or name its socket with --socket',
      );
    return fail(
      `${socket} cannot be looked at (${stats})`,
      'run this as the user of the application, and let it enter the folder of the socket (a group, usually)',
    );
  }
  if (stats.isSymbolicLink())
    return fail(`${socket} is a symbolic link`, 'remove the link; the daemon refuses to listen behind one');
  if (!stats.isSocket())
    return fail(`${socket} is not a socket`, 'move that file away, or choose another path with --socket');
  return ok(`${socket} is a socket`);
}

/** Who may connect: nobody but the owner and the group. */
export function checkPermissions({ socket }: Config): Finding[] {
  const { ok, warn, fail, skip } = findingsOf('permissions');
  const stats = statsOf(socket);
  if (typeof stats === 'string' || !stats.isSocket()) return [skip('there is no socket')];
  const findings: Finding[] = [];
  const folder = statSync(dirname(socket));
  const [folderMode, socketMode] = [folder.mode & 0o777, stats.mode & 0o777];
  if (folderMode & OTHERS && socketMode & OTHERS) {
    findings.push(
      fail(
        `everybody on this host may connect (socket ${octal(socketMode)}, folder ${octal(folderMode)})`,
        'restart the daemon with --socket-mode 660, in a folder with mode 0750',
      ),
    );
  } else if (folderMode & OTHERS_WRITE) {
    findings.push(
      warn(
        `everybody may write to the folder ${dirname(socket)} (${octal(folderMode)})`,
        `chmod 750 ${dirname(socket)}: else others can put a socket of theirs in this one's place`,
      ),
    );
  }
  const isMember =
    process.getuid?.() === 0 || stats.uid === process.getuid?.() || process.getgroups?.().includes(stats.gid);
  if (!isMember && !(socketMode & OTHERS)) {
    findings.push(
      fail(
        `this user is neither the owner of the socket nor in its group (${stats.gid})`,
        'add the user of the application to that group, and log in again',
      ),
    );
  }
  return findings.length > 0
    ? findings
    : [ok(`socket ${octal(socketMode)}, folder ${octal(folderMode)}, owner ${stats.uid}, group ${stats.gid}`)];
}

export function checkStateFolder({ stateDir }: Config): Finding {
  const { ok, warn } = findingsOf('state folder');
  if (stateDir === undefined)
    return warn('none', 'name one with --state-dir: without it the daemon is a new host to the others at every start');
  let folder = stateDir;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return ok(folder === stateDir ? `${stateDir} can be written` : `${stateDir} can be made`);
  } catch {
    return warn(
      `${stateDir} cannot be written by this user`,
      'run this as the user of the daemon, or name another folder with --state-dir',
    );
  }
}

export function checkVersions(): Finding {
  const { ok, fail } = findingsOf('versions');
  const nodeIpc = versionOfPackage('node-ipc');
  const found = `pgcached ${RELEASE}, node ${process.versions.node}, node-ipc ${nodeIpc ?? 'not found'}`;
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN)
    return fail(found, `install Node ${NODE_MAJOR_MIN} or later`);
  if (nodeIpc === undefined) return fail(found, 'install the dependencies again (npm install)');
  if (BANNED_NODE_IPC.test(nodeIpc))
    return fail(
      found,
      'this release of node-ipc is known to be malicious: remove it, and change every credential of this host',
    );
  return ok(found);
}

/** The stats, or the code of what went wrong. */
function statsOf(path: string): Stats | string {
  try {
    return lstatSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function versionOfPackage(name: string): string | undefined {
  const require = createRequire(import.meta.url);
  // The package need not export its package.json: it is looked up by path.
  for (const folder of require.resolve.paths(name) ?? []) {
    const path = join(folder, name, 'package.json');
    if (existsSync(path)) return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
  }
  return undefined;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
