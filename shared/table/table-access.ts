import { setTimeout as sleep } from 'node:timers/promises';
import { CacheError } from '../errors.js';
import {
  type DatabaseFailure,
  DEADLOCK_DETECTED,
  failingPlainly,
  failureOf,
  LOCK_NOT_AVAILABLE,
  MISSING_OBJECT,
  neverSent,
} from './failure.js';
import { incarnate } from './look.js';
import { migrateCore, migrateSpace, type Schema } from './migrate.js';
import type { SpaceNames } from './names.js';
import type { PoolLike } from './queryable.js';

/** How long one statement waits for a row that somebody else holds. */
export const LOCK_WAIT_MS = 500;
/** How often a statement is sent that meets locks or deadlocks, or finds the tables or their meta row gone. */
const ATTEMPTS_MAX = 8;
const PAUSE_MS_MAX = 100;

const SERIALIZATION_FAILURE = '40001';
const CONFLICTS = new Set([LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, SERIALIZATION_FAILURE]);

/** The tables of one namespace, made. */
export interface Made {
  readonly schema: Schema;
  readonly space: SpaceNames;
}

export interface TableAccessOptions {
  readonly pool: PoolLike;
  readonly table: string;
  readonly namespace: string;
  readonly logged: boolean;
}

/** Whether a statement may be repeated when nobody knows what became of it. */
export type StatementKind = 'read' | 'write';

/**
 * Statements on one namespace's table. Makes the table on first use, and again where it is found missing; makes an
 * incarnation where a crash took it; repeats what failed and is known to have changed nothing; and tells what cannot be
 * had as a CacheError.
 */
export class TableAccess {
  readonly db: PoolLike;
  readonly #options: TableAccessOptions;
  #made: Promise<Made> | undefined;

  constructor(options: TableAccessOptions) {
    this.#options = options;
    this.db = failingPlainly(options.pool);
  }

  /** @throws (rejects) DatabaseFailure; a failure is not remembered */
  made(): Promise<Made> {
    if (this.#made !== undefined) return this.#made;
    const made = this.#make();
    this.#made = made;
    made.catch(() => this.#forget(made));
    return made;
  }

  /**
   * Runs a statement.
   * @param isLost whether the result says that the meta row is gone, so that nothing was done
   * @throws (rejects) CacheError ERR_DATABASE; for a write whose connection broke ERR_UNKNOWN_OUTCOME
   */
  async run<T>(
    kind: StatementKind,
    statement: (db: PoolLike, made: Made) => Promise<T>,
    isLost: (result: T) => boolean = () => false,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      let made: Promise<Made> | undefined;
      try {
        made = this.made();
        const tables = await made;
        const result = await statement(this.db, tables);
        if (!isLost(result)) return result;
        if (attempt === ATTEMPTS_MAX) throw new CacheError('ERR_DATABASE', 'the cache is emptied again and again');
        await incarnate(this.db, tables.schema);
      } catch (error) {
        if (error instanceof CacheError) throw error;
        const failure = failureOf(error);
        const again = attempt < ATTEMPTS_MAX && this.#mayRepeat(failure, kind, attempt);
        if (!again) throw errorOf(failure, kind);
        if (MISSING_OBJECT.has(failure.sqlState ?? '')) this.#forget(made);
        else await sleep(Math.random() * Math.min(PAUSE_MS_MAX, 5 * 2 ** attempt));
      }
    }
  }

  async #make(): Promise<Made> {
    const { table, namespace, logged } = this.#options;
    try {
      const schema = await migrateCore(this.db, { table, logged });
      const space = await migrateSpace(this.db, schema, namespace);
      return { schema, space };
    } catch (error) {
      throw neverSent(error);
    }
  }

  #forget(made: Promise<Made> | undefined): void {
    if (this.#made === made) this.#made = undefined;
  }

  /** A read is repeated once on another connection: the pool may have held some that a restart of Postgres broke. */
  #mayRepeat(failure: DatabaseFailure, kind: StatementKind, attempt: number): boolean {
    if (failure.kind === 'unknown') return kind === 'read' && attempt === 1;
    const state = failure.sqlState ?? '';
    return failure.kind === 'refused' && (CONFLICTS.has(state) || (MISSING_OBJECT.has(state) && attempt === 1));
  }
}

function errorOf(failure: DatabaseFailure, kind: StatementKind): CacheError {
  if (failure.kind === 'unknown' && kind === 'write') {
    return new CacheError(
      'ERR_UNKNOWN_OUTCOME',
      `the connection broke while a write was under way: ${failure.message}`,
      failure,
    );
  }
  return new CacheError('ERR_DATABASE', failure.message, failure);
}
