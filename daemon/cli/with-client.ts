import type { PgCachedClient } from '../../client/index.js';
import { DEFAULT_TIMEOUT_MS } from '../../shared/protocol.js';
import { loadConfig } from '../config.js';
import { environmentOf, type OptionName } from '../options.js';
import type { Call } from './command.js';
import type { CommandOptionName } from './command-options.js';
import { UsageError } from './exit.js';
import { connect } from './parts.js';

/** What commands that talk to the daemon accept. */
export const CLIENT_OWN: readonly CommandOptionName[] = ['namespace', 'timeoutMs'];
export const CLIENT_OPTIONS: readonly OptionName[] = ['socket'];

/** Runs `work` with a client of the daemon; every failure rejects, nothing is taken for a miss. */
export async function withClient<T>(
  call: Call,
  work: (client: PgCachedClient, socket: string) => Promise<T>,
): Promise<T> {
  const socket = socketOf(call);
  const namespace = typeof call.own.namespace === 'string' ? { namespace: call.own.namespace } : {};
  const client = await connect({ socket, ...namespace, timeoutMs: timeoutOf(call), onUnavailable: 'throw' });
  try {
    return await work(client, socket);
  } finally {
    await client.close();
  }
}

/** Only the socket counts here: what is wrong with the daemon's other options is not this command's business. */
function socketOf({ flags, environment }: Call): string {
  const wanted = ['XDG_RUNTIME_DIR', environmentOf('socket')];
  return loadConfig({ flags, environment: Object.fromEntries(wanted.map((name) => [name, environment[name]])) }).socket;
}

function timeoutOf({ own }: Call): number {
  if (own.timeoutMs === undefined) return DEFAULT_TIMEOUT_MS;
  const timeoutMs = Number(own.timeoutMs);
  if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1) {
    throw new UsageError('--timeout-ms must be a whole number of milliseconds from 1');
  }
  return timeoutMs;
}
