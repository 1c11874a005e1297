import type { LinkEvents } from '../../client/link.js';
import { Follower } from '../../daemon/follower.js';
import { Identity } from '../../daemon/identity.js';
import type { Holder } from '../../daemon/namespace.js';
import type { SessionContext } from '../../daemon/session-context.js';
import { Stores } from '../../daemon/stores.js';
import { LIMIT } from '../../shared/protocol.js';
import { Slabs } from '../../shared/slabs.js';
import { type Faults, ModelDatabase } from './connection.js';
import { nearRules } from './near-rules.js';
import type { ModelPostgres } from './postgres.js';
import type { Settings } from './schedule.js';
import { Wire } from './wire.js';

/** The follower's words for it. */
const FIRST_LOOK = 'the first look at the log';

export const NAMESPACES = ['default', 'other'] as const;

/** A host: one daemon, the real one, on virtual time and the modelled Postgres; and the processes that it serves. */
export class Host {
  readonly name: string;
  readonly #pg: ModelPostgres;
  readonly #settings: Settings;
  readonly #peers: readonly Host[];
  readonly #faults: () => Faults;
  #starts = 0;
  database!: ModelDatabase;
  follower!: Follower;
  stores!: Stores;
  holders: Holder[] = [];
  readonly #wires = new Set<Wire>();
  #context!: SessionContext;

  constructor(
    name: string,
    parts: { pg: ModelPostgres; settings: Settings; peers: readonly Host[]; faults: () => Faults },
  ) {
    this.name = name;
    this.#pg = parts.pg;
    this.#settings = parts.settings;
    this.#peers = parts.peers;
    this.#faults = parts.faults;
    this.start();
  }

