import { backoffMs } from '../shared/backoff.js';
import type { ClusterLeaseId } from '../shared/table/cluster-lease.js';
import type { Clock } from './clock.js';
import type { Database } from './database.js';

/** How long a lease holds without being renewed: so long others wait for a daemon that died with it. */
export const CLUSTER_LEASE_MS = 3_000;
const RENEW_MS = CLUSTER_LEASE_MS / 3;
/** Waits between looks whether another server has come to an end. */
const POLL = { firstMs: 10, maxMs: 250 };
/** A wake-up may be about anything, and in a busy cluster there are many: no look follows another faster than this. */
const LOOK_GAP_MS = 20;

/** The right to compute one key for the cluster. It is renewed until it is released. */
export interface ClusterLease {
  release(): void;
}

export interface ClusterLeasesOptions {
  readonly namespace: string;
  readonly database: Pick<Database, 'takeLease' | 'releaseLease'>;
  readonly clock: Clock;
  newId(): string;
  /** A lease was released: servers that wait for it are to look. */
  onReleased(): void;
}

/**
 * `coalesce: 'cluster'` in one namespace: rows in the database say which server computes which key. Nothing is proved by
 * them; they save work. That a value is right is up to its base, as for any load.
 *
 *     taken -- load ended, or its holder gone --> released; waiting servers are woken, read the table, and one takes over
 *           -- daemon gone ---------------------> over, by the database's clock
 */
export class ClusterLeases {
  readonly #options: ClusterLeasesOptions;
  readonly #waiting = new Set<() => void>();
  /** Releases that are under way: a lease of the same key is not asked for meanwhile. */
  readonly #releasing = new Map<string, Promise<void>>();

  constructor(options: ClusterLeasesOptions) {
    this.#options = options;
  }

  /** @returns undefined where another server holds it. @throws (rejects) DatabaseFailure */
  async take(key: string): Promise<ClusterLease | undefined> {
    await this.#releasing.get(key);
    const { namespace, database, newId } = this.#options;
    const id: ClusterLeaseId = { namespace, key, lease: newId() };
    if (!(await database.takeLease(id, CLUSTER_LEASE_MS))) return undefined;
    const stop = this.#renew(id);
    return {
      release: () => {
        stop();
        this.#release(id);
      },
    };
  }

  /** Waits a moment, or until something was heard that may be the end of another server's load. */
  wait(attempt: number): Promise<void> {
    const { clock } = this.#options;
    const sinceMs = clock.now();
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(wake);
        callOff();
        resolve();
      };
      const wake = () => {
        this.#waiting.delete(wake);
        callOff();
        callOff = clock.after(Math.max(0, sinceMs + LOOK_GAP_MS - clock.now()), done);
      };
      let callOff = clock.after(backoffMs(POLL, attempt), done);
      this.#waiting.add(wake);
    });
  }

  wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #renew(id: ClusterLeaseId): () => void {
    const { clock, database } = this.#options;
    let stopped = false;
    let callOff = () => {};
    const next = () => {
      callOff = clock.after(RENEW_MS, () => {
        // Where it has passed to somebody else, two compute: that costs work, no more. An error is tried again.
        database.takeLease(id, CLUSTER_LEASE_MS).then(
          (isHeld) => {
            // The renewal may have come after the release.
            if (stopped) this.#release(id);
            else if (isHeld) next();
          },
          () => {
            if (!stopped) next();
          },
        );
      });
    };
    next();
    return () => {
      stopped = true;
      callOff();
    };
  }

  #release(id: ClusterLeaseId): void {
    const { database, onReleased } = this.#options;
    const released = database.releaseLease(id).then(onReleased, () => {});
    this.#releasing.set(id.key, released);
    void released.then(() => {
      if (this.#releasing.get(id.key) === released) this.#releasing.delete(id.key);
    });
  }
}
