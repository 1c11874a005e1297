import { CacheError } from '../errors.js';
import { advised } from './advice.js';
import type { ClientLike, PoolLike, Queryable, Row, Statement } from './queryable.js';

/**
 * What is known of a statement that failed: it was never sent; the server refused it and undid it; or the connection
 * broke with the statement under way, and it may have taken effect.
 */
export type FailureKind = 'unreachable' | 'refused' | 'unknown';

export class DatabaseFailure extends Error {
  readonly kind: FailureKind;
  /** SQLSTATE of a refused statement. */
  readonly sqlState: string | undefined;

  constructor(kind: FailureKind, message: string, sqlState?: string) {
    super(message);
    this.name = 'DatabaseFailure';
    this.kind = kind;
    this.sqlState = sqlState;
  }
}

export const LOCK_NOT_AVAILABLE = '55P03';
export const DEADLOCK_DETECTED = '40P01';

/**
 * The server does not know a statement that was prepared on the connection: somebody said DEALLOCATE or DISCARD, or a pooler
 * gave it another server process. It stays so for as long as the connection lives.
 */
const NOT_PREPARED = '26000';

/** In place of a SQLSTATE: a value's bytes could not be turned into columns, and no statement was sent. */
export const NOT_A_VALUE = 'PC002';

/** Missing tables or functions: somebody dropped them, or another schema version took their place. */
export const MISSING_OBJECT: ReadonlySet<string> = new Set(['42P01', '42883', '3F000']);

/** What the driver threw, by its text alone: its other fields may lead to the connection, and that to the password. */
export function failureOf(error: unknown): DatabaseFailure {
  if (error instanceof DatabaseFailure) return error;
  if (error instanceof CacheError && error.code === 'ERR_INVALID_VALUE') {
    return new DatabaseFailure('refused', 'the bytes given are no packed value', NOT_A_VALUE);
  }
  const { message, code, severity } = error as Error & { code?: string; severity?: string };
  const isFromServer = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && severity !== undefined;
  // A backend that is ended by force reports so and goes: whether its statement took effect is not known from that.
  const isOver = severity === 'FATAL' || severity === 'PANIC' || code?.startsWith('57P') || code?.startsWith('08');
  const text = advised(message || String(error));
  return new DatabaseFailure(isFromServer && !isOver ? 'refused' : 'unknown', text, code);
}

/** Whether the connection that it happened on is of no more use. */
export function isSpent({ kind, sqlState }: DatabaseFailure): boolean {
  return kind === 'unknown' || sqlState === NOT_PREPARED;
}

/**
 * For what failed before a statement was sent, such as the making of its table: of the statement itself it is known that
 * it took no effect.
 */
export function neverSent(error: unknown): DatabaseFailure {
  const isWrapped = error instanceof CacheError && error.cause instanceof DatabaseFailure;
  const failure = failureOf(isWrapped ? error.cause : error);
  const kind = failure.kind === 'unknown' ? 'unreachable' : failure.kind;
  return new DatabaseFailure(
    kind,
    isWrapped ? `the cache's tables can't be made: ${failure.message}` : failure.message,
    failure.sqlState,
  );
}

/** What a broken connection says besides failing its statement. Without a listener that would end the process. */
const ignore = () => {};

/** For what a pool says that has no connection to give. */
export function unreachable(error: unknown): DatabaseFailure {
  const { message } = error as Error;
  return new DatabaseFailure('unreachable', `Postgres can't be reached: ${advised(message || String(error))}`);
}

async function clientOf(pool: Pick<PoolLike, 'connect'>): Promise<ClientLike> {
  let client: ClientLike;
  try {
    client = await pool.connect();
  } catch (error) {
    throw unreachable(error);
  }
  client.on?.('error', ignore);
  const release = client.release.bind(client);
  return {
    query: (statement) => client.query(statement),
    release(error) {
      client.removeListener?.('error', ignore);
      release(error);
    },
  };
}

/**
 * The pool, told apart what was never sent, what was refused, and what nobody knows: each statement gets a connection of
 * its own from it, which is thrown away where it broke. Everything rejects with a DatabaseFailure.
 * @param timeoutMs how long the driver waits for an answer, if not as long as the pool says
 */
export function failingPlainly(pool: Pick<PoolLike, 'connect'>, timeoutMs?: number): PoolLike {
  const limit = timeoutMs === undefined ? {} : { query_timeout: timeoutMs };
  const ask = async (client: Queryable, statement: Statement): Promise<{ rows: Row[] }> => {
    try {
      return await client.query({ ...statement, ...limit });
    } catch (error) {
      throw failureOf(error);
    }
  };
  return {
    async query(statement) {
      const client = await clientOf(pool);
      let failure: DatabaseFailure | undefined;
      try {
        return await ask(client, statement);
      } catch (error) {
        failure = error as DatabaseFailure;
        throw error;
      } finally {
        client.release(failure !== undefined && isSpent(failure));
      }
    },
    async connect() {
      const client = await clientOf(pool);
      return { query: (statement) => ask(client, statement), release: (error) => client.release(error) };
    },
  };
}
