import { systemClock } from '../shared/clock.js';
import { RELEASE } from '../shared/release.js';
import { Connection } from './connection.js';
import { openLink } from './link.js';

interface Shared {
  readonly connection: Connection;
  users: number;
}

/** All clients of a process that use one socket share one connection. */
const connections = new Map<string, Shared>();

export function acquireConnection(path: string): Connection {
  let shared = connections.get(path);
  if (shared === undefined) {
    const connection = new Connection({ path, release: RELEASE, openLink, random: Math.random, clock: systemClock });
    shared = { connection, users: 0 };
    connections.set(path, shared);
  }
  shared.users++;
  return shared.connection;
}

/** Closes the connection with its last user. */
export async function releaseConnection(connection: Connection): Promise<void> {
  const shared = connections.get(connection.path);
  if (shared === undefined || shared.connection !== connection || --shared.users > 0) return;
  connections.delete(connection.path);
  await connection.close();
}
