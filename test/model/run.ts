import { CacheError } from '../../shared/errors.js';
import { tagName } from '../../shared/table/names.js';
import { ablate } from './ablations.js';
import { valueBytes } from './bytes.js';
import { askRead, checkRead, liveXid } from './check.js';
import { Process } from './clients.js';
import type { Faults } from './connection.js';
import { Host } from './host.js';
import { ModelPostgres } from './postgres.js';
import { Random } from './random.js';
import { type ForeignItem, type Item, LOADED_KEYS, PLAIN_KEYS, type Plan } from './schedule.js';
import { placeOf, Truth, type Violation } from './truth.js';
import { World } from './world.js';

/** Virtual time after which a schedule that has not come to an end is itself a failure. */
const END_MS = 60_000;
/** What is kept is tried in one of so many schedules: it takes as long as all the rest. */
const KEEPS_EVERY = 4;
const NO_FAULTS: Faults = { unreachable: 0, lostRequest: 0, broken: 0, killed: 0, deaf: 0, twice: 0 };

export interface RunOptions {
  /** Rules to leave out. */
  readonly without?: readonly string[];
  readonly trace?: (line: string) => void;
}

export interface RunResult {
  readonly violation: Violation | undefined;
  readonly largestStalenessMs: number;
}

/** One schedule from its beginning to its end. */
export async function run(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  const without = new Set(options.without ?? []);
  const restore = ablate(without);
  const schedule = new Schedule(plan, without, options.trace);
  try {
    await schedule.run();
  } finally {
    restore();
  }
  const { violation, largestStalenessMs } = schedule.truth;
  return { violation, largestStalenessMs };
}

/** A cut may still be on its way when all else has ended. */
function whereConnected(error: unknown): null {
  if (error instanceof CacheError && error.code === 'ERR_UNAVAILABLE') return null;
  throw error;
}

class Schedule {
  readonly #plan: Plan;
  readonly #world: World;
  readonly truth: Truth;
  readonly #pg: ModelPostgres;
  readonly #hosts: Host[] = [];
  readonly #processes: Process[] = [];
  #faults: Faults;
  #outages = 0;
  #pending = 0;
  #failure: unknown;

  constructor(plan: Plan, without: ReadonlySet<string>, trace: RunOptions['trace']) {
    this.#plan = plan;
    this.#world = new World(new Random(plan.seed), { ...plan.settings.weather }, trace);
    this.truth = new Truth(this.#world, plan.settings.staleBoundMs);
    this.#pg = new ModelPostgres(this.#world, this.truth, without);
    this.#faults = plan.settings.faults;
    for (let at = 0; at < plan.settings.hosts; at++) {
      const faults = () => (this.#outages > 0 ? { ...this.#faults, lostRequest: 0.7, broken: 0.7 } : this.#faults);
      const parts = { pg: this.#pg, settings: plan.settings, peers: this.#hosts, faults };
      const host = new Host(`host${at}`, parts);
      this.#hosts.push(host);
      this.#processes.push(...[0, 1].map((of) => new Process(this.#pg, host, of, plan.settings.near?.[of] ?? false)));
    }
  }

  async run(): Promise<void> {
    const queues = this.#processes.map(() => Promise.resolve());
    // Daemons take a moment to begin to follow.
    const beginMs = 10;
    for (const item of this.#plan.items) {
      this.#pending += 1;
      this.#world.after(beginMs + item.atMs, () => {
        this.#do(item, queues)
          .catch((error: unknown) => {
            this.#failure ??= error;
          })
          .finally(() => {
            this.#pending -= 1;
          });
      });
    }
    await this.#until(() => this.#pending === 0, 'the schedule');
    if (this.truth.violation === undefined) await this.#end();
    for (const process of this.#processes) process.close();
    for (const host of this.#hosts) host.kill();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #until(done: () => boolean, what: string): Promise<void> {
    const isOver = () => done() || this.truth.violation !== undefined || this.#failure !== undefined;
    await this.#world.run(isOver, this.#world.nowMs + END_MS);
    if (!isOver()) this.truth.fail('comes to an end', `${what} hangs`);
  }

  async #do(item: Item, queues: Promise<void>[]): Promise<void> {
    const { kind } = item;
    const host = 'host' in item ? this.#hosts[item.host] : undefined;
    if (kind === 'op') {
      const at = 2 * item.host + item.process;
      const process = this.#processes[at] as Process;
      const turn = item.pipelined ? Promise.resolve() : (queues[at] as Promise<void>);
      const over = turn.then(() => process.run(item));
      if (!item.pipelined) queues[at] = over;
      await over;
    } else if (kind === 'foreign') await this.#foreign(item);
    else if (kind === 'crash') this.#pg.crash();
    else if (kind === 'restart') {
      this.#world.trace?.(`${host?.name} restarts`);
      host?.start();
    } else if (kind === 'end') host?.endProcess(item.process);
    else if (kind === 'outage') {
      this.#outages += 1;
      await this.#world.sleep(item.lastsMs);
      this.#outages -= 1;
    } else if (kind === 'lock') {
      const tx = this.#pg.begin();
      const chain = this.#pg.space(item.namespace).chain(item.key);
      if (chain.owner === undefined) {
        chain.owner = tx;
        tx.owned.push(chain);
      }
      await this.#world.sleep(item.lastsMs);
      this.#pg.abort(tx);
    } else if (kind === 'trim') void this.#trim(host as Host, item.lagMs);
  }

  async #trim(host: Host, lagMs: number): Promise<void> {
    const { sight } = host.follower;
    if (sight === undefined) return;
    await this.#world.sleep(lagMs);
    if (host.database.closed) return;
    await host.database.trim(String(sight.snapshot.xmin), sight.incarnation).catch(() => {});
  }

  /** Somebody's own transaction: invalidations inside it count if and when it commits. */
  async #foreign(item: ForeignItem): Promise<void> {
    const pg = this.#pg;
    const tx = pg.begin();
    pg.xidOf(tx);
    const at = this.#world.random.next();
    this.#world.trace?.(`transaction ${tx.xid} begins, to invalidate ${item.names}`);
    await this.#world.sleep(item.lastsMs * at);
    if (tx.state !== 'running') return;
    for (const name of item.names) {
      pg.insertLog(tx, { name });
      tx.effects.push({ kind: 'kill', name, host: undefined });
    }
    await this.#world.sleep(item.lastsMs * (1 - at));
    if (tx.state !== 'running') return;
    if (item.ends === 'prepare') {
      pg.prepare(tx);
      this.#world.trace?.(`transaction ${tx.xid} is prepared`);
      await this.#world.sleep(item.preparedMs);
    }
    this.#world.trace?.(`transaction ${tx.xid} ends: ${item.ends}`);
    if (item.ends === 'abort') return pg.abort(tx);
    pg.durableXid = pg.nextXid;
    pg.commit(tx);
    for (const host of this.#hosts) {
      if (!this.#world.random.chance(this.#faults.deaf))
        this.#world.after(this.#world.delayMs(), () => host.follower.wake());
    }
  }

  /** Faults stop. Everybody is to read the truth soon, and what is computed or written is to be kept. */
  async #end(): Promise<void> {
    const { world } = this.#pg;
    world.trace?.('faults stop');
    this.#faults = NO_FAULTS;
    Object.assign(world.weather, { slow: 0, verySlow: 0, stop: 0 });
    await this.#until(() => this.#processes.every((process) => process.isIdle), 'a call');
    await this.#until(() => this.#pg.busy === 0, 'a statement');
    await this.#until(() => this.#processes.every((process) => process.isConnected), 'a connection');
    const { staleBoundMs, pollIntervalMs, blindMs = [0, 0] } = this.#plan.settings;
    await this.#finish(async () => {
      await world.sleep(Math.max(0, blindMs[1] - world.nowMs) + staleBoundMs + 2 * pollIntervalMs);
      await Promise.all(this.#hosts.map((host) => host.follower.look()));
      await Promise.all(this.#hosts.map((host) => this.#readTruth(host)));
      for (const process of this.#processes) if (process.isRemote) await this.#readNear(process);
      if (this.#plan.seed % KEEPS_EVERY !== 0) return;
      for (const host of this.#hosts) await this.#keeps(host);
    });
    this.truth.checkEnd();
  }

  async #finish(work: () => Promise<void>): Promise<void> {
    let isOver = false;
    work()
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        isOver = true;
      });
    await this.#until(() => isOver, 'the end');
  }

