import { staleness, tooOld, type Verdict } from './check.js';
import { type KeyDemands, of, partDemands } from './demands.js';
import type { Look, Read, Violation, Write } from './history.js';
import { isGraced, isRegister } from './keys.js';
import { Staircase } from './staircase.js';

interface Surroundings {
  /** By key, in order. */
  readonly writes: ReadonlyMap<string, readonly Write[]>;
  readonly killers: readonly Write[];
  readonly looks: readonly Look[];
}

type SeenBefore = Pick<Staircase<Read | Write>, 'before'>;
const NOTHING: SeenBefore = new Staircase<Read | Write>();

type MadeVerdict = Pick<
  Verdict,
  'violations' | 'stalestMadeUs' | 'madeReads' | 'madeHits' | 'graceReads' | 'stalestGraceUs'
>;

/**
 * Values that were made of others: each part is held against what befell its key, as if it had been read by itself. A
 * value that is marked as served under grace may show what its daemon could not know to be dead, and nothing else.
 * @param reads by key
 */
export function checkMade(
  reads: ReadonlyMap<string, readonly Read[]>,
  { writes, killers, looks }: Surroundings,
  boundUs: number,
): MadeVerdict {
  const violations: Violation[] = [];
  const figures = { stalestMadeUs: 0, madeReads: 0, madeHits: 0, graceReads: 0, stalestGraceUs: 0 };
  const known = new Knowledge(looks);
  const parts = new Map<string, KeyDemands>();
  const demandsOf = (part: string): KeyDemands => {
    const found = parts.get(part) ?? partDemands(part, writes.get(part) ?? [], killers);
    parts.set(part, found);
    return found;
  };
  for (const all of reads.values()) {
    const found = all.filter(({ version }) => version !== undefined);
    const ids = new Set(found.map(({ id }) => id));
    const born = firstSeen(found);
    figures.madeReads += found.length;
    figures.madeHits += found.length - ids.size;
    const seen = new Map<string, Staircase<Read | Write>>();
    for (const read of found.filter(({ stale }) => stale === undefined)) {
      for (const [part, version] of partsOf(read)) of(seen, `${read.process} ${part}`).add(read.resp, version, read);
    }
    for (const read of found) {
      if (read.stale !== undefined) figures.graceReads += 1;
      for (const [part, version] of partsOf(read)) {
        const demands = demandsOf(part);
        const behindUs = staleness(read, version, demands);
        const figure = read.stale === undefined ? 'stalestMadeUs' : 'stalestGraceUs';
        figures[figure] = Math.max(figures[figure], behindUs);
        // A graced value may end by its ttl alone, and be made anew of parts that its host has not heard of yet. The set of a
        // part is no change of what was made of it, which a value that is made later may be made of.
        const isFollowed = part === read.key || !(isGraced(read.key) || isRegister(part));
        const before = isFollowed ? since(born.get(read.id), of(seen, `${read.process} ${part}`)) : NOTHING;
        const violation =
          read.stale === undefined
            ? tooOld(read, version, demands, boundUs, before)
            : servedDead(read, version, demands, known);
        if (violation !== undefined) {
          violations.push({ ...violation, promise: `made of parts: ${violation.promise}`, part });
        }
      }
    }
  }
  return { violations, ...figures };
}

/** When each value was first seen by anybody, by its id. */
function firstSeen(reads: readonly Read[]): ReadonlyMap<string | undefined, number> {
  const first = new Map<string | undefined, number>();
  for (const { id, resp } of reads) first.set(id, Math.min(first.get(id) ?? resp, resp));
  return first;
}

/** What a process had seen before there was the value counts for nothing: made later, it may have parts that are older, within the bound. */
function since(born: number | undefined, seen: SeenBefore): SeenBefore {
  return {
    before(instant) {
      const demand = seen.before(instant);
      return demand === undefined || demand.at < (born ?? 0) ? undefined : demand;
    },
  };
}

const partsOf = (read: Read): [string, number][] => Object.entries(read.parts ?? {});

/** What each daemon knew: everything that was committed when its last look was sent. */
class Knowledge {
  readonly #hosts = new Map<number, Staircase<Look>>();

  constructor(looks: readonly Look[]) {
    for (const look of looks) of(this.#hosts, look.host).add(look.knownUs, look.sentUs, look);
  }

  /** The latest instant whose commits the host's daemon certainly knew of. */
  before(host: number, instant: number): number {
    return of(this.#hosts, host).before(instant)?.version ?? Number.NEGATIVE_INFINITY;
  }
}

function servedDead(read: Read, version: number, demands: KeyDemands, known: Knowledge): Violation | undefined {
  const demand = demands.all.before(known.before(read.host, read.inv));
  if (demand === undefined || demand.version <= version) return undefined;
  const detail = `${read.key}: ${version} served under grace, though the daemon had heard of ${demand.version}`;
  return { promise: 'grace is for what is not known to be dead', detail, operation: read, because: demand.cause };
}
