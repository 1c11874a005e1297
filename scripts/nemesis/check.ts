import { checkAccounts } from './check-accounts.js';
import { checkAdds, checkCounters } from './check-counters.js';
import { checkGraced } from './check-graced.js';
import { checkMade } from './check-made.js';
import { checkMisses } from './check-misses.js';
import { groupByKey, type KeyDemands, loadedDemands, registerDemands } from './demands.js';
import type { History, Read, Violation, Write } from './history.js';
import { isGraced, isLoaded, isMade, isQuery, isRegister } from './keys.js';
import { NEVER_COMMITTED } from './source.js';
import type { Staircase } from './staircase.js';

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly reads: number;
  readonly writes: number;
  /** Of a value that was read: how long before the read began a newer write or an invalidation had been acknowledged anywhere. */
  readonly stalestUs: number;
  /** The same of a value that was made of others: what befell any of its parts. */
  readonly stalestMadeUs: number;
  readonly madeReads: number;
  /** Of them, those that were answered with what another read had made. */
  readonly madeHits: number;
  /** Reads that were answered under grace, and how old the oldest was: since an update that its daemon could not know of. */
  readonly graceReads: number;
  readonly stalestGraceUs: number;
  /** Answers to queries, and how long before such a read began an account's newer version had been acknowledged. */
  readonly queryReads: number;
  readonly stalestQueryUs: number;
}

/**
 * Holds a history against the promises of docs/coherence.md. A read may return whatever was current at some instant between
 * its beginning (less the bound, for what others did) and its end.
 * @param boundUs `staleBoundMs`, in microseconds
 */
export function checkHistory(history: History, boundUs: number): Verdict {
  const violations: Violation[] = [];
  const writes = groupByKey(history.writes.filter(({ kind }) => kind !== 'invalidateTags' && kind !== 'clear'));
  for (const own of writes.values()) own.sort((a, b) => a.inv - b.inv);
  const killers = history.writes.filter(({ kind }) => kind === 'invalidateTags' || kind === 'clear');
  const readsOf = groupByKey(history.reads);
  let stalestUs = 0;
  for (const [key, reads] of readsOf) {
    if (!isRegister(key) && !isLoaded(key)) continue;
    const own = writes.get(key) ?? [];
    const demands = isRegister(key) ? registerDemands(own, killers) : loadedDemands(own);
    for (const read of reads) {
      if (read.version !== undefined) demands.seen(read.process).add(read.resp, read.version, read);
    }
    if (isRegister(key)) violations.push(...checkExistence(own, reads), ...checkMisses(own, killers, reads, history));
    for (const read of reads) {
      if (read.version === undefined) continue;
      const violation = tooOld(read, read.version, demands, boundUs);
      if (violation !== undefined) violations.push(violation);
      stalestUs = Math.max(stalestUs, staleness(read, read.version, demands));
    }
  }
  const composed = [...readsOf].filter(([key]) => isMade(key) || isGraced(key));
  const made = checkMade(new Map(composed), { writes, killers, looks: history.looks }, boundUs);
  violations.push(...made.violations, ...checkGraced(new Map(composed), writes), ...checkRolledBack(history.reads));
  violations.push(...checkCounters(history), ...checkAdds(history));
  const queries = checkAccounts(new Map([...readsOf].filter(([key]) => isQuery(key))), writes, boundUs);
  violations.push(...queries.violations);
  const { violations: _made, ...ofMade } = made;
  const { violations: _queries, ...ofQueries } = queries;
  const operations = history.writes.filter(({ kind }) => kind !== 'load').length;
  return { violations, reads: history.reads.length, writes: operations, stalestUs, ...ofMade, ...ofQueries };
}

/** For how long another version, or none, had been due when the read began. */
export function staleness(read: Read, version: number, demands: KeyDemands): number {
  return read.inv - (demands.all.firstAbove(version) ?? read.inv);
}

/**
 * @param version that was read of the key that the demands are of
 * @param seen what the process has read before
 */
export function tooOld(
  read: Read,
  version: number,
  demands: KeyDemands,
  boundUs: number,
  seen: Pick<Staircase<Read | Write>, 'before'> = demands.seen(read.process),
): Violation | undefined {
  const late = isRegister(read.key) ? 'bounded staleness' : 'no late fill, bounded staleness';
  const rules = [
    ['read your writes (process)', demands.process(read.process).before(read.inv)],
    // A near tier of another process follows as soon as it has read what was sent to it: the bound is its promise.
    ['read your writes (host)', read.near ? undefined : demands.host(read.host).before(read.inv)],
    ['monotonic reads', seen.before(read.inv)],
    [late, demands.all.before(read.inv - boundUs)],
  ] as const;
  for (const [promise, demand] of rules) {
    if (demand === undefined || demand.version <= version) continue;
    const sinceMs = (read.inv - demand.at) / 1000;
    const detail = `${read.key}: read ${version}, ${demand.version} or newer was due for ${sinceMs.toFixed(1)} ms`;
    return { promise, detail, operation: read, because: demand.cause };
  }
  return undefined;
}

/** What is read was written: by a write that had begun, and that was not reported as failed. */
function checkExistence(own: readonly Write[], reads: readonly Read[]): Violation[] {
  const sets = new Map(own.filter(({ kind }) => kind === 'set').map((write) => [write.version, write]));
  return reads.flatMap((read): Violation[] => {
    if (read.version === undefined) return [];
    const write = sets.get(read.version);
    if (write !== undefined && write.inv <= read.resp && write.outcome !== 'no') return [];
    const detail = `${read.key}: ${read.version} was ${write === undefined ? 'never written' : 'not to be there'}`;
    return [{ promise: 'only what was written', detail, operation: read, ...(write && { because: write }) }];
  });
}

/** Nobody sees what a transaction wrote that was rolled back. */
function checkRolledBack(reads: readonly Read[]): Violation[] {
  const promise = 'nothing of a rolled back transaction takes effect';
  return reads.flatMap((read): Violation[] => {
    const versions = [read.version ?? 0, ...Object.values(read.parts ?? {})];
    if (Math.max(...versions) < NEVER_COMMITTED) return [];
    return [{ promise, detail: `${read.key}: what was never committed was read`, operation: read }];
  });
}
