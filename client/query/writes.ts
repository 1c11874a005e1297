import { CacheError } from '../../shared/errors.js';
import { Lru } from '../../shared/lru.js';
import {
  invalidateAllSql,
  LOG_FUNCTIONS_SQL,
  type LogFunction,
  logWrittenSql,
  WATCHED_TRUST_MS,
  WRITTEN_TAGS_SQL,
} from '../../shared/table/written-sql.js';
import type { StatementFacts } from './facts.js';
import { type DriverClient, isIdle, knownSession, sessionOf } from './session.js';
import { quotedName } from './syntax.js';

/** For how long the functions that invalidate are remembered: a cache that is new in the database is found within it. */
const FUNCTIONS_TTL_MS = 60_000;
/** For how long it is remembered that a query's functions are nobody's but Postgres's and its extensions'. */
const PLAIN_TTL_MS = 60_000;
const VERDICTS_MAX = 2000;
const VERDICT_CHARS_MAX = 4 * 1024 * 1024;

/** What is to be done about a statement. */
export interface Plan {
  /** Logs what it wrote; to be run after it, in its transaction. */
  readonly log: ((client: DriverClient) => Promise<void>) | undefined;
  /** It logs itself, as was seen at this time; once that is too long ago, `log` is to be run all the same. */
  readonly seenMs: number | undefined;
  /** It is known to do no more than its text says. */
  readonly isPlain: boolean;
}

interface Verdict {
  readonly logs: boolean;
  readonly isPlain: boolean;
  readonly seenMs: number;
}

const NOTHING: Plan = { log: undefined, seenMs: undefined, isPlain: false };

export interface WriteLogOptions {
  /** The function of the pool's own cache, once its daemon has told. */
  readonly own: () => Promise<string | undefined>;
  /** The tables that the pool caches, as SQL names them: what may write anything may write these. */
  readonly cachedTables: () => readonly string[];
}

/** What logs the tables that a statement wrote, on the connection that wrote them. */
export class WriteLog {
  readonly #options: WriteLogOptions;
  readonly #verdicts = new Lru<Verdict>({ maxEntries: VERDICTS_MAX, maxBytes: VERDICT_CHARS_MAX });
  #known: readonly LogFunction[] = [];
  #foundMs = Number.NEGATIVE_INFINITY;

  constructor(options: WriteLogOptions) {
    this.#options = options;
  }

  /**
   * To be asked before the statement is sent.
   * @throws CacheError ERR_DATABASE where it would have to be logged and this role may not
   */
  async plan(client: DriverClient, facts: StatementFacts): Promise<Plan> {
    // In a transaction that has failed nothing is done, and nothing can be asked.
    if (!mayWriteTables(facts) || client.getTransactionStatus() === 'E') return NOTHING;
    const functions = await this.#functions(client);
    if (functions.length === 0) return NOTHING;
    const log = (on: DriverClient) => this.#log(on, functions, facts);
    if (facts.changesAll) {
      for (const one of functions) if (!one.allowed) throw denied(one);
      return { ...NOTHING, log };
    }
    const verdict = await this.#verdict(client, functions, facts);
    if (verdict === undefined || verdict.logs) return { ...NOTHING, log, isPlain: verdict?.isPlain ?? false };
    if (isHarmless(verdict, facts)) return { ...NOTHING, isPlain: true };
    return { log, seenMs: verdict.seenMs, isPlain: verdict.isPlain };
  }

  /** After what the driver ran by itself. */
  async afterwards(client: DriverClient, facts: StatementFacts): Promise<void> {
    if (mayWriteTables(facts)) await this.#log(client, await this.#functions(client), facts);
  }

  /** Definitions have changed. */
  forget(): void {
    this.#verdicts.clear();
  }

