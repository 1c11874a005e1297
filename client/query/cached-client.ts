import type pg from 'pg';
import { knownFacts } from './classifier.js';
import type { StatementFacts } from './facts.js';
import { type QueryCall, queryCall } from './request.js';
import type { QueryRunner } from './runner.js';
import { type DriverClient, isIdle } from './session.js';
import { ended, isConnected, isOfServer } from './settle.js';
import { type Plan, runLogged, type WriteLog } from './writes.js';

/** What a statement on a connection may have to be told to. */
export interface Listeners {
  readonly pool: pg.Pool;
  readonly runner: QueryRunner;
  readonly log: WriteLog;
}

/** The last of the calls of a connection that are under way. */
const lastCalls = new WeakMap<object, Promise<unknown>>();

/** One call at a time, in the order in which they come: then each knows in what state of the connection it begins. */
function inTurn<T>(client: DriverClient, run: () => Promise<T>): Promise<T> {
  const before = lastCalls.get(client);
  const result = before === undefined ? run() : before.then(run);
  const ended = result.then(
    () => {},
    () => {},
  );
  lastCalls.set(client, ended);
  void ended.then(() => {
    if (lastCalls.get(client) === ended) lastCalls.delete(client);
  });
  return result;
}

/**
 * Runs a call on a connection as the driver would, logs what it writes, and sees to it that what is read through the cache
 * once it resolves is not older.
 * @throws CacheError ERR_DATABASE where what it writes would have to be logged and this role may not: it was not done
 */
export async function runCall(client: DriverClient, call: QueryCall, listeners: Listeners): Promise<pg.QueryResult> {
  const { pool, runner, log } = listeners;
  const facts = call.text === undefined ? undefined : knownFacts(call.text);
  const plan = facts === undefined ? undefined : await log.plan(client, facts);
  if (!facts?.keepsSession && !plan?.isPlain) runner.mayDiffer(client);
  const send = () => (client.query as (...args: unknown[]) => Promise<pg.QueryResult>).apply(client, [...call.args]);
  let result: pg.QueryResult;
  try {
    result =
      facts === undefined || plan === undefined
        ? await send()
        : await runLogged(client, send, plan, isIdle(client) && canBeInside(facts));
  } catch (error) {
    // The connection broke: the server may be at it still, and commit it. What is read next is not to be from before that.
    if (facts !== undefined && isCommitting(facts, plan) && !isOfServer(error)) await ended(pool, client);
    throw error;
  } finally {
    if (facts?.changesCatalog) {
      runner.forgetCatalog();
      log.forget();
    }
    const isInside = client.getTransactionStatus() === 'T' && isConnected(client);
    if (facts !== undefined && isCommitting(facts, plan) && (facts.step === 'commit' || !isInside))
      await runner.wrote();
  }
  if (facts?.written.length === 0 && call.request !== undefined && returnsRows(result))
    await runner.follow(client, call.request);
  return result;
}

/** Rows may be none: what matters is that there are columns. More than one statement gives a list of results. */
const returnsRows = (result: pg.QueryResult) => [result].flat().some(({ fields }) => (fields?.length ?? 0) > 0);

/** What can run in a transaction of ours: one statement that writes rows; definitions and more than one statement may not. */
const canBeInside = (facts: StatementFacts) =>
  !facts.changesAll && !facts.mayCommit && facts.step === undefined && facts.bypass !== 'it is more than one statement';

/** A function that a query calls may write, and triggers log that: it is to be heard of too. */
function isCommitting(facts: StatementFacts, plan: Plan | undefined): boolean {
  if (facts.step === 'commit' || facts.written.length > 0 || facts.changesAll || facts.changesCatalog) return true;
  return !plan?.isPlain && (facts.runsUnknown || facts.calls.length > 0);
}

type Query = pg.PoolClient['query'];

/** Connections as each pool gives them out: the same one is the same object each time, as it is with the driver's. */
const wrappers = new WeakMap<Listeners, WeakMap<DriverClient, pg.PoolClient>>();

/** A connection that a pool has given out, with a `query` that is heard of. All else is the connection's own. */
export function cachedClient(client: DriverClient, listeners: Listeners): pg.PoolClient {
  const ofPool = wrappers.get(listeners) ?? new WeakMap<DriverClient, pg.PoolClient>();
  wrappers.set(listeners, ofPool);
  const wrapper = ofPool.get(client) ?? wrapperOf(client, listeners);
  ofPool.set(client, wrapper);
  return wrapper;
}

function wrapperOf(client: DriverClient, listeners: Listeners): pg.PoolClient {
  const query = (...args: unknown[]): unknown => {
    let call: QueryCall | undefined;
    try {
      call = queryCall(args);
    } catch {
      // The driver says it better.
    }
    const own = client.query as (...all: unknown[]) => unknown;
    if (call === undefined) return own.apply(client, args);
    if (typeof (args[0] as { submit?: unknown } | null)?.submit === 'function')
      return submit(client, args, call, listeners);
    const taken = call;
    return answer(
      inTurn(client, () => runCall(client, taken, listeners)),
      call.callback,
    );
  };
  return new Proxy(client, {
    get(target, property) {
      if (property === 'query') return query as Query;
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function' || property === 'constructor') return value;
      return value.bind(target);
    },
  });
}

/**
 * A cursor, a stream or a COPY: the driver runs it; what it writes is logged after it, in its transaction if there is one. Where
 * that can't be, everything that is made of queries goes: it is too late for an error.
 */
function submit(
  client: DriverClient,
  args: readonly unknown[],
  { text }: QueryCall,
  { runner, log }: Listeners,
): unknown {
  const begin = () => {
    runner.mayDiffer(client);
    (client.query as (...all: unknown[]) => unknown).apply(client, [...args]);
    const logged = text === undefined ? Promise.resolve() : log.afterwards(client, knownFacts(text));
    void logged
      .catch(() => runner.invalidateAll())
      .then(() => runner.wrote())
      .catch(() => {});
  };
  // What comes after it begins in the state in which it leaves the connection.
  const isOver = new Promise<void>((resolve) => {
    const over = () => {
      client.removeListener('drain', over);
      client.removeListener('end', over);
      resolve();
    };
    client.on('drain', over).on('end', over);
    // One that is gone already says neither.
    if (!isConnected(client)) over();
  });
  const before = lastCalls.get(client);
  if (before === undefined) begin();
  else void before.then(begin);
  const ended = (before ?? Promise.resolve()).then(() => isOver);
  lastCalls.set(client, ended);
  void ended.then(() => {
    if (lastCalls.get(client) === ended) lastCalls.delete(client);
  });
  return args[0];
}

/** By the callback, where there is one, else by the promise. */
export function answer<T>(
  run: Promise<T>,
  callback: ((error: Error | undefined, result?: T) => void) | undefined,
): Promise<T> | undefined {
  if (callback === undefined) return run;
  // On a turn of its own: what the callback throws is its caller's, not a rejection of ours.
  run.then(
    (result) => process.nextTick(callback, undefined, result),
    (error: Error) => process.nextTick(callback, error),
  );
  return undefined;
}
