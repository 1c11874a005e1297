import { checkAdds, checkCounters } from './check-counters.js';
import { checkMisses } from './check-misses.js';
import type { History, Read, Violation, Write } from './history.js';
import { isLoaded, isRegister } from './keys.js';
import { Staircase } from './staircase.js';

/** What Postgres's clock and the machine's may differ by in the life of a short ttl. */
const EXPIRY_SLACK_US = 100_000;

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly reads: number;
  readonly writes: number;
  /** Of a value that was read: how long before the read began a newer write or an invalidation had been acknowledged anywhere. */
  readonly stalestUs: number;
}

type Demands = Staircase<Read | Write>;

/** Who has to see what of one key. */
class KeyDemands {
  readonly all: Demands = new Staircase();
  readonly #hosts = new Map<number, Demands>();
  readonly #processes = new Map<string, Demands>();
  readonly #seen = new Map<string, Demands>();

  host = (host: number): Demands => of(this.#hosts, host);
  process = (process: string): Demands => of(this.#processes, process);
  seen = (process: string): Demands => of(this.#seen, process);

  /** After the instant, nobody is to read anything below the version: the writer at once, its host, then all. */
  demand(write: Write, version: number, at: number = write.resp): void {
    this.all.add(at, version, write);
    if (write.kind === 'update') {
      if (write.own) this.process(write.process).add(at, version, write);
      return;
    }
    this.host(write.host).add(at, version, write);
    this.process(write.process).add(at, version, write);
  }
}

function of<K>(map: Map<K, Demands>, key: K): Demands {
  let found = map.get(key);
  if (found === undefined) {
    found = new Staircase();
    map.set(key, found);
  }
  return found;
}

export function groupByKey<T extends { readonly key: string }>(items: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.key);
    if (group === undefined) groups.set(item.key, [item]);
    else group.push(item);
  }
  return groups;
}

/**
 * Holds a history against the promises of docs/coherence.md. A read may return whatever was current at some instant between
 * its beginning (less the bound, for what others did) and its end.
 * @param boundUs `staleBoundMs`, in microseconds
 */
export function checkHistory(history: History, boundUs: number): Verdict {
  const violations: Violation[] = [];
  const writes = groupByKey(history.writes.filter(({ kind }) => kind !== 'invalidateTags' && kind !== 'clear'));
  const killers = history.writes.filter(({ kind }) => kind === 'invalidateTags' || kind === 'clear');
  let stalestUs = 0;
  for (const [key, reads] of groupByKey(history.reads)) {
    if (!isRegister(key) && !isLoaded(key)) continue;
    const own = (writes.get(key) ?? []).sort((a, b) => a.inv - b.inv);
    const demands = isRegister(key) ? registerDemands(own, killers) : loadedDemands(own);
    for (const read of reads) {
      if (read.version !== undefined) demands.seen(read.process).add(read.resp, read.version, read);
    }
    if (isRegister(key)) violations.push(...checkExistence(own, reads), ...checkMisses(own, killers, reads, history));
    for (const read of reads) {
      if (read.version === undefined) continue;
      const violation = tooOld(read, demands, boundUs);
      if (violation !== undefined) violations.push(violation);
      stalestUs = Math.max(stalestUs, read.inv - (demands.all.firstAbove(read.version) ?? read.inv));
    }
  }
  violations.push(...checkCounters(history), ...checkAdds(history));
  return { violations, reads: history.reads.length, writes: history.writes.length, stalestUs };
}

/** One writer writes a key, one write after the other: so the numbers are the order, also of writes of unknown outcome. */
function registerDemands(own: readonly Write[], killers: readonly Write[]): KeyDemands {
  const demands = new KeyDemands();
  const sets = own.filter(({ kind }) => kind === 'set');
  const settled = new Staircase<Write>();
  for (const write of own) {
    if (write.outcome !== 'ok') continue;
    if (write.kind !== 'expire') demands.demand(write, write.version);
    if (write.kind === 'set') settled.add(write.resp, write.version, write);
  }
  const lives = own.filter(({ kind, outcome }) => outcome !== 'no' && (kind === 'set' || kind === 'expire'));
  for (const [at, write] of lives.entries()) {
    const end = endOfLife(write);
    const next = lives[at + 1];
    const isProlonged = next !== undefined && next.kind === 'expire' && next.inv < end;
    if (write.outcome === 'ok' && !isProlonged) demands.demand(write, write.version + 0.5, end);
  }
  const tag = sets[0]?.tag;
  for (const killer of killers) {
    if (killer.outcome !== 'ok' || (killer.kind === 'invalidateTags' && killer.tag !== tag)) continue;
    const victim = settled.before(killer.inv);
    if (victim !== undefined) demands.demand(killer, victim.version + 0.5);
  }
  return demands;
}

const endOfLife = (write: Write): number => write.resp + (write.ttlUs ?? Number.POSITIVE_INFINITY) + EXPIRY_SLACK_US;

/** The row's lock orders the updates: the versions are the order of their commits. */
function loadedDemands(own: readonly Write[]): KeyDemands {
  const demands = new KeyDemands();
  for (const write of own) if (write.outcome === 'ok') demands.demand(write, write.version);
  return demands;
}

function tooOld(read: Read, demands: KeyDemands, boundUs: number): Violation | undefined {
  const version = read.version!;
  const late = isLoaded(read.key) ? 'no late fill, bounded staleness' : 'bounded staleness';
  const rules = [
    ['read your writes (process)', demands.process(read.process).before(read.inv)],
    // A near tier of another process follows as soon as it has read what was sent to it: the bound is its promise.
    ['read your writes (host)', read.near ? undefined : demands.host(read.host).before(read.inv)],
    ['monotonic reads', demands.seen(read.process).before(read.inv)],
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