  /**
   * Whether it would be logged. In a transaction nothing is looked at that could change before its end: a table may be unwatched
   * meanwhile, and settings may be those of the transaction alone.
   */
  async #verdict(
    client: DriverClient,
    functions: readonly LogFunction[],
    facts: StatementFacts,
  ): Promise<Verdict | undefined> {
    const session = isIdle(client) ? await sessionOf(client) : knownSession(client);
    if (session === undefined) return undefined;
    const { written, calls, runsUnknown } = facts;
    const key = JSON.stringify([session.settings, written, calls, runsUnknown, this.#options.cachedTables().length]);
    const known = this.#verdicts.get(key, 0);
    if (known !== undefined) {
      const ageMs = performance.now() - known.seenMs;
      if (isHarmless(known, facts) && ageMs < PLAIN_TTL_MS) return known;
      if (isIdle(client) && (known.logs || ageMs < WATCHED_TRUST_MS)) return known;
    }
    if (!isIdle(client) && written.length > 0) return undefined;
    const seenMs = performance.now();
    const all = [];
    for (const one of functions) all.push(await this.#look(client, one, facts));
    const verdict = {
      logs: all.some(({ tags }) => tags !== null),
      isPlain: all.every(({ isPlain }) => isPlain),
      seenMs,
    };
    this.#verdicts.set(key, verdict, key.length * 2, Number.POSITIVE_INFINITY, 0);
    return isIdle(client) || isHarmless(verdict, facts) ? verdict : undefined;
  }

  async #look(client: DriverClient, one: LogFunction, facts: StatementFacts): Promise<Looked> {
    const values = this.#values(one, facts);
    const { rows } = await client.query<Looked>({ text: WRITTEN_TAGS_SQL, values });
    const looked = rows[0] as Looked;
    if (!one.allowed && looked.tags !== null && !looked.isReadOnly) throw denied(one);
    return looked;
  }

  async #log(client: DriverClient, functions: readonly LogFunction[], facts: StatementFacts): Promise<void> {
    for (const one of functions) {
      if (facts.changesAll) await client.query(invalidateAllSql(one.name));
      else if (one.allowed) await client.query({ text: logWrittenSql(one.name), values: this.#values(one, facts) });
      else await this.#look(client, one, facts);
    }
  }

  #values({ logs }: LogFunction, { written, calls, runsUnknown }: StatementFacts): unknown[] {
    return [
      written.map(quotedName),
      written.map(({ cascade }) => cascade),
      this.#options.cachedTables(),
      runsUnknown,
      calls.map(({ name }) => name),
      calls.map(({ schema }) => schema ?? null),
      logs,
    ];
  }

  /**
   * All that this role may call, and that of the pool's own cache in any case. Asked on the caller's own connection: who holds
   * one of the pool's must not wait for another.
   */
  async #functions(client: DriverClient): Promise<readonly LogFunction[]> {
    const isOld = performance.now() - this.#foundMs > FUNCTIONS_TTL_MS;
    // Where there was none, the first cache may have come since; and a right that was missing may have been granted.
    if (isOld || this.#known.length === 0 || this.#known.some(({ allowed }) => !allowed)) {
      const askedMs = performance.now();
      const { rows } = await client.query<LogFunction>(LOG_FUNCTIONS_SQL);
      const isAnyDenied = rows.some(({ allowed }) => !allowed);
      const own = isAnyDenied ? await this.#options.own() : undefined;
      // Another application's cache, in a schema of its own, must not keep this one from writing.
      this.#known = rows.filter(({ name, allowed }) => allowed || own === undefined || name.endsWith(own));
      this.#foundMs = askedMs;
    }
    return this.#known;
  }
}

interface Looked {
  readonly tags: string[] | null;
  readonly isPlain: boolean;
  readonly isReadOnly: boolean;
}

const mayWriteTables = ({ written, calls, runsUnknown, changesAll }: StatementFacts) =>
  changesAll || runsUnknown || written.length > 0 || calls.length > 0;

/** A query of functions that can do nothing to a table, watched or not. */
const isHarmless = ({ isPlain }: Verdict, { written }: StatementFacts) => isPlain && written.length === 0;

function denied({ name }: LogFunction): CacheError {
  const problem =
    'what this statement writes must be logged for the cache, and this role may not: GRANT USAGE ON SCHEMA and ' +
    `GRANT EXECUTE ON FUNCTION ${name}(text, text[]) to it, or watch the tables (watchTables)`;
  return new CacheError('ERR_DATABASE', problem);
}

/**
 * Runs a statement and logs what it wrote. Outside a transaction it is given one, so that both take effect or neither; inside one
 * the log's row commits or rolls back with it.
 * @param isAlone whether no transaction is open, and it may run inside one
 */
export async function runLogged<T>(
  client: DriverClient,
  send: () => Promise<T>,
  { log, seenMs }: Plan,
  isAlone: boolean,
): Promise<T> {
  if (log === undefined) return send();
  if (seenMs !== undefined && isAlone) {
    const result = await send();
    if (performance.now() - seenMs > WATCHED_TRUST_MS) await log(client);
    return result;
  }
  if (isAlone) await client.query('BEGIN');
  try {
    const result = await send();
    await log(client);
    if (isAlone) await client.query('COMMIT');
    return result;
  } catch (error) {
    // The write's own error is the one to tell; a connection that can't roll back is undone by the server.
    if (isAlone && client.getTransactionStatus() !== 'I') await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
