import { randomUUID } from 'node:crypto';
import { textOf } from '../shared/layout.js';
import { RELEASE } from '../shared/release.js';
import { topologyName } from '../shared/table/names.js';
import { systemClock } from './clock.js';
import { type Config, describeConfig } from './config.js';
import { databasesOf } from './databases.js';
import { Identity } from './identity.js';
import type { Log } from './log.js';
import { Members } from './members.js';
import type { Namespace } from './namespace.js';
import { type Opening, Placement } from './placement.js';
import { Shard } from './shard.js';
import { layoutOf } from './topology.js';

/** How long the start waits for the first looks: a database that is up is then ready, one that is down is not waited for. */
const FIRST_LOOK_MS = 5_000;
const SWEEP_INTERVAL_MS = 1_000;

/** What every name of a topology begins with. */
const TOPOLOGY = topologyName('');

/** Everything behind the socket, wired: who is told of what. The one place that knows all the parts. */
export class Engine {
  readonly #config: Config;
  readonly #log: Log;
  readonly #clock = systemClock;
  readonly #openings: () => Iterable<Opening>;
  readonly #startedMs = systemClock.now();
  readonly #shards: readonly Shard[];
  readonly #members: Members;
  #placement: Placement | undefined;
  #started: Promise<Placement>;
  #setStarted: (placement: Placement) => void = () => {};
  #callOffSweep: (() => void) | undefined;

  /**
   * @param onFresh near tiers are to be told until when they may answer
   * @param openings every connection, and what it has open
   */
  constructor(config: Config, log: Log, onFresh: () => void, openings: () => Iterable<Opening>) {
    this.#config = config;
    this.#openings = openings;
    this.#log = log;
    this.#started = new Promise((resolve) => {
      this.#setStarted = resolve;
    });
    const nodes = databasesOf(config);
    const daemonId = randomUUID();
    this.#shards = nodes.map((node, at) => {
      return new Shard({
        node,
        config,
        clock: this.#clock,
        daemonId,
        log: nodes.length === 1 ? log : log.child({ shard: node.name }),
        bar: () => this.#members.bar(at),
        onFresh,
        onSight: (blind) => {
          if (blind === undefined) this.#members.sighted(at);
          else this.#members.blind(at, blind.message);
        },
        onReset: () => void this.#members.settle(),
        onName: (name) => {
          if (name.startsWith(TOPOLOGY)) void this.#members.settle();
        },
      });
    });
    this.#members = new Members({
      members: this.#shards.map(({ node, record }) => ({ name: node.name, record })),
      layout: textOf(layoutOf(config, nodes)),
      clock: this.#clock,
      random: Math.random,
      onBegun: (name, isKnown) => {
        const what = isKnown ? 'keys that moved' : 'everything';
        log.warn({ shard: name }, `the cache is spread in another way from now on: ${what} was invalidated there`);
      },
      onOutvoted: (reason) => this.#outvoted(reason),
      onRefused: (_, reason) => log.error(reason),
    });
  }

  /** Begins to follow, listen and trim. The identity is this daemon's alone from here on. */
  async start(identity: Identity): Promise<void> {
    // Each database has numbers of its own: one that finds a number taken must not disturb the others.
    const shards = this.#shards.map((shard) => {
      return { node: shard.node, stores: shard.openStores(new Identity(identity.host, identity.start)) };
    });
    this.#placement = new Placement({ config: this.#config, clock: this.#clock, shards, openings: this.#openings });
    this.#setStarted(this.#placement);
    await this.#inTime(Promise.all(this.#shards.map((shard) => shard.look())), FIRST_LOOK_MS);
    await this.#members.start();
    for (const shard of this.#shards) shard.listen();
    this.#sweepSoon();
  }

  namespace(name: string): Namespace | Promise<Namespace> {
    return this.#placement?.open(name) ?? this.#started.then((placement) => placement.open(name));
  }

  isFresh(): boolean {
    const nowMs = this.#clock.now();
    return this.#shards.every((shard) => shard.isFresh(nowMs));
  }

  /** Of several databases the first lines tell the worst, and `shards` tells of each. */
  status(): Record<string, unknown> {
    const nowMs = this.#clock.now();
    const shards = this.#shards.map((shard, at) => {
      return { name: shard.node.name, ...shard.status(nowMs), refused: this.#members.refusal(at) ?? null };
    });
    const [first] = shards;
    const looks = shards.map(({ msSinceLastLook }) => msSinceLastLook);
    const worst = (field: 'database' | 'listen') => shards.find((shard) => shard[field] !== 'ok')?.[field] ?? 'ok';
    return {
      release: RELEASE,
      node: process.version,
      pid: process.pid,
      uptimeSeconds: Math.round((nowMs - this.#startedMs) / 1000),
      socket: this.#config.socket,
      fresh: this.isFresh(),
      msSinceLastLook: looks.includes(null) ? null : Math.max(...(looks as number[])),
      staleBoundMs: this.#config.staleBoundMs,
      incarnation: shards.length === 1 ? first?.incarnation : null,
      database: worst('database'),
      listen: worst('listen'),
      ...(shards.length === 1 ? {} : { shards: Object.fromEntries(shards.map(({ name, ...rest }) => [name, rest])) }),
      rssBytes: process.memoryUsage.rss(),
      namespaces: this.#placement?.describe() ?? {},
      config: describeConfig(this.#config),
    };
  }

  /** Waits for writes that are under way. */
  async drain(timeoutMs: number): Promise<void> {
    await this.#inTime(Promise.all(this.#shards.map((shard) => shard.drained())), timeoutMs);
  }

  async stop(): Promise<void> {
    this.#callOffSweep?.();
    await Promise.all(this.#shards.map((shard) => shard.stop()));
  }

  #outvoted(reason: string | undefined): void {
    if (reason === undefined) {
      this.#log.info('the cache is spread as it is here again: going on');
      return;
    }
    this.#log.error(reason);
    for (const shard of this.#shards) shard.reset();
  }

  async #inTime(work: Promise<unknown>, timeoutMs: number): Promise<void> {
    let callOff = () => {};
    const patience = new Promise<void>((resolve) => {
      callOff = this.#clock.after(timeoutMs, resolve);
    });
    await Promise.race([work, patience]);
    callOff();
  }

  #sweepSoon(): void {
    this.#callOffSweep = this.#clock.after(SWEEP_INTERVAL_MS, () => {
      for (const shard of this.#shards) shard.sweep();
      this.#placement?.sweep();
      this.#sweepSoon();
    });
  }
}
