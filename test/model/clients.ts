import type { Holder, LoadOutcome, Names, Namespace } from '../../daemon/namespace.js';
import { CacheError } from '../../shared/errors.js';
import { partName, tagName } from '../../shared/table/names.js';
import { counterOf, idOf, isCounter, valueBytes } from './bytes.js';
import { askRead, checkCount, checkRead, ownNames } from './check.js';
import type { ModelDatabase } from './connection.js';
import type { Host } from './host.js';
import { MadeOf } from './made-of.js';
import type { ModelPostgres } from './postgres.js';
import type { OpItem } from './schedule.js';
import { placeOf, type Value, writtenName } from './truth.js';

/** Increments that one counter can tell apart: 4^26 is the last power of four that stays a safe integer. */
const INCREMENTS_MAX = 26;

/** One namespace of one run of a daemon: a daemon that was killed neither hears nor answers. */
export interface Session {
  readonly space: Namespace;
  readonly database: ModelDatabase;
}

/** How a load is asked for, and what it does. */
export type LoadHow = Pick<OpItem, 'computeMs' | 'ends' | 'nested' | 'ttlMs'> &
  Partial<Pick<OpItem, 'beta' | 'cluster'>>;

const never = () => new Promise<never>(() => {});

/** One process: runs its calls, tells the checker when they are asked and answered. */
export class Process {
  readonly name: string;
  readonly host: Host;
  readonly #at: number;
  readonly #pg: ModelPostgres;
  /** Places whose next read goes to the table, since a write of them was not answered. */
  readonly #doubtful = new Set<string>();
  #doubtsAll = false;
  /** Calls that are out, by the daemon's connection: a killed daemon answers nobody. */
  readonly #out = new Set<{ readonly database: ModelDatabase }>();

  constructor(pg: ModelPostgres, host: Host, at: number) {
    this.name = `${host.name}.${at}`;
    this.host = host;
    this.#at = at;
    this.#pg = pg;
  }

