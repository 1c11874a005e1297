import { CacheError } from '../shared/errors.js';
import type { ClusterLeaseId } from '../shared/table/cluster-lease.js';
import { DatabaseFailure, NOT_A_VALUE } from '../shared/table/failure.js';
import type { Fill, FillResult } from '../shared/table/fill.js';
import type { LookResult } from '../shared/table/look.js';
import type { ReadResult } from '../shared/table/read.js';
import type { WriteBatch, WriteResult } from '../shared/table/write.js';
import type { Packed } from './packed.js';

export {
  DatabaseFailure,
  DEADLOCK_DETECTED,
  type FailureKind,
  LOCK_NOT_AVAILABLE,
  NOT_A_VALUE,
} from '../shared/table/failure.js';

/**
 * What the daemon asks of Postgres: one statement a call. Everything rejects with a DatabaseFailure.
 * The real one sends each to a worker (workers.ts); the model test brings its own.
 */
export interface Database {
  look(last: string | undefined): Promise<LookResult>;
  incarnate(): Promise<boolean>;
  /** Wakes the listeners of other daemons. */
  notify(): Promise<void>;
  /** Of the keys: those that are live, and those that have expired within their grace. */
  read(namespace: string, keys: readonly string[]): Promise<ReadResult<Packed>>;
  write(namespace: string, batch: WriteBatch): Promise<WriteResult>;
  fill(namespace: string, fills: readonly Fill[]): Promise<FillResult>;
  /** Takes the right to compute a key for the cluster, or prolongs it; false where somebody else holds it. */
  takeLease(id: ClusterLeaseId, forMs: number): Promise<boolean>;
  releaseLease(id: ClusterLeaseId): Promise<void>;
  /** Milliseconds left by key, for the live ones. */
  ttls(namespace: string, keys: readonly string[]): Promise<Map<string, number>>;
  count(namespace: string): Promise<number>;
  /** Trims what expired or was killed in one namespace, up to this moment. @returns rows removed */
  cleanup(namespace: string): Promise<number>;
  /** One round of trimming of everything below a floor of some incarnation. */
  trim(floor: string, incarnation: string, everyMs: number): Promise<number>;
}

/** What a caller is told of a failed statement that changed nothing. */
export function asCacheError(error: unknown): CacheError {
  if (error instanceof CacheError) return error;
  if (error instanceof DatabaseFailure && error.sqlState === NOT_A_VALUE) {
    return new CacheError('ERR_INVALID_VALUE', error.message, error);
  }
  if (error instanceof DatabaseFailure) return new CacheError('ERR_DATABASE', error.message, error);
  return new CacheError('ERR_INTERNAL', error instanceof Error ? error.message : String(error), error);
}
