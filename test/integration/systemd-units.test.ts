import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT } from '../../daemon/cli/exit.js';
import { OPTIONS } from '../../daemon/options.js';
import { projectRoot, readSource } from '../support/source.js';
import { type Directive, parseUnit } from '../support/unit-file.js';

/** What systemd 252 understands in these sections, as far as the project uses it: a slip of the pen is not among them. */
const KNOWN: Readonly<Record<string, string>> = {
  Unit: 'Description Documentation After AssertFileNotEmpty StartLimitIntervalSec StartLimitBurst',
  Install: 'WantedBy Also',
  Socket: 'ListenStream SocketUser SocketGroup SocketMode DirectoryMode Backlog RemoveOnStop',
  Service: `Type NotifyAccess ExecStart TimeoutStartSec TimeoutStopSec KillMode WatchdogSec Restart RestartSec
    RestartPreventExitStatus SyslogIdentifier User Group RuntimeDirectory RuntimeDirectoryMode RuntimeDirectoryPreserve
    StateDirectory StateDirectoryMode LoadCredential Environment UMask LimitNOFILE LimitCORE TasksMax OOMScoreAdjust
    OOMPolicy NoNewPrivileges CapabilityBoundingSet AmbientCapabilities ProtectSystem ProtectHome PrivateTmp NoExecPaths
    PrivateDevices DevicePolicy PrivateUsers PrivateIPC RemoveIPC PrivateMounts PrivateNetwork ProtectProc ProcSubset
    ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups ProtectClock ProtectHostname
    KeyringMode RestrictNamespaces RestrictRealtime RestrictSUIDSGID LockPersonality RestrictAddressFamilies
    IPAddressDeny IPAddressAllow SystemCallArchitectures SystemCallFilter SystemCallErrorNumber`,
};
const UNITS = ['pgcached.service', 'pgcached.socket', 'local-database.conf'] as const;
const SERVICE = join(projectRoot, 'systemd', 'pgcached.service');
const SOCKET = join(projectRoot, 'systemd', 'pgcached.socket');
const ANALYZE = '/usr/bin/systemd-analyze';

const directivesOf = (unit: string): Directive[] => parseUnit(readSource(`systemd/${unit}`));

function onlyValue(unit: string, name: string): string {
  const found = directivesOf(unit).filter((one) => one.name === name);
  assert.is(found.length, 1, `${name} stands ${found.length} times in ${unit}`);
  return found[0]?.value ?? '';
}

const seconds = (span: string): number => {
  assert.match(span, /^[0-9]+s$/);
  return Number.parseInt(span, 10);
};

