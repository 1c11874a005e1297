/**
 * Why a read had to be at least as new as some version:
 * - `host`: a process of the same host had been told that the write was done;
 * - `bound`: a process of another host had been told so, staleBoundMs before;
 * - `monotonic`: this process had already seen that version.
 */
export type Reason = 'host' | 'bound' | 'monotonic';

export interface Violation {
  readonly key: string;
  readonly reason: Reason;
  readonly seen: number;
  readonly wanted: number;
  /** How long before the read began the demand had come into force. */
  readonly lateMs: number;
}

/** From `fromNs` on, whoever begins to read must see `version` or a newer one. */
interface Demand {
  readonly version: number;
  readonly fromNs: number;
  readonly reason: Reason;
}

interface History {
  /** A staircase: later demands ask for newer versions; what an earlier one already asks for is not added. */
  readonly demands: Demand[];
  /** For each version that was seen, when the last read that saw it began. */
  readonly lastReadNs: Map<number, number>;
}

const EXAMPLES_MAX = 20;

/**
 * Holds every read of one process against every demand that was in force when the read began. All instants are of one
 * clock, in nanoseconds.
 *
 * The news of another process's write may arrive after a read that it concerns: so reads are remembered, and a demand is
 * tried on the reads of the past as well. A read needs no more than its version and its beginning, and of all reads that
 * saw one version the last to begin is the first to break a demand: a few numbers a key are a whole history.
 */
export class Checker {
  readonly #histories = new Map<string, History>();
  readonly #examples: Violation[] = [];
  #reads = 0;
  #demands = 0;
  #violations = 0;

  get figures(): { reads: number; demands: number; violations: number; examples: readonly Violation[] } {
    return { reads: this.#reads, demands: this.#demands, violations: this.#violations, examples: this.#examples };
  }

  /** The keys of which some version was written, and by now must be seen. */
  demandedKeys(): string[] {
    const isWrite = ({ reason }: Demand): boolean => reason !== 'monotonic';
    return [...this.#histories].filter(([, { demands }]) => demands.some(isWrite)).map(([key]) => key);
  }

  demand(key: string, version: number, fromNs: number, reason: Reason): void {
    const { demands, lastReadNs } = this.#history(key);
    if (reason !== 'monotonic') this.#demands += 1;
    let at = demands.length;
    while (at > 0 && demands[at - 1]!.fromNs > fromNs) at -= 1;
    if (at > 0 && demands[at - 1]!.version >= version) return;
    let end = at;
    while (end < demands.length && demands[end]!.version <= version) end += 1;
    const demand = { version, fromNs, reason };
    demands.splice(at, end - at, demand);
    for (const [seen, startedNs] of lastReadNs) {
      if (seen < version && startedNs > fromNs) this.#violate(key, seen, startedNs, demand);
    }
  }

  /** A read that began at `startedNs` and had its answer, of this version, at `endedNs`. */
  observe(key: string, version: number, startedNs: number, endedNs: number): void {
    this.#reads += 1;
    const { demands, lastReadNs } = this.#history(key);
    let at = demands.length;
    while (at > 0 && demands[at - 1]!.fromNs >= startedNs) at -= 1;
    const inForce = demands[at - 1];
    if (inForce !== undefined && inForce.version > version) this.#violate(key, version, startedNs, inForce);
    lastReadNs.set(version, Math.max(startedNs, lastReadNs.get(version) ?? 0));
    this.demand(key, version, endedNs, 'monotonic');
  }

  #history(key: string): History {
    let history = this.#histories.get(key);
    if (history === undefined) {
      history = { demands: [], lastReadNs: new Map() };
      this.#histories.set(key, history);
    }
    return history;
  }

  #violate(key: string, seen: number, startedNs: number, { version, fromNs, reason }: Demand): void {
    this.#violations += 1;
    if (this.#examples.length >= EXAMPLES_MAX) return;
    this.#examples.push({ key, reason, seen, wanted: version, lateMs: (startedNs - fromNs) / 1e6 });
  }
}
