import type pg from 'pg';
import { Lru } from '../../shared/lru.js';
import { TEXT_CHARS_MAX, TEXTS_MAX } from './classifier.js';
import { hashOf } from './first-sights.js';
import type { QueryRequest } from './request.js';
import { Worth } from './worth.js';

/** Statements whose worth is known. Each takes up to 8 kB beside its text. */
const STATEMENTS_MAX = 1_000;

/** While so many calls run one query directly, others share one run: it may have become slow since, and all ask for it. */
const SAME_RUNS_MAX = 8;

/** Statements that differ in nothing else are one: an application that writes values into its texts says one thing a thousand times. */
const LITERALS = /'(?:[^']|'')*'|\$?\b\d+(?:\.\d+)?\b/g;
const LISTS = /\?(?:\s*,\s*\?)+/g;
const shapeOf = (text: string): string => text.replace(LITERALS, '?').replace(LISTS, '?');

/** One statement. */
export interface Statement {
  readonly shape: string;
  readonly worth: Worth;
  /** The number of the direct run that ended last, as {@link Adaptive} counts them. */
  lastDirect: number;
}

/** One text of it. */
interface Text {
  readonly statement: Statement;
  readonly hash: number;
}

/** Milliseconds since it was started; NaN where they tell nothing of what usually is. */
export type Stopwatch = () => number;

/** A call of a statement that the cache has to be worth. */
export interface JudgedCall {
  readonly statement: Statement;
  /** Of what it asks for. */
  readonly key: number;
}

/**
 * What is known of statements, which go through the cache or directly as it pays (`Worth`).
 *
 * A statement that goes through the cache again may have been answered by Postgres before. The race:
 *
 *   elsewhere   commits c, of which the daemon here has not heard
 *   here        runs q directly, and sees c
 *               is to go through the cache again, and finds a result from before c
 *
 * So the daemon looks at what is committed before the first call that goes through the cache after a direct run has ended: it is asked
 * once, and whoever comes meanwhile waits for it.
 */
