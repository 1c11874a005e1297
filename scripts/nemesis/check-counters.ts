import { groupByKey } from './demands.js';
import type { Crash, History, Read, Violation, Write } from './history.js';
import { isCounter } from './keys.js';

const EXACTLY_ONCE = 'an increment takes effect exactly once';

/**
 * Increments by one. A crash starts a counter anew, so each stretch between two crashes is held against the promise by itself; an
 * operation that was under way during a crash may belong to either side, and counts as of unknown outcome in both.
 */
export function checkCounters({ writes, reads, crashes }: History): Violation[] {
  const readsOf = groupByKey(reads.filter(({ key }) => isCounter(key)));
  const incrs = groupByKey(writes.filter(({ kind, outcome }) => kind === 'incr' && outcome !== 'no'));
  return [...incrs].flatMap(([key, all]) => eras(crashes).flatMap((era) => checkEra(all, readsOf.get(key) ?? [], era)));
}

interface Era {
  readonly from: number;
  readonly to: number;
}

function eras(crashes: readonly Crash[]): Era[] {
  const starts = [Number.NEGATIVE_INFINITY, ...crashes.map(({ end }) => end)];
  return starts.map((from, at) => ({ from, to: crashes[at]?.start ?? Number.POSITIVE_INFINITY }));
}

function checkEra(all: readonly Write[], reads: readonly Read[], { from, to }: Era): Violation[] {
  const isWithin = ({ inv, resp }: Read | Write): boolean =>
    inv >= from && resp <= to && resp !== Number.POSITIVE_INFINITY;
  const sure = all.filter((one) => one.outcome === 'ok' && isWithin(one)).sort((a, b) => a.version - b.version);
  const isSure = new Set(sure);
  const maybe = all.filter(
    (one) => !isSure.has(one) && one.inv <= to && (one.resp >= from || one.outcome === 'unknown'),
  );
  const violations: Violation[] = [];
  for (const [at, one] of sure.entries()) {
    const last = sure[at - 1];
    if (last !== undefined && last.version === one.version) {
      const detail = `${one.key}: two increments returned ${one.version}`;
      violations.push({ promise: EXACTLY_ONCE, detail, operation: one, because: last });
    }
    // The other numbers below were given to increments whose callers do not know it.
    const unaccounted = one.version - (at + 1) - maybe.filter(({ inv }) => inv <= one.resp).length;
    if (unaccounted > 0) {
      const detail = `${one.key}: ${one.version} is ${unaccounted} more than all increments together`;
      violations.push({ promise: EXACTLY_ONCE, detail, operation: one, ...(last && { because: last }) });
      break; // the same surplus stays for the rest
    }
  }
  return [...violations, ...goingBack(sure, reads.filter(isWithin))];
}

/** Whoever begins after an increment was acknowledged sees at least its number, and an increment a higher one. */
function goingBack(sure: readonly Write[], reads: readonly Read[]): Violation[] {
  const violations: Violation[] = [];
  const done = [...sure].sort((a, b) => a.resp - b.resp);
  const begun = [...sure, ...reads].sort((a, b) => a.inv - b.inv);
  let highest: Write | undefined;
  let next = 0;
  for (const one of begun) {
    for (; next < done.length && done[next]!.resp < one.inv; next++) {
      if (highest === undefined || done[next]!.version > highest.version) highest = done[next]!;
    }
    if (highest === undefined) continue;
    const least = one.kind === 'incr' ? highest.version + 1 : highest.version;
    if ((one.version ?? 0) >= least) continue;
    const detail = `${one.key}: ${one.version ?? 'nothing'} after ${highest.version}`;
    violations.push({ promise: 'counters do not go back', detail, operation: one, because: highest });
  }
  return violations;
}

/** Of all who add one key, one is told that it did; and nobody is told that another did where there is none. */
export function checkAdds({ writes, crashes }: History): Violation[] {
  const violations: Violation[] = [];
  const promise = 'one of many adds succeeds';
  const isCrashed = (from: number, to: number): boolean => crashes.some(({ start, end }) => end >= from && start <= to);
  for (const [key, adds] of groupByKey(writes.filter(({ kind, outcome }) => kind === 'add' && outcome !== 'no'))) {
    const sorted = adds.sort((a, b) => a.inv - b.inv);
    const won = sorted.filter(({ outcome, version }) => outcome === 'ok' && version === 1);
    for (const [at, one] of won.entries()) {
      const other = won[at - 1];
      if (other === undefined || isCrashed(Math.min(one.inv, other.inv), Math.max(one.resp, other.resp))) continue;
      violations.push({ promise, detail: `${key}: two succeeded`, operation: one, because: other });
    }
    for (const one of sorted.filter(({ outcome, version }) => outcome === 'ok' && version === 0)) {
      const isBeaten = sorted.some(
        (other) => other.inv <= one.resp && (other.outcome === 'unknown' || other.version === 1),
      );
      if (!isBeaten) violations.push({ promise, detail: `${key}: refused, and nobody has it`, operation: one });
    }
  }
  return violations;
}
