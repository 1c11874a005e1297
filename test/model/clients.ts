import type { Holder } from '../../daemon/namespace.js';
import type { Packed } from '../../daemon/packed.js';
import { CacheError } from '../../shared/errors.js';
import { partName, tagName } from '../../shared/table/names.js';
import { counterOf, idOf, isCounter, valueBytes } from './bytes.js';
import { type AskedRead, askRead, checkCount, checkRead, ownNames } from './check.js';
import type { ModelDatabase } from './connection.js';
import type { Host } from './host.js';
import type { ModelPostgres } from './postgres.js';
import { type Loaded, type LoadHow, ProcessLoads } from './process-loads.js';
import { Remote } from './remote.js';
import type { OpItem } from './schedule.js';
import type { Space } from './space.js';
import { type Moment, placeOf, writtenName } from './truth.js';

/** Increments that one counter can tell apart: 4^26 is the last power of four that stays a safe integer. */
const INCREMENTS_MAX = 26;

/** One namespace of one run of a daemon: a daemon that was killed neither hears nor answers. */
export interface Session {
  readonly space: Space;
  readonly database: Pick<ModelDatabase, 'closed' | 'readsSent'>;
}

/** Who is connected hears of the end of its daemon, and goes on. */
const CONNECTED = { closed: false, readsSent: 0 };

const never = () => new Promise<never>(() => {});

/** One process: runs its calls, tells the checker when they are asked and answered. */
export class Process {
  readonly name: string;
  readonly host: Host;
  readonly #pg: ModelPostgres;
  /** Places whose next read goes to the table, since a write of them was not answered. */
  readonly #doubtful = new Set<string>();
  #doubtsAll = false;
  /** Calls that are out, by the daemon's connection: a killed daemon answers nobody. */
  readonly #out = new Set<Pick<Session, 'database'>>();
  readonly #remote: Remote | undefined;
  readonly #loads: ProcessLoads;

  /** @param isRemote whether it is connected, with a near tier, or calls the daemon's own namespaces */
  constructor(pg: ModelPostgres, host: Host, at: number, isRemote: boolean) {
    this.name = `${host.name}.${at}`;
    this.host = host;
    this.#pg = pg;
    if (isRemote) {
      const needless = (key: string) => pg.truth.fail('tells only who holds', `${this.name} is told of ${key}`);
      this.#remote = new Remote(pg.world, this.name, (path, events) => host.connect(path, events), needless);
    }
    this.#loads = new ProcessLoads(this, pg, () => host.holders[at] as Holder);
  }

  get isRemote(): boolean {
    return this.#remote !== undefined;
  }

  /** A connection that broke is made again after a while. */
  get isConnected(): boolean {
    return this.#remote?.isConnected ?? true;
  }

  close(): void {
    this.#remote?.close();
  }

  /** Resolves when the caller goes on: answered, or out of patience. */
  async run(item: OpItem): Promise<void> {
    const database = this.#remote === undefined ? this.host.database : CONNECTED;
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
    const { space } = this.session(namespace);
    if (op === 'invalidate' || op === 'clear') {
      this.#doubtsAll = true;
      space.doubt?.(undefined);
    } else if (op !== 'get' && op !== 'getMany' && op !== 'load') {
      this.#doubtful.add(placeOf(namespace, key));
      space.doubt?.(key);
    }
  }

  /** Whether a read that is asked now goes to the table. */
  readsTable(place: string): boolean {
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
    else if (op === 'getMany') await this.#getMany(session, ['a', 'b', 'x']);
    else if (op === 'load') await this.load(session, key, item);
    else if (op === 'incr') await this.#incr(space, key);
    else if (op === 'cleanup') await space.cleanup();
    else if (op === 'set' || op === 'add') await this.#put(space, item);
    else if (op === 'expire') await space.expire(key, item.ttlMs);
    else await this.#kill(space, item);
  }

