import type { Read, Write } from './history.js';
import { isRegister } from './keys.js';
import { Staircase } from './staircase.js';

/** What Postgres's clock and the machine's may differ by in the life of a short ttl. */
export const EXPIRY_SLACK_US = 100_000;

type Demands = Staircase<Read | Write>;

/** Who has to see what of one key. */
export class KeyDemands {
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
    if (write.kind === 'update' || write.sql) {
      if (write.own) this.process(write.process).add(at, version, write);
      return;
    }
    this.host(write.host).add(at, version, write);
    this.process(write.process).add(at, version, write);
  }
}

/** The staircase of the key, made where it is missing. */
export function of<K, Cause>(map: Map<K, Staircase<Cause>>, key: K): Staircase<Cause> {
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

/** One writer writes a key, one write after the other: so the numbers are the order, also of writes of unknown outcome. */
export function registerDemands(own: readonly Write[], killers: readonly Write[]): KeyDemands {
  const demands = new KeyDemands();
  const sets = own.filter(({ kind }) => kind === 'set');
  const settled = new Staircase<Write>();
  for (const write of own) {
    if (write.droppedUs !== undefined) demands.process(write.process).add(write.droppedUs, write.version, write);
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
  demandDeaths(demands, settled, sets[0]?.tag, killers);
  return demands;
}

function demandDeaths(
  demands: KeyDemands,
  settled: Staircase<Write>,
  tag: string | undefined,
  killers: readonly Write[],
): void {
  for (const killer of killers) {
    if (killer.outcome !== 'ok' || (killer.kind === 'invalidateTags' && killer.tag !== tag)) continue;
    const victim = settled.before(killer.inv);
    if (victim !== undefined) demands.demand(killer, victim.version + 0.5);
  }
}

/** What a value that is made of the key has to follow: its updates; or of a register what kills it, not a newer set or its expiry. */
export function partDemands(key: string, own: readonly Write[], killers: readonly Write[]): KeyDemands {
  if (!isRegister(key)) return loadedDemands(own);
  const demands = new KeyDemands();
  const settled = new Staircase<Write>();
  for (const write of own) {
    if (write.outcome !== 'ok') continue;
    if (write.kind === 'set') settled.add(write.resp, write.version, write);
    if (write.kind === 'delete') demands.demand(write, write.version);
  }
  demandDeaths(demands, settled, own.find(({ kind }) => kind === 'set')?.tag, killers);
  return demands;
}

const endOfLife = (write: Write): number => write.resp + (write.ttlUs ?? Number.POSITIVE_INFINITY) + EXPIRY_SLACK_US;

/** The row's lock orders the updates: the versions are the order of their commits. */
export function loadedDemands(own: readonly Write[]): KeyDemands {
  const demands = new KeyDemands();
  for (const write of own) {
    if (write.kind === 'update' && write.outcome === 'ok') demands.demand(write, write.version);
  }
  return demands;
}
