import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { Config } from '../../config.js';
import { type Finding, findingsOf } from './finding.js';

const NOTIFY_LIMIT_MS = 2000;

/**
 * Whether a NOTIFY of one connection reaches another. PgBouncer in transaction mode takes LISTEN without a word and
 * delivers nothing. Without it invalidations from other servers arrive by the poll: later, but they arrive.
 */
export async function checkListen(
  listener: pg.Client,
  sender: pg.Client,
  { pollIntervalMs, pooler, listenUrl }: Config,
): Promise<Finding> {
  const { ok, warn, skip } = findingsOf('LISTEN');
  if (listenUrl !== undefined) return skip('the daemon listens at listenUrl: pgcached status tells whether it hears');
  if (pooler) {
    return warn(
      `a pooler is between: changes made elsewhere are noticed every ${pollIntervalMs} ms; nothing goes stale`,
      'give listenUrl, which leads to Postgres itself, for wake-ups',
    );
  }
  const channel = `pgcached_doctor_${randomBytes(6).toString('hex')}`;
  const sentAt = performance.now();
  let timer: NodeJS.Timeout | undefined;
  let onNotification: ((message: pg.Notification) => void) | undefined;
  try {
    await listener.query(`LISTEN ${channel}`);
    const arrived = new Promise<boolean>((resolve) => {
      onNotification = (message) => message.channel === channel && resolve(true);
      listener.on('notification', onNotification);
      timer = setTimeout(() => resolve(false), NOTIFY_LIMIT_MS);
    });
    await sender.query(`NOTIFY ${channel}`);
    if (await arrived) return ok(`a NOTIFY arrived after ${(performance.now() - sentAt).toFixed(1)} ms`);
  } finally {
    clearTimeout(timer);
    if (onNotification !== undefined) listener.off('notification', onNotification);
    await listener.query(`UNLISTEN ${channel}`);
  }
  return warn(
    `a NOTIFY did not arrive within ${NOTIFY_LIMIT_MS} ms: something between here and Postgres eats it`,
    `nothing goes stale, but changes made elsewhere are noticed only every ${pollIntervalMs} ms: name a URL that leads to Postgres itself, or to a pooler in session mode`,
  );
}

/**
 * Whether a connection keeps its server process, and so what was prepared on it. While another connection holds a
 * transaction, a pooler in transaction mode has to give ours another server process.
 */
export async function checkPrepared(client: pg.Client, other: pg.Client, { pooler }: Config): Promise<Finding> {
  const { ok, warn, fail } = findingsOf('prepared statements');
  const statement = {
    name: `pgcached_doctor_${randomBytes(6).toString('hex')}`,
    text: 'SELECT pg_backend_pid() AS pid',
  };
  let pids: number[] = [];
  let problem: string | undefined;
  try {
    const first = await client.query(statement);
    await other.query('BEGIN');
    await other.query('SELECT 1');
    const second = await client.query(statement);
    pids = [first.rows[0].pid, second.rows[0].pid];
  } catch (error) {
    problem = (error as Error).message;
  } finally {
    await other.query('ROLLBACK');
  }
  const isPooled = problem !== undefined || pids[0] !== pids[1];
  if (isPooled && !pooler) {
    const found =
      problem ?? 'two statements of one connection ran in two server processes: a pooler in transaction mode';
    return fail(found, 'set pooler (--pooler), or name a URL that leads to Postgres itself, which is faster');
  }
  if (isPooled) return ok('a pooler in transaction mode, as configured: nothing is prepared');
  if (!pooler) return ok('a connection keeps what was prepared on it');
  return warn(
    'they work, but pooler is set and keeps them from being used',
    'leave pooler out where no pooler in transaction mode is between',
  );
}