/** Runs systemd-analyze, which only reads here; undefined where this machine has none, which the output then says. */
function analyze(...parameters: string[]): { status: number | null; output: string } | undefined {
  if (!existsSync(ANALYZE)) {
    console.log(`(no ${ANALYZE} on this machine: '${parameters[0]}' was not tried)`);
    return undefined;
  }
  const { status, stdout, stderr } = spawnSync(ANALYZE, parameters, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

function exposure(...parameters: string[]): number | undefined {
  const result = analyze('security', '--offline=true', '--no-pager', ...parameters);
  if (result === undefined) return undefined;
  return Number(/Overall exposure level for \S+: ([0-9.]+)/.exec(result.output)?.[1]);
}

test('every directive has its reason above it, and none is misspelt', () => {
  const problems: string[] = [];
  for (const unit of UNITS) {
    const directives = directivesOf(unit);
    assert.ok(directives.length > 3);
    for (const { section, name, line, reason } of directives) {
      const known = (KNOWN[section] ?? '').split(/\s+/);
      if (!known.includes(name)) problems.push(`${unit}:${line} ${name} is not known in [${section}]`);
      if (reason.length < 20) problems.push(`${unit}:${line} ${name} has no reason above it`);
    }
  }
  assert.equal(problems, []);
});

test('no directive is given twice by mistake', () => {
  const lists = ['Environment', 'SystemCallFilter', 'RestrictAddressFamilies'];
  for (const unit of UNITS) {
    const names = directivesOf(unit).map(({ name }) => name);
    assert.equal(
      names.filter((name, index) => names.indexOf(name) < index && !lists.includes(name)),
      [],
    );
  }
});

test('accounts and folders say why too', () => {
  for (const file of ['pgcached.sysusers.conf', 'pgcached.tmpfiles.conf']) {
    const lines = readSource(`systemd/${file}`).trimEnd().split('\n');
    const bare = lines.filter((line, at) => /^[a-z]/.test(line) && !lines[at - 1]?.startsWith('#'));
    assert.equal(bare, []);
  }
});

test('the two units and the daemon agree on the socket, the options and the times', () => {
  const listen = onlyValue('pgcached.socket', 'ListenStream');
  const variables = directivesOf('pgcached.service').filter(({ name }) => name === 'Environment');
  assert.equal(
    variables.map(({ value }) => value),
    ['PGCACHED_CONFIG=/etc/%p/config.json', `PGCACHED_SOCKET=${listen}`],
  );
  assert.is(listen.replace('%t', '/run').replace('%p', 'pgcached'), OPTIONS.socket.default({}));
  assert.is(onlyValue('pgcached.socket', 'SocketMode'), `0${OPTIONS.socketMode.default}`);
  assert.is(onlyValue('pgcached.socket', 'SocketGroup'), onlyValue('pgcached.service', 'Group'));
  assert.ok(
    seconds(onlyValue('pgcached.service', 'TimeoutStopSec')) * 1000 >= OPTIONS.drainTimeoutMs.default + 10_000,
    'the drain ends before systemd loses patience',
  );
  assert.is(onlyValue('pgcached.service', 'RestartPreventExitStatus'), String(EXIT.usage.code));
  const pingSeconds = seconds(onlyValue('pgcached.service', 'WatchdogSec')) / 2;
  assert.ok(pingSeconds >= 10 && pingSeconds <= 15, 'each ping is a process: not more often than every 10 s');
});

test('what is started is in the package', () => {
  const manifest = JSON.parse(readSource('package.json')) as { bin: { pgcached: string }; files: string[] };
  const [node, preload, main, command] = onlyValue('pgcached.service', 'ExecStart').split(' ');
  assert.is(node, '/usr/bin/node');
  assert.is(preload, '--import=/usr/lib/pgcached/app/systemd/without-netlink.mjs');
  assert.is(main, `/usr/lib/pgcached/app/${manifest.bin.pgcached}`);
  assert.is(command, 'daemon');
  for (const file of ['systemd', 'scripts/install-systemd']) assert.ok(manifest.files.includes(file));
});

test('node-ipc loads where the kernel does not list interfaces, thanks to the preload, and not without it', () => {
  // As under RestrictAddressFamilies= without AF_NETLINK.
  const shut = `import os from 'node:os';
    os.networkInterfaces = () => { throw Object.assign(new Error('EAFNOSUPPORT'), { code: 'ERR_SYSTEM_ERROR' }); };`;
  const closed = `--import=data:text/javascript,${encodeURIComponent(shut)}`;
  const preload = `--import=${join(projectRoot, 'systemd', 'without-netlink.mjs')}`;
  const program = "await import('node-ipc'); console.log('loaded');";
  const load = (...flags: string[]) =>
    spawnSync(process.execPath, [...flags, '--input-type=module', '--eval', program], {
      cwd: projectRoot,
      encoding: 'utf8',
    });
  assert.match(load(closed).stderr, /EAFNOSUPPORT/);
  assert.is(load(closed, preload).stdout, 'loaded\n');
});

test('systemd-analyze verify finds nothing to complain of', () => {
  const result = analyze('verify', SERVICE, SOCKET);
  if (result === undefined) return;
  // The only thing on this machine that the unit refers to is Node, which may be elsewhere.
  const lines = result.output
    .split('\n')
    .filter((line) => line !== '' && !/\/usr\/bin\/node is not executable/.test(line));
  assert.equal(lines, []);
});

test('the exposure that systemd-analyze counts is at most 1.2, and 0.9 where the network is shut', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-exposure-'));
  try {
    const whole = exposure(SERVICE);
    if (whole === undefined) return;
    const shut = join(folder, 'pgcached.service');
    writeFileSync(shut, `${readSource('systemd/pgcached.service')}\n${readSource('systemd/local-database.conf')}`);
    const local = exposure(shut);
    console.log(`(exposure ${whole}, with local-database.conf ${local})`);
    assert.ok(whole > 0 && whole <= 1.2, `exposure ${whole}`);
    assert.ok(local !== undefined && local <= 0.9, `exposure ${local} with local-database.conf`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
