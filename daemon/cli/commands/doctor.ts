import { type Config, type ConfigInput, loadConfig } from '../../config.js';
import { isDatabaseNamed } from '../../connection-options.js';
import { OPTION_NAMES } from '../../options.js';
import { REDACTED } from '../../redact.js';
import { checkDatabases } from '../checks/connect.js';
import { checkDaemon } from '../checks/daemon.js';
import type { Finding } from '../checks/finding.js';
import { checkPermissions, checkSocketFile, checkStateFolder, checkVersions } from '../checks/host.js';
import type { Command } from '../command.js';
import { type Output, printable } from '../output.js';

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red', skip: 'grey' } as const;

export const doctor: Command = {
  name: 'doctor',
  summary: 'find out what is wrong, and how to mend it',
  operands: '',
  operandsMin: 0,
  operandsMax: 0,
  details:
    'Looks at the socket, its permissions, the daemon, the database, the tables, the application’s tables that are watched, LISTEN, prepared statements, the state folder and the versions. Without a database it looks at the one of the daemon that answers; where that needs a password, give doctor the options that the daemon has. Exit code 1 if a check fails; warnings do not count.',
  own: ['json'],
  options: OPTION_NAMES,
  async run({ flags, environment, own, output }) {
    const asked = loadConfig({ flags, environment });
    const daemon = await checkDaemon(asked);
    const config = isDatabaseNamed(asked, environment) ? asked : configOfDaemon(asked, daemon.config);
    const findings: Finding[] = [
      checkVersions(),
      checkSocketFile(config),
      ...checkPermissions(config),
      ...daemon.findings,
      ...(await checkDatabases(config, environment)),
      checkStateFolder(config),
    ];
    const failed = findings.filter(({ result }) => result === 'fail').length;
    if (own.json) output.json({ ok: failed === 0, findings });
    else tell(findings, output);
    return failed === 0 ? 'ok' : 'failed';
  },
};

/** Who names no database means the daemon's; where its URL had a password, which it does not tell, nothing is known. */
function configOfDaemon(asked: Config, told: ConfigInput | undefined): Config {
  const url = String(told?.databaseUrl ?? REDACTED);
  return told === undefined || url.includes(REDACTED) ? asked : loadConfig({ options: told });
}

function tell(findings: readonly Finding[], output: Output): void {
  const width = Math.max(...findings.map(({ check }) => check.length)) + 2;
  for (const { check, result, found, advice } of findings) {
    output.line(`${output.paint(result.padEnd(5), COLOURS[result])} ${check.padEnd(width)}${printable(found)}`);
    if (advice !== undefined) output.line(`${' '.repeat(width + 6)}→ ${printable(advice)}`);
  }
  const count = (wanted: Finding['result']): number => findings.filter(({ result }) => result === wanted).length;
  output.line(`${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed, ${count('skip')} not checked`);
}
