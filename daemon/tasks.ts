import type { ClusterLeaseId } from '../shared/table/cluster-lease.js';
import type { Fill, FillResult } from '../shared/table/fill.js';
import type { LookResult } from '../shared/table/look.js';
import type { FoundEntry, ReadResult } from '../shared/table/read.js';
import type { Topology } from '../shared/table/topology.js';
import type { Storage } from '../shared/table/value.js';
import type { WriteBatch, WriteItem, WriteResult } from '../shared/table/write.js';
import type { Blob } from './blob.js';
import type { FailureKind } from './database.js';

/** What crosses between the main thread and the workers: a task by name, its bytes apart in one blob. */

/** Which table a namespace has, and how it keeps values. */
export interface Space {
  readonly namespace: string;
  readonly table: string | undefined;
  readonly storage: Storage;
}

export interface Tasks {
  look(last: string | undefined, rowsMax: number): LookResult;
  incarnate(): boolean;
  read(
    space: Space,
    keys: readonly string[],
  ): Omit<ReadResult, 'found'> & {
    found: readonly Omit<FoundEntry, 'bytes'>[];
    blob: Blob;
  };
  write(
    space: Space,
    batch: Omit<WriteBatch, 'items'> & { items: readonly Omit<WriteItem, 'bytes'>[] },
    blob: Blob,
  ): WriteResult;
  fill(space: Space, fills: readonly Omit<Fill, 'bytes'>[], blob: Blob): FillResult;
  takeLease(id: ClusterLeaseId, forMs: number): boolean;
  releaseLease(id: ClusterLeaseId): void;
  ttls(space: Space, keys: readonly string[]): ReadonlyMap<string, number>;
  count(space: Space): number;
  cleanup(space: Space): number;
  trim(floor: string, incarnation: string, everyMs: number): number;
  readTopology(): Topology | undefined;
  beginTopology(before: Topology | undefined, from: string | undefined, topology: Topology): boolean;
}

export type TaskName = keyof Tasks;

export interface Task<Name extends TaskName = TaskName> {
  readonly name: Name;
  readonly args: Parameters<Tasks[Name]>;
}

/** An error is told by its parts: an Error that crosses between threads loses its class. */
export type TaskResult<Value> =
  | { readonly ok: true; readonly value: Value; readonly notice?: string }
  | { readonly ok: false; readonly kind: FailureKind; readonly message: string; readonly sqlState: string | undefined };

export interface StatementSettings {
  readonly connection: object;
  readonly pooler: boolean;
  readonly table: string;
  readonly logged: boolean;
  readonly lockTimeoutMs: number;
  readonly lookTimeoutMs: number;
}

export interface WorkerSettings extends StatementSettings {
  readonly poolSize: number;
}