export class Adaptive {
  /** A monotonic clock, in milliseconds. */
  readonly nowMs: () => number;
  readonly #seeCommits: () => Promise<void>;
  /** Made by the pool so far. */
  #connections = 0;
  /** Direct runs that are under way, by key. */
  readonly #running = new Map<number, number>();
  readonly #texts = new Lru<Text>({ maxEntries: TEXTS_MAX, maxBytes: TEXT_CHARS_MAX });
  readonly #statements = new Lru<Statement>({
    maxEntries: STATEMENTS_MAX,
    maxBytes: TEXT_CHARS_MAX,
    onRemove: (_shape, { lastDirect }) => this.#forgotten(lastDirect),
  });
  /** Direct runs that have ended, and how many of them had when a look at what is committed began that has ended. */
  #ended = 0;
  #seen = 0;
  /** The last direct run of statements that are not known any more. */
  #lastForgotten = 0;
  #look: { readonly upTo: number; readonly over: Promise<void> } | undefined;

  /**
   * @param seeCommits has the daemon look at what is committed
   * @param nowMs a monotonic clock in milliseconds
   */
  constructor(pool: Pick<pg.Pool, 'on'>, seeCommits: () => Promise<void>, nowMs = () => performance.now()) {
    this.nowMs = nowMs;
    this.#seeCommits = seeCommits;
    pool.on('connect', () => {
      this.#connections += 1;
    });
  }

  /** The call of a text that is known. */
  find(request: Pick<QueryRequest, 'text' | 'parameters'>): JudgedCall | undefined {
    const known = this.#texts.get(request.text, 0);
    if (known === undefined) return undefined;
    return { statement: known.statement, key: keyOf(known, request) };
  }

  /** The same of any. */
  call(request: Pick<QueryRequest, 'text' | 'parameters'>): JudgedCall {
    const known = this.find(request);
    if (known !== undefined) return known;
    const { text } = request;
    const shape = shapeOf(text);
    let statement = this.#statements.get(shape, 0);
    if (statement === undefined) {
      statement = { shape, worth: new Worth(), lastDirect: this.#lastForgotten };
      this.#statements.set(shape, statement, 2 * shape.length, Number.POSITIVE_INFINITY, 0);
    }
    const added = { statement, hash: hashOf(text) };
    this.#texts.set(text, added, 2 * text.length, Number.POSITIVE_INFINITY, 0);
    return { statement, key: keyOf(added, request) };
  }

  /** Whether the call is to go past the cache. */
  isDirect({ statement, key }: JudgedCall): boolean {
    return statement.worth.isDirect(this.nowMs()) && (this.#running.get(key) ?? 0) < SAME_RUNS_MAX;
  }

  /** Runs a call past the cache. @param run the query's run. @returns what it returns */
  async direct<T>({ statement, key }: JudgedCall, run: () => Promise<T>): Promise<T> {
    const watch = this.stopwatch();
    this.#running.set(key, (this.#running.get(key) ?? 0) + 1);
    let ownMs = Number.NaN;
    try {
      const result = await run();
      ownMs = watch();
      return result;
    } finally {
      const others = (this.#running.get(key) ?? 1) - 1;
      if (others === 0) this.#running.delete(key);
      else this.#running.set(key, others);
      statement.worth.direct(ownMs);
      this.#ended += 1;
      statement.lastDirect = this.#ended;
      const known = this.#statements.peek(statement.shape, 0);
      if (known !== statement) this.#forgotten(this.#ended);
      // It was forgotten during the run, and is known again by another text, or by the same.
      if (known !== undefined) known.lastDirect = this.#ended;
    }
  }

  /**
   * A call has gone through the cache.
   * @param tookMs what it took
   * @param ownMs what its own run of the query took of that; undefined where it was found, or answered by another's run
   * @returns why calls go directly from now on, if they do
   */
  took({ statement: { worth }, key }: JudgedCall, tookMs: number, ownMs: number | undefined): string | undefined {
    if (Number.isNaN(tookMs) || Number.isNaN(ownMs)) return undefined;
    const nowMs = this.nowMs();
    const isOver = ownMs === undefined ? worth.hit(key, tookMs, nowMs) : worth.miss(key, tookMs, ownMs, nowMs);
    return isOver ? reasonOf(worth) : undefined;
  }

  /** Takes the time of a run; of one meanwhile a connection was made, it tells none. */
  stopwatch(): Stopwatch {
    const startedMs = this.nowMs();
    const connections = this.#connections;
    return () => (connections === this.#connections ? this.nowMs() - startedMs : Number.NaN);
  }

  /** To be awaited before a call goes through the cache. */
  async seeDirectRuns({ statement }: JudgedCall): Promise<void> {
    const { lastDirect } = statement;
    if (lastDirect <= this.#seen) return;
    if (this.#look === undefined || this.#look.upTo < lastDirect) {
      const upTo = this.#ended;
      const over = this.#seeCommits().then(() => {
        this.#seen = Math.max(this.#seen, upTo);
      });
      this.#look = { upTo, over };
    }
    await this.#look.over;
  }

  #forgotten(lastDirect: number): void {
    this.#lastForgotten = Math.max(this.#lastForgotten, lastDirect);
  }
}

/** Of longer parameters the beginning is hashed: that they are taken for one now and then does no harm. */
const HASHED_CHARS_MAX = 256;

/** A hash of what the call asks for. */
function keyOf({ hash }: Text, { parameters = [] }: Pick<QueryRequest, 'parameters'>): number {
  let key = hash;
  for (const { sent } of parameters) {
    const text = typeof sent === 'string' ? sent : (sent?.toString('latin1', 0, HASHED_CHARS_MAX) ?? '');
    key = hashOf(`${sent === null ? -1 : text.length} ${text.slice(0, HASHED_CHARS_MAX)}`, key);
  }
  return key;
}

function reasonOf({ figures, directCallsMax }: Worth): string {
  const { ownMs, addedMs, hitShare } = figures;
  const measured = `${(100 * hitShare).toFixed(0)} % are hits, and others take ${addedMs.toFixed(2)} ms more than the ${ownMs.toFixed(2)} ms of the query itself`;
  return `caching it costs more than it saves: ${measured}; it runs directly for the next ${directCallsMax} calls`;
}