  /** Resolves when the caller goes on: answered, or out of patience. */
  async run(item: OpItem): Promise<void> {
    const { database } = this.host;
    const call = { database };
    this.#out.add(call);
    let isOver = false;
    const work = this.#call(item)
      .catch((error: unknown) => {
        if (!(error instanceof CacheError)) throw error;
        this.#pg.world.trace?.(`${this.name} ${item.op} ${item.key} rejects: ${error.code}`);
      })
      .finally(() => {
        isOver = true;
        this.#out.delete(call);
      });
    await Promise.race([work, this.#pg.world.sleep(item.patienceMs)]);
    if (!isOver) this.#doubt(item);
  }

  get isIdle(): boolean {
    return [...this.#out].every(({ database }) => database.closed);
  }

  #doubt({ op, namespace, key }: OpItem): void {
    if (op === 'invalidate' || op === 'clear') this.#doubtsAll = true;
    else if (op !== 'get' && op !== 'getMany' && op !== 'load') this.#doubtful.add(placeOf(namespace, key));
  }

  #readsTable(place: string): boolean {
    return this.#doubtful.delete(place) || this.#doubtsAll;
  }

  async #call(item: OpItem): Promise<void> {
    const { op, namespace, key } = item;
    const session = this.session(namespace);
    const { space } = session;
    this.#pg.world.trace?.(
      `${this.name} calls ${op} ${key} ${op === 'set' || op === 'add' || op === 'invalidate' ? item.tags : ''}`,
    );
    if (op === 'get') await this.get(session, key);
    else if (op === 'getMany') await Promise.all(['a', 'b', 'x'].map((each) => this.get(session, each)));
    else if (op === 'load') await this.load(session, key, item);
    else if (op === 'incr') await this.#incr(space, key);
    else if (op === 'cleanup') await space.cleanup();
    else if (op === 'set' || op === 'add') await this.#put(space, item);
    else if (op === 'expire') await space.expire(key, item.ttlMs);
    else await this.#kill(space, item);
  }

  session(namespace: string): Session {
    return { space: this.host.stores.open(namespace), database: this.host.database };
  }

  async get(session: Session, key: string, mayDoubt = true): Promise<void> {
    await this.find(session, key, mayDoubt);
  }

  /** @returns the value, and the names of the entry */
  async find(
    { space, database }: Session,
    key: string,
    mayDoubt = true,
  ): Promise<{ bytes: Uint8Array | undefined; names: Names }> {
    if (database.closed) return never();
    const fromTable = mayDoubt && this.#readsTable(placeOf(space.name, key));
    const read = askRead(this.#pg, { ...this.#who(space, key), fromTable });
    const [found] = (await space.named?.([key], fromTable)) ?? [];
    if (database.closed) return never();
    this.#pg.world.trace?.(`${this.name} gets ${key}: ${show(found?.bytes)}`);
    checkRead(this.#pg, read, found?.bytes);
    return { bytes: found?.bytes, names: found?.names ?? [] };
  }

  /** @returns the value, and how often it had to be computed */
  async load(
    session: Session,
    key: string,
    how: LoadHow,
  ): Promise<{ bytes: Uint8Array | undefined; names: Names; computed: number }> {
    const { truth } = this.#pg;
    const { space, database } = session;
    if (database.closed) return never();
    const fromTable = this.#readsTable(placeOf(space.name, key));
    const read = askRead(this.#pg, { ...this.#who(space, key), fromTable });
    const holder = this.host.holders[this.#at] as Holder;
    const { beta = 0, cluster = false } = how;
    let outcome: LoadOutcome = await space.load(key, holder, {
      fromTable,
      graceMs: 0,
      beta,
      cluster,
      inherits: key === 'z',
    });
    let computed = 0;
    for (; outcome.kind === 'load'; computed += 1) {
      const offered = await this.#offer(session, key, how, outcome.token, holder);
      if (offered === undefined) return { bytes: undefined, names: [], computed };
      outcome = offered;
    }
    if (database.closed) return never();
    if (outcome.kind !== 'value' && outcome.kind !== 'refresh') return { bytes: undefined, names: [], computed };
    this.#pg.world.trace?.(`${this.name} loads ${key}: ${show(outcome.bytes)} at ${truth.seq}`);
    if (isCounter(outcome.bytes)) throw new Error('a load of a counter');
    checkRead(this.#pg, read, outcome.bytes);
    if (outcome.kind === 'refresh') await this.#offer(session, key, how, outcome.token, holder);
    return { bytes: outcome.bytes, names: outcome.names ?? [], computed };
  }

  /** Computes a value and offers it; undefined where the computation ends without one. */
  async #offer(
    session: Session,
    key: string,
    how: LoadHow,
    token: number,
    holder: Holder,
  ): Promise<LoadOutcome | undefined> {
    const { space, database } = session;
    this.#pg.world.trace?.(`${this.name} is to compute ${key} (lease ${token})`);
    const { value, tag, names } = await this.#compute(session, key, how);
    if (database.closed) return never();
    if (how.ends === 'fill') {
      const carried = this.#pg.without.has('names of the parts') ? [] : names;
      const terms = { ttlMs: how.ttlMs, tags: [tag], names: carried, graceMs: 0, deltaMs: how.computeMs, once: false };
      return space.fill(token, holder, valueBytes(value.id), terms);
    }
    space.abandon(token, holder, how.ends === 'throw' ? new Uint8Array(1) : undefined);
    return undefined;
  }

  /** What a load computes: from the source of its key, and, for z, from x and d as the cache has them. */
  async #compute(session: Session, key: string, how: LoadHow): Promise<{ value: Value; tag: string; names: string[] }> {
    const { world, truth } = this.#pg;
    const { space, database } = session;
    await world.sleep(how.computeMs * world.random.next());
    const made = new MadeOf(truth, space.name, key);
    if (key === 'z') {
      await this.#readPart(session, 'x', how, made);
      if (how.nested) await this.#readPart({ space: this.host.stores.open('other'), database }, 'd', undefined, made);
    }
    const tag = key === 'x' ? 'sx' : 'sy';
    made.source(tagName(space.name, tag));
    const birth = truth.seq;
    await world.sleep(how.computeMs * world.random.next());
    const value = truth.newValue(placeOf(space.name, key), made.births, birth, 0);
    world.trace?.(`${this.name} computed value ${value.id} of ${key} from ${JSON.stringify([...made.births])}`);
    return { value, tag, names: [...made.names] };
  }

  /** @param how loads it where it is missing; undefined only looks */
  async #readPart(session: Session, key: string, how: LoadHow | undefined, made: MadeOf): Promise<void> {
    const { truth } = this.#pg;
    const { seq } = truth;
    const { bytes, names } = how?.nested
      ? await this.load(session, key, { ...how, ends: 'fill', nested: false })
      : await this.find(session, key);
    made.part(session.space.name, key, bytes && truth.values[idOf(bytes)], names, seq);
  }

  async #put(space: Namespace, { op, namespace, key, tags, ttlMs }: OpItem): Promise<void> {
    const { truth, world } = this.#pg;
    const names = [...ownNames(namespace, key), ...tags.map((tag) => tagName(namespace, tag))];
    const place = placeOf(namespace, key);
    const births = new Map(names.map((name) => [name, 0]));
    const value = truth.newValue(place, births, undefined, truth.values.length);
    world.trace?.(`${this.name} ${op}s ${key} to value ${value.id}`);
    const asked = truth.now();
    try {
      const bytes = valueBytes(value.id);
      const done =
        op === 'set' ? await space.set(key, bytes, ttlMs, tags, 0) : await space.add(key, bytes, ttlMs, tags, 0);
      world.trace?.(`${this.name} is told of ${op} ${key}: ${done ?? 'done'}`);
      if (done === false) {
        // A crash may have taken it, and another the key's place before it was sent again.
        if (value.birth !== undefined && value.crashes === truth.crashes)
          truth.fail('answers', `an add of ${place} was denied, though it took effect`);
        return;
      }
      if (op === 'add' && value.birth === undefined) truth.fail('nothing lost', `an add of ${place} never committed`);
      truth.acknowledged(this.host.name, writtenName(place), asked);
    } catch (error) {
      this.#failed(error, [place], () => {
        truth.mustNotExist.add(value);
      });
    }
  }

  async #kill(space: Namespace, item: OpItem): Promise<void> {
    const { op, namespace, key, tags } = item;
    const { truth, world } = this.#pg;
    const place = placeOf(namespace, key);
    const asked = truth.now();
    const names = tags.map((tag) => tagName(namespace, tag));
    if (op === 'delete') names.splice(0, names.length, writtenName(place), partName(namespace, key));
    if (op === 'clear') names.splice(0, names.length, `n:${namespace}`);
    try {
      if (op === 'delete') await space.delete(key);
      else if (op === 'clear') await space.clear();
      else await space.invalidateTags(tags);
      world.trace?.(`${this.name} is told of ${op} ${op === 'delete' ? key : names}`);
      for (const name of names) truth.acknowledged(this.host.name, name, asked);
    } catch (error) {
      this.#failed(error, op === 'delete' ? [place] : undefined);
    }
  }

  async #incr(space: Namespace, key: string): Promise<void> {
    const { truth, world } = this.#pg;
    const place = placeOf(space.name, key);
    const counter = truth.counter(place);
    if (counter.asked >= INCREMENTS_MAX) return;
    const number = counter.asked++;
    const { crashes } = truth;
    try {
      const value = await space.incr(key, 4 ** number, Number.POSITIVE_INFINITY);
      world.trace?.(`${this.name} increments ${key} by 4^${number}: ${value}`);
      checkCount(truth, place, value);
      counter.acknowledge(truth, number, value, crashes === truth.crashes);
    } catch (error) {
      this.#failed(error, [place], () => counter.told.set(number, 'failed'));
    }
  }

  /** Every rejection but that of an unknown outcome says that nothing happened, and never will. */
  #failed(error: unknown, places: readonly string[] | undefined, denied?: () => void): void {
    if (!(error instanceof CacheError)) throw error;
    this.#pg.world.trace?.(`${this.name} is told ${error.code} (${error.message})`);
    // No outage of a schedule is as long as a broken batch is sent again.
    if (error.code === 'ERR_UNKNOWN_OUTCOME') this.#pg.truth.fail('settles', error.message);
    if (error.code !== 'ERR_UNKNOWN_OUTCOME') denied?.();
    else if (places === undefined) this.#doubtsAll = true;
    else for (const place of places) this.#doubtful.add(place);
  }

  #who(space: Namespace, key: string) {
    return { namespace: space.name, key, host: this.host.name, process: this.name };
  }
}

const show = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? 'nothing' : isCounter(bytes) ? `counter ${counterOf(bytes)}` : `value ${idOf(bytes)}`;
