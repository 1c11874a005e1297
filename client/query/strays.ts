import type pg from 'pg';
import { isProven } from './query-key.js';
import { type DriverClient, forgetSession, type Session } from './session.js';
import { withClient } from './with-client.js';

/** Connections of a pool whose session may not be as that of the others any more. */
export class Strays {
  readonly #pool: pg.Pool;
  readonly #clients = new Set<DriverClient>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
    pool.on('remove', (client) => this.#clients.delete(client as DriverClient));
  }

  /** Something was run on the connection that may have changed its session. */
  add(client: DriverClient): void {
    forgetSession(client);
    this.#clients.add(client);
  }

  get any(): boolean {
    return this.#clients.size > 0;
  }

  /** Whether a query that ran now would run in the session that was proven: it takes the connection that it would be given. */
  runsAsProven(session: Session): Promise<boolean> {
    return withClient(this.#pool, async (client) => {
      const isSame = await isProven(client, session);
      if (isSame) this.#clients.delete(client);
      return isSame;
    });
  }
}
