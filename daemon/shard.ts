import { randomUUID } from 'node:crypto';
import { adviceFor } from '../shared/table/advice.js';
import { splitTable } from '../shared/table/names.js';
import { BarredDatabase } from './barred-database.js';
import type { Clock } from './clock.js';
import type { Config } from './config.js';
import { connectionOptions, LISTENER_NAME } from './connection-options.js';
import { Crowd } from './crowd.js';
import type { DatabaseNode } from './databases.js';
import { Follower } from './follower.js';
import type { Identity } from './identity.js';
import { Listener } from './listener.js';
import { createChangeLog, type Log } from './log.js';
import { Stores, spaceOf } from './stores.js';
import type { TopologyRecord } from './topology.js';
import { Trimmer } from './trimmer.js';
import { Wakeups } from './wakeups.js';
import { WorkersDatabase } from './workers.js';
import { LOCK_TIMEOUT_MS } from './write-stream.js';

/** Near tiers are told of the bound when it has moved by this part of itself, so that frequent looks cost them little. */
const FRESH_STEPS = 8;

export interface ShardOptions {
  readonly node: DatabaseNode;
  readonly config: Config;
  readonly clock: Clock;
  readonly daemonId: string;
  readonly log: Log;
  /** What entries have to wait for: see {@link BarredDatabase}. */
  bar(): Promise<void> | undefined;
  /** Memory may answer for longer: near tiers are to be told. */
  onFresh(): void;
  /** A look was answered, or (with the reason) was not. */
  onSight(blind: Error | undefined): void;
  /** Memory was emptied because it is not known what the log said. */
  onReset(): void;
  /** A name was invalidated. */
  onName(name: string): void;
}

/** All that a daemon has once a database: its connections, the follower of its log, and the stores of its namespaces. */
export class Shard {
  readonly node: DatabaseNode;
  readonly #options: ShardOptions;
  readonly #onChange: ReturnType<typeof createChangeLog>;
  readonly #database: WorkersDatabase;
  readonly #follower: Follower;
  readonly #listener: Listener | undefined;
  readonly #trimmer: Trimmer;
  readonly #wakeups: Wakeups;
  readonly #crowd = new Crowd();
  #toldUntilMs = Number.NEGATIVE_INFINITY;
  #stores: Stores | undefined;
  #blind: string | undefined;
  #deaf: string | undefined = 'not listening yet';

