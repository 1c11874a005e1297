import type { Config } from '../../config.js';
import { tellError } from '../exit.js';
import { connect } from '../parts.js';
import { versionOf } from '../version.js';
import { type Finding, findingsOf } from './finding.js';

const ANSWER_LIMIT_MS = 3000;

/** What the checks need of the daemon's own state. */
interface State {
  readonly version?: string;
  readonly fresh?: boolean;
  readonly msSinceLastLook?: number;
}

/** Whether a daemon answers, which version it is, and whether it still knows what happens in Postgres. */
export async function checkDaemon({ socket, staleBoundMs }: Config): Promise<Finding[]> {
  const { fail } = findingsOf('daemon');
  let state: State;
  try {
    state = await stateOf(socket);
  } catch (error) {
    const problem = tellError(error).split('\n')[0]!;
    return [
      fail(`no answer: ${problem}`, 'start it (pgcached daemon); if it runs, see its log'),
      findingsOf('last look').skip('no daemon answers'),
    ];
  }
  return [checkVersion(state), checkLastLook(state, staleBoundMs)];
}

async function stateOf(socket: string): Promise<State> {
  const client = await connect({ socket, timeoutMs: ANSWER_LIMIT_MS, onUnavailable: 'throw' });
  try {
    return ((await client.status()) ?? {}) as State;
  } finally {
    await client.close();
  }
}

function checkVersion({ version }: State): Finding {
  const { ok, warn } = findingsOf('daemon');
  if (version === undefined || version === versionOf()) return ok(`answers, version ${version ?? 'unknown'}`);
  return warn(`answers, version ${version}; this command is of ${versionOf()}`, 'restart the daemon after an upgrade');
}

/** A daemon that could not look within the bound answers nothing from memory: it is correct, and slow. */
function checkLastLook({ fresh, msSinceLastLook }: State, staleBoundMs: number): Finding {
  const { ok, fail, skip } = findingsOf('last look');
  if (msSinceLastLook === undefined)
    return fresh === undefined ? skip('the daemon does not tell') : ok(fresh ? 'fresh' : 'blind');
  const found = `${Math.round(msSinceLastLook)} ms ago`;
  if (fresh ?? msSinceLastLook < staleBoundMs) return ok(`${found}: memory answers`);
  return fail(
    `${found}: memory does not answer`,
    'the daemon does not reach Postgres: see the checks of the database, and its log',
  );
}