  session(namespace: string): Session {
    if (this.#remote !== undefined) return { space: this.#remote.space(namespace), database: CONNECTED };
    return this.direct(namespace);
  }

  /** The daemon's own namespace. */
  direct(namespace: string): Session {
    return { space: this.host.stores.open(namespace), database: this.host.database };
  }

  /** Another namespace of the same daemon's run. */
  sessionBeside(session: Session, namespace: string): Session {
    return { space: this.session(namespace).space, database: session.database };
  }

  async get(session: Session, key: string, mayDoubt = true): Promise<void> {
    await this.find(session, key, mayDoubt);
  }

  /** @returns the value, and the names of the entry where it is a part */
  async find(session: Session, key: string, mayDoubt = true, isPart = false): Promise<Omit<Loaded, 'computed'>> {
    const { space, database } = session;
    if (database.closed) return never();
    const fromTable = mayDoubt && this.readsTable(placeOf(space.name, key));
    if (!fromTable && this.isNear(isPart)) {
      const bytes = this.held(space, key);
      if (bytes !== undefined) return { bytes, names: [] };
    }
    const read = this.ask(space, key, fromTable);
    const [found] = this.#remote !== undefined && !isPart ? [] : ((await space.named?.([key], fromTable)) ?? []);
    const bytes = this.#remote !== undefined && !isPart ? await space.get(key, fromTable) : found?.bytes;
    if (database.closed) return never();
    this.#pg.world.trace?.(`${this.name} gets ${key}: ${show(bytes)}`);
    checkRead(this.#pg, read, bytes);
    return { bytes, names: found?.names ?? [] };
  }

  async #getMany(session: Session, keys: readonly string[]): Promise<void> {
    const { space } = session;
    if (space.many === undefined) {
      await Promise.all(keys.map((each) => this.get(session, each)));
      return;
    }
    const reads: AskedRead[] = [];
    for (const key of keys) {
      const fromTable = this.readsTable(placeOf(space.name, key));
      if (fromTable || this.held(space, key) === undefined) reads.push(this.ask(space, key, fromTable));
    }
    if (reads.length === 0) return;
    const missing = reads.map(({ key }) => key);
    const found = await space.many(
      missing,
      reads.map(({ fromTable }) => fromTable),
    );
    for (const [at, read] of reads.entries()) checkRead(this.#pg, read, found[at]);
  }

  load(session: Session, key: string, how: LoadHow): Promise<Loaded> {
    return this.#loads.load(session, key, how);
  }

  /** A part is asked of the daemon, for its names. */
  isNear(isPart: boolean): boolean {
    return !isPart || this.#pg.without.has('parts are not read near');
  }

  /** What the near tier holds, if it answers. */
  held(space: Space, key: string): Packed | undefined {
    const bytes = space.held?.(key);
    if (bytes === undefined) return undefined;
    this.#pg.world.trace?.(`${this.name} has ${key} near: ${show(bytes)}`);
    checkRead(this.#pg, this.ask(space, key, false, true), bytes);
    return bytes;
  }

  ask({ name: namespace }: Space, key: string, fromTable: boolean, isNear = false): AskedRead {
    return askRead(this.#pg, { namespace, key, host: this.host.name, process: this.name, fromTable, isNear });
  }

  async #put(space: Space, { op, namespace, key, tags, ttlMs, graceMs = 0 }: OpItem): Promise<void> {
    const { truth, world } = this.#pg;
    const names = [...ownNames(namespace, key), ...tags.map((tag) => tagName(namespace, tag))];
    const place = placeOf(namespace, key);
    const births = new Map(names.map((name) => [name, 0]));
    const value = truth.newValue(place, births, undefined, { by: this.#writer, number: truth.values.length });
    value.graceMs = graceMs;
    world.trace?.(`${this.name} ${op}s ${key} to value ${value.id}`);
    const asked = truth.now();
    try {
      const bytes = valueBytes(value.id);
      const done =
        op === 'set'
          ? await space.set(key, bytes, ttlMs, tags, graceMs)
          : await space.add(key, bytes, ttlMs, tags, graceMs);
      world.trace?.(`${this.name} is told of ${op} ${key}: ${done ?? 'done'}`);
      if (done === false) {
        // A crash may have taken it, and another the key's place before it was sent again.
        if (value.birth !== undefined && value.crashes === truth.crashes)
          truth.fail('answers', `an add of ${place} was denied, though it took effect`);
        return;
      }
      if (op === 'add' && value.birth === undefined) truth.fail('nothing lost', `an add of ${place} never committed`);
      this.#acknowledged(writtenName(place), asked);
    } catch (error) {
      this.#failed(error, [place], () => {
        truth.mustNotExist.add(value);
      });
    }
  }

  async #kill(space: Space, item: OpItem): Promise<void> {
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
      for (const name of names) this.#acknowledged(name, asked);
    } catch (error) {
      this.#failed(error, op === 'delete' ? [place] : undefined);
    }
  }

  async #incr(space: Space, key: string): Promise<void> {
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

  /** A host's writes are in order, but those that come by wires only within one. */
  get #writer(): string {
    return this.#remote === undefined ? this.host.name : `${this.name} ${this.#remote.epoch}`;
  }

  #acknowledged(name: string, asked: Moment): void {
    this.#pg.truth.acknowledged(this.host.name, this.isRemote ? this.name : undefined, name, asked);
  }

  /** Every rejection but that of an unknown outcome says that nothing happened, and never will. */
  #failed(error: unknown, places: readonly string[] | undefined, denied?: () => void): void {
    if (!(error instanceof CacheError)) throw error;
    this.#pg.world.trace?.(`${this.name} is told ${error.code} (${error.message})`);
    // No outage of a schedule is as long as a broken batch is sent again; but a connection breaks, and a daemon dies.
    if (error.code === 'ERR_UNKNOWN_OUTCOME' && !this.isRemote) this.#pg.truth.fail('settles', error.message);
    if (error.code !== 'ERR_UNKNOWN_OUTCOME') denied?.();
    else if (places === undefined) this.#doubtsAll = true;
    else for (const place of places) this.#doubtful.add(place);
  }
}

const show = (bytes: Packed | undefined) =>
  bytes === undefined ? 'nothing' : isCounter(bytes) ? `counter ${counterOf(bytes)}` : `value ${idOf(bytes)}`;
