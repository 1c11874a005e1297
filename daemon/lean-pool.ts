import type pg from 'pg';
import { failureOf, isSpent, unreachable } from '../shared/table/failure.js';
import type { ClientLike, PoolLike, Row, Statement, TextQueryable, TextRow } from '../shared/table/queryable.js';
import { LeanQuery } from './lean-query.js';

/** A connection that nobody has used for so long, or up to twice that, goes back to the pool, which closes it in the end. */
const HOLD_MS = 5_000;

/** A connection out of the pool. */
interface Held {
  readonly client: pg.PoolClient;
  readonly onError: () => void;
  /** Since the last sweep. */
  wasUsed: boolean;
  /** It broke, which who works with it need not have noticed: between two statements nothing fails. */
  isLost: boolean;
}

/**
 * A pool whose connections stay checked out between two statements: to take one from pg's pool and give it back costs
 * timers, events and two turns of promises, as much as the statement itself. All who use the pool must use it through here,
 * or they would wait for what is held.
 *
 *     in the pool ── taken ──▶ at work ── done, nobody waits ──▶ held ── taken ──▶ at work
 *         ▲                     │ broken: closed                  │ unused, or broken
 *         └── done, somebody waits for the pool ──────────────────┘
 */
export class LeanPool implements Pick<PoolLike, 'connect'>, TextQueryable {
  readonly #pool: pg.Pool;
  readonly #holdMs: number;
  readonly #idle: Held[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(pool: pg.Pool, holdMs = HOLD_MS) {
    this.#pool = pool;
    this.#holdMs = holdMs;
  }

  /**
   * A statement on a connection of its own, with rows as texts.
   * @param timeoutMs how long to wait for the answer, if not as long as the connection says
   * @throws (rejects) DatabaseFailure; its connection is thrown away where it broke
   */
  rows(statement: Statement, timeoutMs?: number): Promise<readonly TextRow[]> {
    const held = this.#take();
    if (held !== undefined) return this.#ask(held, statement, timeoutMs);
    return this.#connect().then(
      (made) => this.#ask(made, statement, timeoutMs),
      (error) => Promise.reject(unreachable(error)),
    );
  }

  /** @throws (rejects) what the driver says, as pg's pool does: for `failingPlainly` */
  async connect(): Promise<ClientLike> {
    const held = this.#take() ?? (await this.#connect());
    return {
      query: (statement) => held.client.query<Row>(statement),
      release: (error) => this.#free(held, error !== undefined && error !== false),
    };
  }

  /** Gives back all that is held, from now on at once. What is at work is not waited for. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const held of this.#idle.splice(0)) this.#giveBack(held, false);
  }

  /** The last one used: those that are not needed get old. */
  #take(): Held | undefined {
    const held = this.#idle.pop();
    if (held !== undefined) held.wasUsed = true;
    return held;
  }

  async #connect(): Promise<Held> {
    for (;;) {
      const held = await this.#taken();
      if (!held.isLost) return held;
      // It broke before it was here: nothing was sent on it.
      this.#giveBack(held, true);
    }
  }

  /**
   * Listens from the moment the pool does not any more, which with its promise would be a turn of the microtasks later: where
   * the answer before and the end of the connection arrive together, the end is told in between, and would end the process.
   */
  #taken(): Promise<Held> {
    return new Promise((resolve, reject) => {
      this.#pool.connect((error, client) => {
        if (client === undefined) {
          reject(error);
          return;
        }
        const held: Held = { client, onError: () => this.#lost(held), wasUsed: true, isLost: false };
        client.on('error', held.onError);
        resolve(held);
      });
    });
  }

  #ask(held: Held, statement: Statement, timeoutMs: number | undefined): Promise<readonly TextRow[]> {
    return new Promise((resolve, reject) => {
      const query = new LeanQuery(
        statement,
        (error, rows = []) => {
          if (error === null) {
            this.#free(held, false);
            resolve(rows);
            return;
          }
          const failure = failureOf(error);
          this.#free(held, isSpent(failure));
          reject(failure);
        },
        timeoutMs,
      );
      // The driver's types know its own Connection, of which the query object uses less.
      held.client.query(query as unknown as pg.Submittable);
    });
  }

  #free(held: Held, isBroken: boolean): void {
    if (isBroken || held.isLost || this.#closed || this.#pool.waitingCount > 0) {
      this.#giveBack(held, isBroken || held.isLost);
      return;
    }
    this.#idle.push(held);
    this.#timer ??= setTimeout(() => this.#sweep(), this.#holdMs).unref();
  }

  #giveBack(held: Held, isBroken: boolean): void {
    held.client.removeListener('error', held.onError);
    held.client.release(isBroken);
  }

  /** A connection broke. The statement on it fails by itself; where there is none, the connection goes. */
  #lost(held: Held): void {
    held.isLost = true;
    const at = this.#idle.indexOf(held);
    if (at < 0) return;
    this.#idle.splice(at, 1);
    this.#giveBack(held, true);
  }

  #sweep(): void {
    this.#timer = undefined;
    for (const held of this.#idle.splice(0)) {
      if (!held.wasUsed) {
        this.#giveBack(held, false);
        continue;
      }
      held.wasUsed = false;
      this.#idle.push(held);
    }
    if (this.#idle.length > 0) this.#timer = setTimeout(() => this.#sweep(), this.#holdMs).unref();
  }
}
