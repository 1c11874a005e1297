import type { Database } from './database.js';

/**
 * The wake-ups that this daemon sends, one at a time: what is written while one is under way is announced by the next.
 * A lost one costs others latency, no more, so failures are left alone.
 */
export class Wakeups {
  readonly #database: Pick<Database, 'notify'>;
  #sending = false;
  #again = false;

  constructor(database: Pick<Database, 'notify'>) {
    this.#database = database;
  }

  send(): void {
    if (this.#sending) {
      this.#again = true;
      return;
    }
    void this.#send();
  }

  async #send(): Promise<void> {
    this.#sending = true;
    do {
      this.#again = false;
      await this.#database.notify().catch(() => {});
    } while (this.#again);
    this.#sending = false;
  }
}
