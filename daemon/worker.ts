import pg from 'pg';
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { releaseClusterLease, takeClusterLease } from '../shared/table/cluster-lease.js';
import { failingPlainly, failureOf, MISSING_OBJECT, neverSent } from '../shared/table/failure.js';
import { offerFills } from '../shared/table/fill.js';
import { incarnate, look, notify } from '../shared/table/look.js';
import { migrateCore, migrateSpace, type Schema } from '../shared/table/migrate.js';
import type { SpaceNames } from '../shared/table/names.js';
import { countEntries, readEntries, readTtls } from '../shared/table/read.js';
import { beginTopology, MOVE_TIMEOUT_MS, readTopology } from '../shared/table/topology.js';
import { trim, trimState } from '../shared/table/trim.js';
import { writeBatch } from '../shared/table/write.js';
import { packBlob, transfersOf, unpackBlob } from './blob.js';
import { LOOK_CONNECTIONS } from './connection-options.js';
import type { Space, Task, TaskName, TaskResult, Tasks, WorkerSettings } from './tasks.js';

/**
 * What runs in a worker thread: it owns connections to Postgres and does the slow part of every statement, rows, JSON and
 * packing. Looks and wake-ups have connections of their own, and so have writes, so that none waits for a slow statement of
 * another kind.
 */

const settings = workerData as WorkerSettings;
const prepare = !settings.pooler;

function newPool(size: number): pg.Pool {
  const pool = new pg.Pool({ ...settings.connection, max: size, idleTimeoutMillis: 60_000 });
  // An idle connection that dies is taken out by the pool; without a listener its error would end the process.
  pool.on('error', () => {});
  return pool;
}

const statements = newPool(settings.poolSize);
const writes = newPool(settings.poolSize);
const looks = newPool(LOOK_CONNECTIONS);

const db = failingPlainly(statements);
const writeDb = failingPlainly(writes);
const lookDb = failingPlainly(looks, settings.lookTimeoutMs);
const moveDb = failingPlainly(statements, MOVE_TIMEOUT_MS + 1000);

let schema: Promise<Schema> | undefined;
const spaces = new Map<string, Promise<SpaceNames>>();
let notice: string | undefined;

/** Makes the tables on first use, and again if they are found missing; a failure is not remembered. */
function core(): Promise<Schema> {
  schema ??= migrateCore(db, settings).then((made) => {
    if (made.loggedBecause !== undefined) notice = `regular tables in place of UNLOGGED ones: ${made.loggedBecause}`;
    return made;
  });
  schema.catch(() => forget());
  return schema.catch((error) => Promise.reject(neverSent(error)));
}

async function tableOf(space: Space): Promise<SpaceNames> {
  const made = await core();
  let names = spaces.get(space.namespace);
  if (names === undefined) {
    names = migrateSpace(db, made, space.namespace, space.table);
    spaces.set(space.namespace, names);
    names.catch(() => spaces.delete(space.namespace));
  }
  return names.catch((error) => Promise.reject(neverSent(error)));
}

function forget(): void {
  schema = undefined;
  spaces.clear();
}

const tasks: { readonly [Name in TaskName]: (...args: Parameters<Tasks[Name]>) => Promise<ReturnType<Tasks[Name]>> } = {
  look: async (last, rowsMax) => look(lookDb, await core(), last, { rowsMax, prepare }),
  incarnate: async () => incarnate(db, await core()),
  notify: async (from) => notify(lookDb, await core(), from),
  read: async (space, keys) => {
    const { found, ...rest } = await readEntries(db, await core(), await tableOf(space), keys, prepare, true);
    const blob = packBlob(found.map((entry) => entry.bytes));
    return { ...rest, found: found.map(({ bytes: _, ...entry }) => entry), blob };
  },
  write: async (space, batch, blob) => {
    const values = unpackBlob(blob);
    const items = batch.items.map((item, index) => {
      const bytes = values[index];
      return bytes === undefined ? item : { ...item, bytes };
    });
    return writeBatch(writeDb, await tableOf(space), { ...batch, items }, { storage: space.storage, prepare });
  },
  fill: async (space, fills, blob) => {
    const values = unpackBlob(blob);
    const whole = fills.map((fill, index) => ({ ...fill, bytes: values[index] ?? new Uint8Array() }));
    const options = { storage: space.storage, prepare, lockTimeoutMs: settings.lockTimeoutMs };
    return offerFills(writeDb, await tableOf(space), whole, options);
  },
  takeLease: async (id, forMs) => takeClusterLease(writeDb, await core(), id, forMs),
  releaseLease: async (id) => releaseClusterLease(writeDb, await core(), id),
  ttls: async (space, keys) => readTtls(db, await core(), await tableOf(space), keys),
  count: async (space) => countEntries(db, await core(), await tableOf(space)),
  cleanup: async (space) => {
    const made = await core();
    const names = await tableOf(space);
    const state = await trimState(db, made);
    if (state === undefined) return 0;
    const floor = state.snapshot.split(':')[0] as string;
    return trim(db, made, { floor, incarnation: state.incarnation, onlySpaces: [names] });
  },
  trim: async (floor, incarnation, everyMs) => {
    const made = await core();
    const state = await trimState(db, made);
    // Another daemon did it a moment ago.
    if (state === undefined || state.ms_ago < everyMs) return 0;
    return trim(db, made, { floor, incarnation });
  },
  readTopology: async () => readTopology(db, await core()),
  beginTopology: async (before, from, topology) => beginTopology(moveDb, await core(), before, from, topology),
};

/** Runs a task of the main thread. Never throws: an error is a result. */
export default async function run<Name extends TaskName>(
  task: Task<Name>,
): Promise<TaskResult<ReturnType<Tasks[Name]>>> {
  try {
    const value = await tasks[task.name](...task.args);
    const said = notice === undefined ? {} : { notice };
    notice = undefined;
    const result = { ok: true, value, ...said } as const;
    const blob = task.name === 'read' ? (value as ReturnType<Tasks['read']>).blob : undefined;
    if (blob === undefined) return result;
    return move({ [transferableSymbol]: transfersOf(blob), [valueSymbol]: result } as never) as never;
  } catch (error) {
    const failure = failureOf(error);
    if (MISSING_OBJECT.has(failure.sqlState ?? '')) forget();
    return { ok: false, kind: failure.kind, message: failure.message, sqlState: failure.sqlState };
  }
}
