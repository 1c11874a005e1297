import type { History, Read, Violation, Write } from './history.js';

/** After a crash each daemon has to notice it, and says so to the others: until then values may vanish. */
const AFTER_CRASH_US = 2_000_000;

const ROLLED_BACK = 'nothing of a rolled back transaction takes effect';

/**
 * A miss has a reason: something that kills, begun before the read's end and not ended before the last set began; the end of its life; a crash.
 * @param own the writes of one register, by their beginnings
 */
export function checkMisses(
  own: readonly Write[],
  killers: readonly Write[],
  reads: readonly Read[],
  { crashes }: Pick<History, 'crashes'>,
): Violation[] {
  // What such a client drops is deleted later on, at an instant that nobody writes down; and its own misses may mean anything.
  if (own.some(({ degrades }) => degrades)) return [];
  const sets = own.filter(({ kind, outcome }) => kind === 'set' && outcome === 'ok');
  const deadly = own.filter(({ kind, outcome }) => kind !== 'set' && outcome !== 'no');
  // A set of unknown outcome with a short life may be what has expired.
  const mortal = own.filter(({ kind, outcome, ttlUs }) => kind === 'set' && outcome !== 'no' && ttlUs !== undefined);
  const tag = own.find(({ kind }) => kind === 'set')?.tag;
  const foreign = killers.filter((one) => one.outcome !== 'no' && (one.kind === 'clear' || one.tag === tag));
  return reads.flatMap((read): Violation[] => {
    if (read.version !== undefined || read.degrades) return [];
    const set = lastBefore(sets, read.inv);
    if (set === undefined) return [];
    const isBetween = (one: Write): boolean => one.inv >= set.inv && one.inv <= read.resp;
    const overlaps = (one: Write): boolean => one.resp >= set.inv && one.inv <= read.resp;
    const crashed = crashes.some(({ start, end }) => end + AFTER_CRASH_US >= set.inv && start <= read.resp);
    if (crashed || deadly.some(isBetween) || mortal.some(isBetween) || foreign.some(overlaps)) return [];
    const detail = `${read.key}: a miss, though ${set.version} was acknowledged ${(read.inv - set.resp) / 1000} ms before`;
    const undone = killers.find((one) => one.rolledBack && one.tag === tag && overlaps(one));
    if (undone !== undefined) return [{ promise: ROLLED_BACK, detail, operation: read, because: undone }];
    return [{ promise: 'nothing is lost', detail, operation: read, because: set }];
  });
}

/** The last of them that was acknowledged before the instant; they are made one after the other. */
function lastBefore(sets: readonly Write[], instant: number): Write | undefined {
  let [low, high] = [0, sets.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sets[middle]!.resp < instant) low = middle + 1;
    else high = middle;
  }
  return sets[low - 1];
}
