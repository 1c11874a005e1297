import { randomUUID } from 'node:crypto';
import pgListen, { type Subscriber } from 'pg-listen';
import { backoffMs } from '../shared/backoff.js';
import type { Clock } from './clock.js';

/** How often the listener sends itself a wake-up to see whether it still hears, and how long that may take. */
const CHECK_INTERVAL_MS = 10_000;
const CHECK_TIMEOUT_MS = 3_000;
const RETRY = { firstMs: 100, maxMs: 10_000 };
const CHECK_PREFIX = 'check ';

export interface ListenerOptions {
  readonly connection: object;
  readonly channel: string;
  /** Wake-ups that this daemon sent itself are not passed on. */
  readonly daemonId: string;
  readonly clock: Clock;
  onWake(): void;
  /** Whether wake-ups arrive; a pooler in transaction mode swallows LISTEN without a word. */
  onHearing(deaf: Error | undefined): void;
}

/**
 * LISTEN, supervised. It says only "woken"; correctness never depends on it, since the follower looks anyway.
 *
 *     connecting -- listening --> checking -- heard itself --> listening
 *                -- failed -----> waiting      -- did not ---> waiting -- back-off --> connecting, with a new subscriber
 *
 * pg-listen gives up after some failed reconnects, and does not notice a stopped backend, a pooler that swallows LISTEN or
 * a standby that was promoted; so each fault, whichever, is met with a new subscriber.
 */
export class Listener {
  readonly #options: ListenerOptions;
  #subscriber: Subscriber | undefined;
  #failures = 0;
  #callOff: (() => void) | undefined;
  #expected: string | undefined;
  #stopped = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#callOff?.();
    await this.#discard();
  }

  async #connect(): Promise<void> {
    if (this.#stopped) return;
    const { connection, channel } = this.#options;
    const subscriber = pgListen.default(connection, {
      paranoidChecking: false,
      retryLimit: 0,
      parse: (text) => text,
      serialize: (text) => text,
    });
    this.#subscriber = subscriber;
    subscriber.events.on('error', (error) => this.#failed(subscriber, error));
    subscriber.notifications.on(channel, (payload: unknown) => this.#hear(String(payload ?? '')));
    try {
      await subscriber.connect();
      await subscriber.listenTo(channel);
      // What was committed before LISTEN took hold was not announced to us.
      this.#options.onWake();
      await this.#check(subscriber);
    } catch (error) {
      this.#failed(subscriber, error instanceof Error ? error : new Error(String(error)));
    }
  }

  #hear(payload: string): void {
    if (payload === this.#expected) {
      this.#expected = undefined;
      this.#failures = 0;
      this.#options.onHearing(undefined);
    } else if (payload !== this.#options.daemonId && !payload.startsWith(CHECK_PREFIX)) {
      this.#options.onWake();
    }
  }

  async #check(subscriber: Subscriber): Promise<void> {
    const { clock, channel } = this.#options;
    this.#expected = CHECK_PREFIX + randomUUID();
    this.#callOff = clock.after(CHECK_TIMEOUT_MS, () => {
      if (this.#expected !== undefined) {
        this.#failed(subscriber, new Error('a NOTIFY that this daemon sent itself did not arrive'));
        return;
      }
      this.#callOff = clock.after(CHECK_INTERVAL_MS, () => {
        this.#check(subscriber).catch((error: Error) => this.#failed(subscriber, error));
      });
    });
    await subscriber.notify(channel, this.#expected);
  }

  #failed(subscriber: Subscriber, error: Error): void {
    if (this.#stopped || subscriber !== this.#subscriber) return;
    this.#options.onHearing(error);
    this.#callOff?.();
    void this.#discard();
    this.#callOff = this.#options.clock.after(backoffMs(RETRY, this.#failures), () => void this.#connect());
    this.#failures += 1;
  }

  async #discard(): Promise<void> {
    const subscriber = this.#subscriber;
    this.#subscriber = undefined;
    if (subscriber === undefined) return;
    subscriber.events.removeAllListeners('error');
    subscriber.events.on('error', () => {});
    await subscriber.close().catch(() => {});
  }
}
