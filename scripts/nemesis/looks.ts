import { connect, type PgCachedClient } from '../../client/index.js';
import { type Look, nowUs } from './history.js';

const EVERY_MS = 50;
const STATUS_LIMIT_MS = 1_000;
/** The daemon tells whole milliseconds. */
const ROUNDING_US = 1_000;

/** Asks the daemons all the time when they have looked at the log last. */
export class Looks {
  readonly #clients: readonly PgCachedClient[];
  readonly #timer: NodeJS.Timeout;
  #asked = new Set<number>();
  #looks: Look[] = [];

  /** @param sockets of the daemons, by host */
  constructor(sockets: readonly string[]) {
    this.#clients = sockets.map((socket) => connect({ socket, timeoutMs: STATUS_LIMIT_MS, onUnavailable: 'throw' }));
    this.#timer = setInterval(() => {
      for (const host of this.#clients.keys()) if (!this.#asked.has(host)) void this.#ask(host);
    }, EVERY_MS);
  }

  /** What was learned since this was last called. */
  take(): Look[] {
    const taken = this.#looks;
    this.#looks = [];
    return taken;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  async #ask(host: number): Promise<void> {
    this.#asked.add(host);
    const askedUs = nowUs();
    try {
      const { msSinceLastLook: ms } = await this.#clients[host]!.status();
      if (typeof ms === 'number')
        this.#looks.push({ host, sentUs: askedUs - ms * 1_000 - ROUNDING_US, knownUs: nowUs() });
    } catch {
      // It is stopped, or gone: the next one will tell.
    } finally {
      this.#asked.delete(host);
    }
  }
}
