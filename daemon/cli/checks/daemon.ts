import { RELEASE } from '../../../shared/release.js';
import type { Config, ConfigInput } from '../../config.js';
import { tellError } from '../exit.js';
import { connect } from '../parts.js';
import { type Finding, findingsOf } from './finding.js';

const ANSWER_LIMIT_MS = 3000;

/** What the checks need of the daemon's own state. */
interface State {
  readonly release?: string;
  readonly fresh?: boolean;
  readonly msSinceLastLook?: number | null;
  readonly config?: ConfigInput;
}

export interface DaemonReport {
  readonly findings: Finding[];
  /** What the daemon runs with, if it answered; its passwords are taken out. */
  readonly config?: ConfigInput;
}

/** Whether a daemon answers, which version it is, and whether it still knows what happens in Postgres. */
export async function checkDaemon({ socket, staleBoundMs }: Config): Promise<DaemonReport> {
  const { fail } = findingsOf('daemon');
  let state: State;
  try {
    state = await stateOf(socket);
  } catch (error) {
    const problem = tellError(error).split('\n')[0]!;
    const findings = [
      fail(`no answer: ${problem}`, 'start it (pgcached daemon); if it runs, see its log'),
      findingsOf('last look').skip('no daemon answers'),
    ];
    return { findings };
  }
  const findings = [checkVersion(state), checkLastLook(state, staleBoundMs)];
  return state.config === undefined ? { findings } : { findings, config: state.config };
}

async function stateOf(socket: string): Promise<State> {
  const client = await connect({ socket, timeoutMs: ANSWER_LIMIT_MS, onUnavailable: 'throw' });
  try {
    return ((await client.status()) ?? {}) as State;
  } finally {
    await client.close();
  }
}

function checkVersion({ release }: State): Finding {
  const { ok, warn } = findingsOf('daemon');
  if (release === undefined || release === RELEASE) return ok(`answers, version ${release ?? 'unknown'}`);
  return warn(`answers, version ${release}; this command is of ${RELEASE}`, 'restart the daemon after an upgrade');
}

/** A daemon that could not look within the bound answers nothing from memory: it is correct, and slow. */
function checkLastLook({ fresh, msSinceLastLook }: State, staleBoundMs: number): Finding {
  const { ok, fail, skip } = findingsOf('last look');
  const advice = 'the daemon does not reach Postgres: see the checks of the database, and its log';
  if (msSinceLastLook === undefined) return skip('the daemon does not tell');
  if (msSinceLastLook === null) return fail('never: memory does not answer', advice);
  const found = `${Math.round(msSinceLastLook)} ms ago`;
  if (fresh ?? msSinceLastLook < staleBoundMs) return ok(`${found}: memory answers`);
  return fail(
    `${found}: memory does not answer`,
    'the daemon does not reach Postgres: see the checks of the database, and its log',
  );
}
