import { Piscina } from 'piscina';
import type { ClusterLeaseId } from '../shared/table/cluster-lease.js';
import type { Fill, FillResult } from '../shared/table/fill.js';
import type { LookResult } from '../shared/table/look.js';
import type { ReadResult } from '../shared/table/read.js';
import type { Topology } from '../shared/table/topology.js';
import type { WriteBatch, WriteResult } from '../shared/table/write.js';
import { packBlob, transfersOf, unpackBlob } from './blob.js';
import { type Database, DatabaseFailure } from './database.js';
import { Direct } from './direct.js';
import type { Packed } from './packed.js';
import type { Space, TaskName, TaskResult, Tasks, WorkerSettings } from './tasks.js';
import type { TopologyRecord } from './topology.js';

/** Rows that one look may bring; with more, memory is emptied instead. */
const LOOK_ROWS_MAX = 20_000;
/** Tasks that may wait for the workers: far beyond what the limits of sessions and writers let through. */
const TASKS_WAITING_MAX = 100_000;
/** Statements of one worker that may be under way at once: they wait for Postgres, not for the thread. */
const TASKS_PER_WORKER = 64;

export interface WorkersOptions extends WorkerSettings {
  readonly workers: number;
  /** Who sends wake-ups, so that a daemon can tell its own. */
  readonly daemonId: string;
  /** Table and storage of a namespace. */
  space(namespace: string): Space;
  /** A worker has something to say once. */
  onNotice(text: string): void;
}

/**
 * The database: small statements from the main thread itself (direct.ts), the others through the worker threads, where
 * each call is a task, its values one blob that is handed over whole.
 */
export class WorkersDatabase implements Database, TopologyRecord {
  readonly #pool: Piscina;
  readonly #direct: Direct;
  readonly #options: WorkersOptions;

  constructor(options: WorkersOptions) {
    this.#options = options;
    const { connection, pooler, poolSize, table, logged, lockTimeoutMs, lookTimeoutMs } = options;
    const settings = { connection, pooler, table, logged, lockTimeoutMs, lookTimeoutMs };
    this.#direct = new Direct(settings, options.onNotice);
    this.#pool = new Piscina({
      filename: new URL('./worker.js', import.meta.url).href,
      minThreads: options.workers,
      maxThreads: options.workers,
      concurrentTasksPerWorker: TASKS_PER_WORKER,
      maxQueue: TASKS_WAITING_MAX,
      // A worker that sleeps on an Atomic between tasks would not hear its sockets.
      atomics: 'disabled',
      workerData: { ...settings, poolSize } satisfies WorkerSettings,
    });
    // Tasks tell their errors as results; what arrives here is a worker that died, and Piscina starts another.
    this.#pool.on('error', (error: Error) => options.onNotice(`a worker thread failed: ${error.message}`));
  }

  async look(last: string | undefined): Promise<LookResult> {
    const result = await this.#direct.look(last);
    // Many rows: from the same snapshot again, where they hold nobody up.
    return result.rows === undefined ? this.#run('look', [last, LOOK_ROWS_MAX]) : result;
  }

  incarnate(): Promise<boolean> {
    return this.#run('incarnate', []);
  }

  notify(): Promise<void> {
    return this.#direct.notify(this.#options.daemonId);
  }

  /** Daemons that listen at this server, this one included. */
  countListeners(): Promise<number> {
    return this.#direct.countListeners();
  }

  async read(namespace: string, keys: readonly string[]): Promise<ReadResult<Packed>> {
    const space = this.#options.space(namespace);
    const direct = await this.#direct.read(space, keys);
    if (direct !== undefined) return direct;
    const { blob, found, ...rest } = await this.#run('read', [space, keys]);
    const values = unpackBlob(blob);
    return { ...rest, found: found.map((entry, index) => ({ ...entry, bytes: values[index] as Uint8Array })) };
  }

  write(namespace: string, batch: WriteBatch): Promise<WriteResult> {
    const space = this.#options.space(namespace);
    const direct = this.#direct.write(space, batch);
    if (direct !== undefined) return direct;
    const blob = packBlob(batch.items.map((item) => item.bytes));
    const items = batch.items.map(({ bytes: _, ...item }) => item);
    return this.#run('write', [space, { ...batch, items }, blob], transfersOf(blob));
  }

  fill(namespace: string, fills: readonly Fill[]): Promise<FillResult> {
    const space = this.#options.space(namespace);
    const direct = this.#direct.fill(space, fills);
    if (direct !== undefined) return direct;
    const blob = packBlob(fills.map((fill) => fill.bytes));
    const rest = fills.map(({ bytes: _, ...fill }) => fill);
    return this.#run('fill', [space, rest, blob], transfersOf(blob));
  }

  takeLease(id: ClusterLeaseId, forMs: number): Promise<boolean> {
    return this.#run('takeLease', [id, forMs]);
  }

  releaseLease(id: ClusterLeaseId): Promise<void> {
    return this.#run('releaseLease', [id]);
  }

  async ttls(namespace: string, keys: readonly string[]): Promise<Map<string, number>> {
    return new Map(await this.#run('ttls', [this.#options.space(namespace), keys]));
  }

  count(namespace: string): Promise<number> {
    return this.#run('count', [this.#options.space(namespace)]);
  }

  cleanup(namespace: string): Promise<number> {
    return this.#run('cleanup', [this.#options.space(namespace)]);
  }

  trim(floor: string, incarnation: string, everyMs: number): Promise<number> {
    return this.#run('trim', [floor, incarnation, everyMs]);
  }

  readTopology(): Promise<Topology | undefined> {
    return this.#run('readTopology', []);
  }

  beginTopology(before: Topology | undefined, from: string | undefined, topology: Topology): Promise<boolean> {
    return this.#run('beginTopology', [before, from, topology]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#direct.close()]);
  }

  async #run<Name extends TaskName>(
    name: Name,
    args: Parameters<Tasks[Name]>,
    transferList: ArrayBuffer[] = [],
  ): Promise<ReturnType<Tasks[Name]>> {
    let result: TaskResult<ReturnType<Tasks[Name]>>;
    try {
      result = (await this.#pool.run({ name, args }, { transferList })) as typeof result;
    } catch (error) {
      // The worker died with the task, or the pool is closing.
      throw new DatabaseFailure('unknown', error instanceof Error ? error.message : String(error));
    }
    if (!result.ok) throw new DatabaseFailure(result.kind, result.message, result.sqlState);
    if (result.notice !== undefined) this.#options.onNotice(result.notice);
    return result.value;
  }
}