  /** Starts the daemon, anew after it was killed: what it held is gone, what its backends do goes on. */
  start(): void {
    const { clock } = this.#pg.world;
    const { without } = this.#pg;
    const { staleBoundMs, pollIntervalMs, maxEntries, rowsMax } = this.#settings;
    if (this.database !== undefined) this.kill();
    this.#starts += 1;
    const database = new ModelDatabase({
      pg: this.#pg,
      host: this.name,
      namespaces: NAMESPACES,
      rowsMax,
      isBlind: () => this.#isBlind,
      faults: this.#faults,
      wakeOthers: () => this.#wakeOthers(),
    });
    let lookAnsweredMs = Number.NEGATIVE_INFINITY;
    let stores: Stores | undefined;
    const follower = new Follower({
      database: without.size === 0 ? database : forgetful(database, without),
      clock,
      staleBoundMs,
      pollIntervalMs,
      apply: (row) => stores !== undefined && Stores.prototype.learn.call(stores, row),
      reset: (reason) => {
        if (reason !== FIRST_LOOK || !without.has('reset on the first look')) stores?.reset();
      },
      onSight: (blind) => {
        if (blind === undefined) lookAnsweredMs = clock.now();
      },
      onFresh: () => {
        for (const { session } of this.#wires) session.tellFresh();
      },
    });
    stores = new Stores(
      {
        table: 'hyper_cache',
        defaultTtl: 300,
        maxBytes: 1e6,
        maxEntries,
        maxValueBytes: 1e6,
        loadTimeoutMs: 150,
        namespaces: {},
      },
      {
        database,
        clock,
        place: 'the modelled Postgres',
        identity: new Identity(this.name, this.#starts),
        follower: without.size === 0 ? follower : credulous(follower, without, () => lookAnsweredMs + staleBoundMs),
        onWritten: () => void database.notify(),
        onSuperseded: () => this.#pg.truth.fail('identity', `${this.name} was superseded`),
        random: () => this.#pg.world.random.next(),
        newId: () => `lease ${this.#pg.leaseIds++}`,
        defer: (run) => void this.#pg.world.after(0, run),
      },
    );
    if (without.has('own rows applied at the acknowledgement')) stores.learn = () => {};
    this.database = database;
    this.follower = follower;
    this.stores = stores;
    this.#context = this.#contextOf(stores);
    this.holders = [0, 1].map((at) => ({ name: `${this.name} process ${at}` }));
    for (const namespace of NAMESPACES) stores.open(namespace);
    void follower.look();
  }

  kill(): void {
    this.database.closed = true;
    this.follower.stop();
    for (const wire of this.#wires) wire.die();
  }

  /** A process connects, to the daemon that runs now. */
  connect(name: string, events: LinkEvents): Wire {
    const wire = new Wire(this.#pg.world, name, this.#context, events, (closed) => this.#wires.delete(closed));
    this.#wires.add(wire);
    return wire;
  }

  /** The connections of a process break. */
  cut(name: string): void {
    for (const wire of this.#wires) if (wire.session.name === name) wire.cut();
  }

  #contextOf(stores: Stores): SessionContext {
    const { truth, world, without } = this.#pg;
    const complain = (details: object, message: string) => {
      truth.fail('the wire', `${message}: ${JSON.stringify(details)} ${'err' in details ? String(details.err) : ''}`);
    };
    return {
      namespaces: without.size === 0 ? (name) => stores.open(name) : nearRules(stores, world, without),
      status: () => ({}),
      log: { info: () => {}, warn: complain, error: complain },
      slabs: new Slabs(),
      limits: LIMIT,
      release: 'model',
      start: `${this.name} ${this.#starts}`,
    };
  }

  /** A process ends: its loads pass to the next. */
  endProcess(at: number): void {
    const holder = this.holders[at];
    if (holder === undefined) return;
    for (const namespace of NAMESPACES) this.stores.open(namespace).release(holder);
    this.holders[at] = { name: holder.name };
  }

  get #isBlind(): boolean {
    const { blindUntilMs, blindMs = [0, 0] } = this.#settings;
    const { nowMs } = this.#pg.world;
    return nowMs < blindUntilMs || (nowMs >= blindMs[0] && nowMs < blindMs[1]);
  }

  #wakeOthers(): void {
    const { world } = this.#pg;
    const { deaf, twice } = this.#faults();
    for (const peer of this.#peers) {
      if (peer === this || world.random.chance(deaf)) continue;
      for (let times = world.random.chance(twice) ? 2 : 1; times > 0; times--) {
        world.after(world.delayMs(), () => peer.follower.wake());
      }
    }
  }
}

/** The follower's database where what a look brings is partly overlooked. */
function forgetful(database: ModelDatabase, without: ReadonlySet<string>): Pick<ModelDatabase, 'look' | 'incarnate'> {
  return {
    incarnate: () => database.incarnate(),
    look: async (last) => {
      const result = await database.look(last);
      return {
        ...result,
        logFloor: without.has('reset below the floor of the log') ? '0' : result.logFloor,
        rows: without.has('reset on too many rows') ? (result.rows ?? []) : result.rows,
      };
    },
  };
}

/** The follower as the stores see it where they are told what is not so. */
function credulous(follower: Follower, without: ReadonlySet<string>, freshUntilAnsweredMs: () => number): Follower {
  const others = new Map<PropertyKey, unknown>();
  if (without.has('the bound')) others.set('isFresh', () => true);
  if (without.has('the bound counts from sending'))
    others.set('isFresh', (nowMs: number) => nowMs < freshUntilAnsweredMs());
  if (without.has('one incarnation of read and sight')) others.set('follows', () => follower.sight !== undefined);
  if (without.has('another incarnation met by a write')) others.set('meetIncarnation', () => {});
  if (without.has('own writes seen before a load')) others.set('saw', () => true);
  return new Proxy(follower, {
    get(target, name) {
      if (others.has(name)) return others.get(name);
      if (name === 'sight' && without.has("the follower's sight in a load's base")) {
        const { sight } = target;
        return sight && { ...sight, snapshot: { xmin: 1n << 60n, xmax: 1n << 60n, running: [] } };
      }
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