  constructor(options: ShardOptions) {
    const { node, config } = options;
    this.node = node;
    this.#options = options;
    this.#onChange = createChangeLog(options.log);
    const connection = connectionOptions(config, node.url);
    this.#database = this.#newDatabase(connection);
    this.#wakeups = new Wakeups({
      database: this.#database,
      clock: options.clock,
      defer: (run) => setImmediate(run),
      crowdGapMs: () => this.#crowd.wakeupGapMs,
    });
    this.#follower = this.#newFollower();
    this.#listener = this.#newListener();
    this.#trimmer = this.#newTrimmer();
  }

  get record(): TopologyRecord {
    return this.#database;
  }

  /** @param identity of this daemon, and of nobody else in this database */
  openStores(identity: Identity): Stores {
    const { node, config, clock, log, bar } = this.#options;
    this.#stores = new Stores(config, {
      database: new BarredDatabase(this.#database, bar),
      clock,
      identity,
      place: node.name,
      follower: this.#follower,
      onWritten: () => this.#wakeups.send(),
      onSuperseded: () =>
        log.error('another daemon writes under the same identity (a copied state folder?): going on as a new host'),
      defer: (run) => setImmediate(run),
      random: Math.random,
      newId: randomUUID,
    });
    return this.#stores;
  }

  /** Resolves when a look has ended, well or not. */
  look(): Promise<void> {
    return this.#follower.look();
  }

  listen(): void {
    this.#listener?.start();
    this.#trimmer.start();
  }

  reset(): void {
    this.#stores?.reset();
  }

  sweep(): void {
    this.#stores?.sweep();
  }

  isFresh(nowMs: number): boolean {
    return this.#follower.isFresh(nowMs);
  }

  status(nowMs: number): ShardStatus {
    const { lastLookMs, sight } = this.#follower;
    return {
      fresh: this.#follower.isFresh(nowMs),
      msSinceLastLook: Number.isFinite(lastLookMs) ? Math.round(nowMs - lastLookMs) : null,
      incarnation: sight?.incarnation ?? null,
      database: this.#blind ?? 'ok',
      listen: this.#deaf ?? 'ok',
    };
  }

  async drained(): Promise<void> {
    await this.#stores?.drained();
  }

  async stop(): Promise<void> {
    this.#trimmer.stop();
    this.#follower.stop();
    await this.#listener?.stop();
    await this.#database.close();
  }

  #newDatabase(connection: object): WorkersDatabase {
    const { config, daemonId, log } = this.#options;
    return new WorkersDatabase({
      connection,
      pooler: config.pooler,
      poolSize: config.poolSize,
      table: config.table,
      logged: config.logged,
      workers: config.workers,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      lookTimeoutMs: Math.max(200, config.staleBoundMs),
      daemonId,
      space: (namespace) => spaceOf(config, namespace),
      onNotice: (text) => log.warn(text),
    });
  }

  #newFollower(): Follower {
    const { config, clock, log, onFresh, onName, onReset, onSight } = this.#options;
    return new Follower({
      database: this.#database,
      clock,
      staleBoundMs: config.staleBoundMs,
      pollIntervalMs: config.pollIntervalMs,
      gapMs: () => this.#crowd.lookGapMs,
      apply: (row) => {
        this.#stores?.learn(row);
        if ('name' in row) onName(row.name);
      },
      reset: (reason) => {
        log.debug({ reason }, 'memory emptied');
        this.reset();
        onReset();
      },
      onFresh: (untilMs) => {
        if (untilMs - this.#toldUntilMs < config.staleBoundMs / FRESH_STEPS) return;
        this.#toldUntilMs = untilMs;
        onFresh();
      },
      onSight: (blind) => {
        this.#blind = blind?.message;
        if (blind === undefined) this.#onChange('database', 'up', 'the database answers');
        else {
          // A fault of the configuration is told although the database was away before.
          const state = adviceFor(blind.message) ?? 'down';
          this.#onChange('database', state, `the database does not answer: ${blind.message}`, { level: 'error' });
        }
        onSight(blind);
      },
    });
  }

  /**
   * Through a pooler in transaction mode LISTEN would stay behind at a backend that others are given next, and be heard
   * now and then, when the daemon is given that one again: enough to pass its own check.
   */
  #newListener(): Listener | undefined {
    const { node, config, clock, daemonId, log } = this.#options;
    if (node.listen === undefined) {
      this.#deaf = 'a pooler is between, and no listenUrl was given: polling alone';
      log.info(`no wake-ups through a pooler: polling every ${config.pollIntervalMs} ms; listenUrl brings them`);
      return undefined;
    }
    const isDirect = config.listenUrl !== undefined;
    const connection = connectionOptions(isDirect ? { ...config, pooler: false } : config, node.listen.url);
    return new Listener({
      connection: { ...connection, application_name: LISTENER_NAME },
      channel: splitTable(config.table).name,
      daemonId,
      clock,
      onWake: () => {
        this.#follower.wake();
        this.#stores?.wake();
      },
      onHearing: (deaf) => {
        this.#deaf = deaf?.message;
        if (deaf === undefined) this.#countListeners();
        if (deaf === undefined) this.#onChange('listen', 'hearing', 'wake-ups arrive');
        else this.#onChange('listen', 'deaf', `no wake-ups, polling alone: ${deaf.message}`, { level: 'warn' });
      },
    });
  }

  #countListeners(): void {
    const setCount = (count: number) => {
      this.#crowd.listeners = count;
    };
    // Where they can't be counted it stays at what it was.
    this.#database.countListeners().then(setCount, () => {});
  }

  #newTrimmer(): Trimmer {
    const { config, clock, log } = this.#options;
    return new Trimmer({
      clock,
      database: this.#database,
      follower: this.#follower,
      intervalMs: config.trimIntervalMs,
      lagMs: config.trimLagMs,
      random: Math.random,
      onFailure: (error) => log.debug({ reason: error.message }, 'a trim did not end'),
      onTrimmed: (rows) => rows > 0 && log.debug({ rows }, 'trimmed'),
    });
  }
}

export interface ShardStatus {
  readonly fresh: boolean;
  readonly msSinceLastLook: number | null;
  readonly incarnation: string | null;
  readonly database: string;
  readonly listen: string;
}
