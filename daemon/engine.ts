import { randomUUID } from 'node:crypto';
import { RELEASE } from '../shared/release.js';
import { splitTable } from '../shared/table/names.js';
import { systemClock } from './clock.js';
import { type Config, describeConfig } from './config.js';
import { connectionOptions } from './connection-options.js';
import { Follower } from './follower.js';
import type { Identity } from './identity.js';
import { Listener } from './listener.js';
import { createChangeLog, type Log } from './log.js';
import type { Namespace } from './namespace.js';
import { Stores, spaceOf } from './stores.js';
import { Trimmer } from './trimmer.js';
import { Wakeups } from './wakeups.js';
import { WorkersDatabase } from './workers.js';
import { LOCK_TIMEOUT_MS } from './writer.js';

/** How long the start waits for the first look: a database that is up is then ready, one that is down is not waited for. */
const FIRST_LOOK_MS = 5_000;
const SWEEP_INTERVAL_MS = 1_000;

/** Everything behind the socket, wired: who is told of what. The one place that knows all the parts. */
export class Engine {
  readonly #config: Config;
  readonly #log: Log;
  readonly #clock = systemClock;
  readonly #startedMs = systemClock.now();
  readonly #database: WorkersDatabase;
  readonly #follower: Follower;
  readonly #listener: Listener;
  readonly #trimmer: Trimmer;
  readonly #wakeups: Wakeups;
  #stores: Stores | undefined;
  #started: Promise<Stores>;
  #setStarted: (stores: Stores) => void = () => {};
  #callOffSweep: (() => void) | undefined;
  #blind: string | undefined;
  #deaf: string | undefined = 'not listening yet';

  constructor(config: Config, log: Log) {
    this.#config = config;
    this.#log = log;
    const clock = this.#clock;
    const { staleBoundMs, pollIntervalMs, trimIntervalMs, trimLagMs } = config;
    const onChange = createChangeLog(log);
    const connection = connectionOptions(config);
    const daemonId = randomUUID();
    this.#started = new Promise((resolve) => {
      this.#setStarted = resolve;
    });
    this.#database = new WorkersDatabase({
      connection,
      pooler: config.pooler,
      poolSize: config.poolSize,
      table: config.table,
      logged: config.logged,
      workers: config.workers,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      lookTimeoutMs: Math.max(200, staleBoundMs),
      daemonId,
      space: (namespace) => spaceOf(config, namespace),
      onNotice: (text) => log.warn(text),
    });
    this.#wakeups = new Wakeups(this.#database);
    this.#follower = new Follower({
      database: this.#database,
      clock,
      staleBoundMs,
      pollIntervalMs,
      apply: (row) => this.#stores?.learn(row),
      reset: (reason) => {
        log.debug({ reason }, 'memory emptied');
        this.#stores?.reset();
      },
      onSight: (blind) => {
        this.#blind = blind?.message;
        if (blind === undefined) onChange('database', 'up', 'the database answers');
        else onChange('database', 'down', `the database does not answer: ${blind.message}`, { level: 'error' });
      },
    });
    this.#listener = new Listener({
      connection,
      channel: splitTable(config.table).name,
      daemonId,
      clock,
      onWake: () => this.#follower.wake(),
      onHearing: (deaf) => {
        this.#deaf = deaf?.message;
        if (deaf === undefined) onChange('listen', 'hearing', 'wake-ups arrive');
        else onChange('listen', 'deaf', `no wake-ups, polling alone: ${deaf.message}`, { level: 'warn' });
      },
    });
    this.#trimmer = new Trimmer({
      clock,
      database: this.#database,
      follower: this.#follower,
      intervalMs: trimIntervalMs,
      lagMs: trimLagMs,
      random: Math.random,
      onFailure: (error) => log.debug({ reason: error.message }, 'a trim did not end'),
      onTrimmed: (rows) => rows > 0 && log.debug({ rows }, 'trimmed'),
    });
  }

  /** Begins to follow, listen and trim. The identity is this daemon's alone from here on. */
  async start(identity: Identity): Promise<void> {
    this.#stores = new Stores(this.#config, {
      database: this.#database,
      clock: this.#clock,
      identity,
      follower: this.#follower,
      onWritten: () => this.#wakeups.send(),
      onSuperseded: () =>
        this.#log.error(
          'another daemon writes under the same identity (a copied state folder?): going on as a new host',
        ),
      defer: (run) => setImmediate(run),
    });
    this.#setStarted(this.#stores);
    let callOff = () => {};
    const patience = new Promise<void>((resolve) => {
      callOff = this.#clock.after(FIRST_LOOK_MS, resolve);
    });
    await Promise.race([this.#follower.look(), patience]);
    callOff();
    this.#listener.start();
    this.#trimmer.start();
    this.#sweepSoon();
  }

  namespace(name: string): Namespace | Promise<Namespace> {
    return this.#stores?.open(name) ?? this.#started.then((stores) => stores.open(name));
  }

  isFresh(): boolean {
    return this.#follower.isFresh(this.#clock.now());
  }

  status(): Record<string, unknown> {
    const nowMs = this.#clock.now();
    const { lastLookMs, sight } = this.#follower;
    return {
      release: RELEASE,
      node: process.version,
      pid: process.pid,
      uptimeSeconds: Math.round((nowMs - this.#startedMs) / 1000),
      socket: this.#config.socket,
      fresh: this.#follower.isFresh(nowMs),
      msSinceLastLook: Number.isFinite(lastLookMs) ? Math.round(nowMs - lastLookMs) : null,
      staleBoundMs: this.#config.staleBoundMs,
      incarnation: sight?.incarnation ?? null,
      database: this.#blind ?? 'ok',
      listen: this.#deaf ?? 'ok',
      rssBytes: process.memoryUsage.rss(),
      namespaces: this.#stores?.describe() ?? {},
      config: describeConfig(this.#config),
    };
  }

  /** Waits for writes that are under way. */
  async drain(timeoutMs: number): Promise<void> {
    let callOff = () => {};
    const patience = new Promise<void>((resolve) => {
      callOff = this.#clock.after(timeoutMs, resolve);
    });
    await Promise.race([this.#stores?.drained(), patience]);
    callOff();
  }

  async stop(): Promise<void> {
    this.#callOffSweep?.();
    this.#trimmer.stop();
    this.#follower.stop();
    await this.#listener.stop();
    await this.#database.close();
  }

  #sweepSoon(): void {
    this.#callOffSweep = this.#clock.after(SWEEP_INTERVAL_MS, () => {
      this.#stores?.sweep();
      this.#sweepSoon();
    });
  }
}
