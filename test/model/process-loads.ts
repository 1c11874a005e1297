import type { Holder, LoadOutcome, Names } from '../../daemon/namespace.js';
import type { Packed } from '../../daemon/packed.js';
import { tagName } from '../../shared/table/names.js';
import { idOf, isCounter, valueBytes } from './bytes.js';
import { type AskedRead, checkRead, checkStale } from './check.js';
import type { Process, Session } from './clients.js';
import { MadeOf } from './made-of.js';
import type { ModelPostgres } from './postgres.js';
import { MADE_KEYS, type OpItem } from './schedule.js';
import { placeOf, type Value } from './truth.js';

/** How a load is asked for, and what it does. */
export type LoadHow = Pick<OpItem, 'computeMs' | 'ends' | 'nested' | 'ttlMs'> &
  Partial<Pick<OpItem, 'beta' | 'cluster' | 'graceMs'>>;

/** What came of asking for a value that is loaded where it is missing. */
export interface Loaded {
  readonly bytes: Packed | undefined;
  readonly names: Names;
  /** How often it had to be computed. */
  readonly computed: number;
}

const never = () => new Promise<never>(() => {});

/** The loads of one process: `getOrSet`, as the client's loader does it. */
export class ProcessLoads {
  readonly #process: Process;
  readonly #pg: ModelPostgres;
  readonly #holder: () => Holder;

  constructor(process: Process, pg: ModelPostgres, holder: () => Holder) {
    this.#process = process;
    this.#pg = pg;
    this.#holder = holder;
  }

  /** @param isPart of another value: it is not asked of the near tier, which knows no names */
  async load(session: Session, key: string, how: LoadHow, isPart = false): Promise<Loaded> {
    const { space, database } = session;
    if (database.closed) return never();
    const fromTable = this.#process.readsTable(placeOf(space.name, key));
    if (!fromTable && this.#process.isNear(isPart)) {
      const bytes = this.#process.held(space, key);
      if (bytes !== undefined) return { bytes, names: [], computed: 0 };
    }
    const read = this.#process.ask(space, key, fromTable);
    const { beta = 0, cluster = false, graceMs = 0 } = how;
    const inherits = MADE_KEYS.includes(key);
    const holder = this.#holder();
    const ask = { fromTable, graceMs, beta, cluster, inherits, isPart };
    let outcome: LoadOutcome = await space.load(key, holder, ask);
    let computed = 0;
    for (; outcome.kind === 'load'; computed += 1) {
      // What the load may look at: the asker's own grace is not asked for.
      this.#checkStale(read, outcome.stale, Number.POSITIVE_INFINITY);
      const offered = await this.#offer(session, key, how, outcome.token, holder);
      if (offered === undefined) return { ...(await this.#underGrace(session, read, how)), computed };
      outcome = offered;
    }
    if (database.closed) return never();
    return { ...(await this.#answer(session, read, how, outcome)), computed };
  }

  async #answer(
    session: Session,
    read: AskedRead,
    how: LoadHow,
    outcome: Exclude<LoadOutcome, { kind: 'load' }>,
  ): Promise<Omit<Loaded, 'computed'>> {
    if (outcome.kind === 'nothing' || outcome.kind === 'failed') return { bytes: undefined, names: [] };
    const { bytes, names = [], kind } = outcome;
    this.#pg.world.trace?.(`${read.process} loads ${read.key}: ${kind} ${idOf(bytes)} at ${this.#pg.truth.seq}`);
    if (isCounter(bytes)) throw new Error('a load of a counter');
    if (kind === 'stale') {
      this.#checkStale(read, bytes, how.graceMs ?? 0);
      return { bytes: undefined, names: [] };
    }
    checkRead(this.#pg, read, bytes);
    if (kind === 'refresh') await this.#offer(session, read.key, how, outcome.token, this.#holder(), true);
    return { bytes, names };
  }

  /** Whose load threw takes what has expired, where it takes such. */
  async #underGrace(session: Session, read: AskedRead, how: LoadHow): Promise<Omit<Loaded, 'computed'>> {
    const { graceMs = 0 } = how;
    if (graceMs === 0 || session.database.closed) return { bytes: undefined, names: [] };
    const outcome = await session.space.stale(read.key, graceMs);
    if (session.database.closed) return never();
    return outcome.kind === 'load'
      ? { bytes: undefined, names: [] }
      : this.#answer(session, read, { ...how, ends: 'fill' }, outcome);
  }

  #checkStale(read: AskedRead, bytes: Packed | undefined, graceMs: number): void {
    if (bytes === undefined) return;
    this.#pg.world.trace?.(`${read.process} is given value ${idOf(bytes)} of ${read.key} under grace`);
    checkStale(this.#pg, read, this.#pg.truth.values[idOf(bytes)] as Value, graceMs);
  }

  /** Computes a value and offers it; undefined where the computation ends without one. */
  async #offer(
    session: Session,
    key: string,
    how: LoadHow,
    token: number,
    holder: Holder,
    refreshes = false,
  ): Promise<LoadOutcome | undefined> {
    const { space, database } = session;
    const { graceMs = 0, ttlMs, computeMs } = how;
    this.#pg.world.trace?.(`${this.#process.name} is to compute ${key} (lease ${token})`);
    const { value, tag, names } = await this.#compute(session, key, how);
    if (database.closed) return never();
    if (how.ends === 'fill') {
      const carried = this.#pg.without.has('names of the parts') ? [] : names;
      const terms = { ttlMs, tags: [tag], names: carried, graceMs, deltaMs: computeMs, once: false };
      value.graceMs = graceMs;
      value.refreshes = refreshes;
      return space.fill(token, holder, valueBytes(value.id), terms);
    }
    space.abandon(token, holder, how.ends === 'throw' ? new Uint8Array(1) : undefined);
    return undefined;
  }

  /** What a load computes: from the source of its key, and, where it is made of others, from these as the cache has them. */
  async #compute(session: Session, key: string, how: LoadHow): Promise<{ value: Value; tag: string; names: string[] }> {
    const { world, truth } = this.#pg;
    const { space } = session;
    await world.sleep(how.computeMs * world.random.next());
    const made = new MadeOf(truth, space.name, key);
    if (key === 'z') {
      await this.#readPart(session, 'x', { ...how, nested: false }, how.nested, made);
      if (how.nested) await this.#readPart(this.#process.sessionBeside(session, 'other'), 'd', how, false, made);
    }
    if (key === 'w') {
      await this.#readPart(session, 'z', how, how.nested, made);
      await this.#readPart(session, 'a', how, false, made);
    }
    const tag = key === 'x' ? 'sx' : 'sy';
    made.source(tagName(space.name, tag));
    const birth = truth.seq;
    await world.sleep(how.computeMs * world.random.next());
    const value = truth.newValue(placeOf(space.name, key), made.births, birth, { by: '', number: 0 });
    world.trace?.(
      `${this.#process.name} computed value ${value.id} of ${key} from ${JSON.stringify([...made.births])}`,
    );
    return { value, tag, names: [...made.names] };
  }

  /** @param loads whether it is loaded where it is missing */
  async #readPart(session: Session, key: string, how: LoadHow, loads: boolean, made: MadeOf): Promise<void> {
    const { truth } = this.#pg;
    const { seq } = truth;
    const { bytes, names } = loads
      ? await this.load(session, key, { ...how, ends: 'fill' }, true)
      : await this.#process.find(session, key, true, true);
    const carried = this.#pg.without.has('names that the parts carry') ? [] : names;
    made.part(session.space.name, key, bytes === undefined ? undefined : truth.values[idOf(bytes)], carried, seq);
  }
}
