import type { ClusterLeaseId } from '../shared/table/cluster-lease.js';
import type { Fill, FillResult } from '../shared/table/fill.js';
import type { LookResult } from '../shared/table/look.js';
import type { ReadResult } from '../shared/table/read.js';
import type { WriteBatch, WriteResult } from '../shared/table/write.js';
import type { Database } from './database.js';
import type { Packed } from './packed.js';

/**
 * A database whose entries may be out of bounds for a while (members.ts). Following its log never is: that is how the end
 * of it is learned.
 */
export class BarredDatabase implements Database {
  readonly #database: Database;
  /** Undefined where statements may pass; else a promise that rejects with a DatabaseFailure where they may not. */
  readonly #bar: () => Promise<void> | undefined;

  constructor(database: Database, bar: () => Promise<void> | undefined) {
    this.#database = database;
    this.#bar = bar;
  }

  look(last: string | undefined): Promise<LookResult> {
    return this.#database.look(last);
  }

  incarnate(): Promise<boolean> {
    return this.#database.incarnate();
  }

  notify(): Promise<void> {
    return this.#database.notify();
  }

  trim(floor: string, incarnation: string, everyMs: number): Promise<number> {
    return this.#database.trim(floor, incarnation, everyMs);
  }

  read(namespace: string, keys: readonly string[]): Promise<ReadResult<Packed>> {
    return this.#pass(() => this.#database.read(namespace, keys));
  }

  write(namespace: string, batch: WriteBatch): Promise<WriteResult> {
    return this.#pass(() => this.#database.write(namespace, batch));
  }

  fill(namespace: string, fills: readonly Fill[]): Promise<FillResult> {
    return this.#pass(() => this.#database.fill(namespace, fills));
  }

  takeLease(id: ClusterLeaseId, forMs: number): Promise<boolean> {
    return this.#pass(() => this.#database.takeLease(id, forMs));
  }

  releaseLease(id: ClusterLeaseId): Promise<void> {
    return this.#database.releaseLease(id);
  }

  ttls(namespace: string, keys: readonly string[]): Promise<Map<string, number>> {
    return this.#pass(() => this.#database.ttls(namespace, keys));
  }

  count(namespace: string): Promise<number> {
    return this.#pass(() => this.#database.count(namespace));
  }

  cleanup(namespace: string): Promise<number> {
    return this.#pass(() => this.#database.cleanup(namespace));
  }

  #pass<T>(statement: () => Promise<T>): Promise<T> {
    const barred = this.#bar();
    return barred === undefined ? statement() : barred.then(statement);
  }
}