  async #readTruth(host: Host): Promise<void> {
    const places = [...PLAIN_KEYS, ...LOADED_KEYS].map((key) => ['default', key] as const);
    const all = [...places, ['other', 'c'] as const, ['other', 'd'] as const];
    const process = `${host.name} at the end`;
    for (const _ of [1, 2]) {
      await Promise.all(
        all.map(async ([namespace, key]) => {
          const read = askRead(this.#pg, { namespace, key, host: host.name, process, fromTable: true });
          checkRead(this.#pg, read, await host.stores.open(namespace).get(key, false));
        }),
      );
    }
  }

  /** A near tier, too, has nothing by now that is dead, and takes what it is given. */
  async #readNear(process: Process): Promise<void> {
    const { space } = process.session('default');
    for (const key of [...PLAIN_KEYS, ...LOADED_KEYS, 'w']) {
      for (const isNear of [true, false]) {
        const read = process.ask(space, key, true, isNear);
        const bytes = isNear ? space.held?.(key) : await Promise.resolve(space.get(key, false)).catch(whereConnected);
        if (bytes === null) return;
        if (bytes !== undefined || !isNear) checkRead(this.#pg, read, bytes);
      }
    }
  }

  /** What nothing speaks against is kept: a load's value in the table, what was written and read in memory. */
  async #keeps(host: Host): Promise<void> {
    const process = this.#processes[2 * this.#hosts.indexOf(host)] as Process;
    const session = process.direct('default');
    const { space, database } = session;
    const how = { computeMs: 0, ends: 'fill', nested: false, ttlMs: 1e6 } as const;
    const load = async (key: string) => {
      const { computed } = await process.load(session, key, how);
      if (computed > 1) this.truth.fail('keeps', `${host.name} had to compute ${key} ${computed} times`);
      if (liveXid(this.#pg, 'default', key) === undefined)
        this.truth.fail('keeps', `${host.name} did not store ${key}`);
    };
    const readInMemory = async (key: string) => {
      const before = database.readsSent;
      await process.get(session, key, false);
      if (database.readsSent > before) this.truth.fail('keeps', `${host.name} did not keep ${key} in memory`);
    };
    await load(`q${host.name}`);
    await readInMemory(`q${host.name}`);
    await space.delete('x');
    await load('x');
    const value = this.truth.newValue(placeOf('default', 'a'), new Map([[tagName('default', 'ta'), 0]]), undefined, {
      by: '',
      number: 1e9,
    });
    await space.set('a', valueBytes(value.id), 1e6, ['ta'], 0);
    await host.follower.look();
    await readInMemory('a');
  }
}
