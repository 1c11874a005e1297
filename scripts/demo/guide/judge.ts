const NS_PER_MS = 1e6;
const FAULTS_TOLD_MAX = 10;

/** A version of a row: it became so between these two instants, or will, if its commit comes to anything. */
interface Commit {
  readonly version: number;
  readonly sentNs: number;
  confirmedNs: number;
}

interface Row {
  /** Population less version: each change adds one to both. */
  readonly constant: number;
  readonly commits: Commit[];
}

/** What a page shows of a row. */
export interface Shown {
  readonly row: string;
  readonly version: number;
  readonly population: number;
}

export const FAULTS = ['stale', 'mixed', 'torn', 'uncommitted'] as const;
export type Fault = (typeof FAULTS)[number];

/** The rows of a page, HTML or JSON. */
export function rowsOf(body: string): Shown[] {
  return [...body.matchAll(/row"?[=:]"(\w+:\w+):(\d+):(\d+)"/g)].map(([, row, version, population]) => ({
    row: row!,
    version: Number(version),
    population: Number(population),
  }));
}

/**
 * Holds what pages show against what was committed:
 *
 *     stale        a newer version had been confirmed more than the bound before the page was asked for
 *     mixed        two versions of one row
 *     torn         a population that is not that of the version
 *     uncommitted  a version that nobody had sent to commit when the answer was there, or that was rolled back
 */
export class Judge {
  readonly #boundNs: number;
  readonly #rows = new Map<string, Row>();
  readonly counts: Record<Fault, number> = { stale: 0, mixed: 0, torn: 0, uncommitted: 0 };
  readonly examples: string[] = [];
  /** How long after a change was confirmed a page was asked for that did not show it yet, at most. */
  oldestMs = 0;

  constructor(boundMs: number) {
    this.#boundNs = boundMs * NS_PER_MS;
  }

  know({ row, version, population }: Shown): void {
    this.#rows.set(row, {
      constant: population === 0 ? 0 : population - version,
      commits: [{ version, sentNs: 0, confirmedNs: 0 }],
    });
  }

  /** To be called before the change is sent. @returns what to call once it is confirmed */
  sending(row: string, nowNs: number): (confirmedNs: number) => void {
    const { commits } = this.#rows.get(row)!;
    const commit: Commit = {
      version: commits.at(-1)!.version + 1,
      sentNs: nowNs,
      confirmedNs: Number.POSITIVE_INFINITY,
    };
    commits.push(commit);
    return (confirmedNs) => {
      commit.confirmedNs = confirmedNs;
    };
  }

  /** @returns how many faults the page has */
  judge(url: string, body: string, askedNs: number, answeredNs: number): number {
    const before = this.faults;
    const seen = new Map<string, number>();
    for (const shown of rowsOf(body)) {
      const other = seen.get(shown.row);
      if (other !== undefined && other !== shown.version) {
        this.#fault('mixed', `${url} shows ${shown.row} in versions ${other} and ${shown.version}`);
      }
      seen.set(shown.row, shown.version);
      this.#judgeRow(url, shown, askedNs, answeredNs);
    }
    return this.faults - before;
  }

  get faults(): number {
    return FAULTS.reduce((sum, fault) => sum + this.counts[fault], 0);
  }

  #judgeRow(url: string, { row, version, population }: Shown, askedNs: number, answeredNs: number): void {
    const known = this.#rows.get(row);
    if (known === undefined) return;
    const { constant, commits } = known;
    const place = `${url} shows ${row} in version ${version}`;
    if (constant !== 0 && population - version !== constant) {
      this.#fault('torn', `${place} with the population of version ${population - constant}`);
    }
    const own = commits.find((commit) => commit.version === version);
    if (own === undefined || own.sentNs > answeredNs) this.#fault('uncommitted', place);
    const next = commits.find((commit) => commit.version > version);
    if (next === undefined) return;
    const lateNs = askedNs - next.confirmedNs;
    if (lateNs > 0) this.oldestMs = Math.max(this.oldestMs, lateNs / NS_PER_MS);
    if (lateNs > this.#boundNs) {
      this.#fault('stale', `${place}, ${(lateNs / NS_PER_MS).toFixed(0)} ms after ${next.version} was confirmed`);
    }
  }

  #fault(fault: Fault, example: string): void {
    this.counts[fault] += 1;
    if (this.examples.length < FAULTS_TOLD_MAX) this.examples.push(`${fault}: ${example}`);
  }
}
