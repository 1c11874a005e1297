import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { failureOf } from '../shared/table/failure.js';
import { packBlob, transfersOf, unpackBlob } from './blob.js';
import { LOOK_CONNECTIONS } from './connection-options.js';
import { Statements } from './statements.js';
import type { Task, TaskName, TaskResult, Tasks, WorkerSettings } from './tasks.js';

/** What runs in a worker thread: the statements that are too big, too many or too slow for the main thread. */

const settings = workerData as WorkerSettings;
const { poolSize } = settings;
const statements = new Statements(settings, { reads: poolSize, writes: poolSize, looks: LOOK_CONNECTIONS });

const tasks: { readonly [Name in TaskName]: (...args: Parameters<Tasks[Name]>) => Promise<ReturnType<Tasks[Name]>> } = {
  look: (last, rowsMax) => statements.look(last, rowsMax),
  incarnate: () => statements.incarnate(),
  read: async (space, keys) => {
    const { found, ...rest } = await statements.read(space, keys);
    const blob = packBlob(found.map((entry) => entry.bytes));
    return { ...rest, found: found.map(({ bytes: _, ...entry }) => entry), blob };
  },
  write: (space, batch, blob) => {
    const values = unpackBlob(blob);
    const items = batch.items.map((item, index) => {
      const bytes = values[index];
      return bytes === undefined ? item : { ...item, bytes };
    });
    return statements.write(space, { ...batch, items });
  },
  fill: (space, fills, blob) => {
    const values = unpackBlob(blob);
    return statements.fill(
      space,
      fills.map((fill, index) => ({ ...fill, bytes: values[index] ?? new Uint8Array() })),
    );
  },
  takeLease: (id, forMs) => statements.takeLease(id, forMs),
  releaseLease: (id) => statements.releaseLease(id),
  ttls: (space, keys) => statements.ttls(space, keys),
  count: (space) => statements.count(space),
  cleanup: (space) => statements.cleanup(space),
  trim: (floor, incarnation, everyMs) => statements.trim(floor, incarnation, everyMs),
  readTopology: () => statements.readTopology(),
  beginTopology: (before, from, topology) => statements.beginTopology(before, from, topology),
};

/** Runs a task of the main thread. Never throws: an error is a result. */
export default async function run<Name extends TaskName>(
  task: Task<Name>,
): Promise<TaskResult<ReturnType<Tasks[Name]>>> {
  try {
    const value = await tasks[task.name](...task.args);
    const notice = statements.takeNotice();
    const result = { ok: true, value, ...(notice !== undefined && { notice }) } as const;
    const blob = task.name === 'read' ? (value as ReturnType<Tasks['read']>).blob : undefined;
    if (blob === undefined) return result;
    return move({ [transferableSymbol]: transfersOf(blob), [valueSymbol]: result } as never) as never;
  } catch (error) {
    const failure = failureOf(error);
    return { ok: false, kind: failure.kind, message: failure.message, sqlState: failure.sqlState };
  }
}
