import { CacheError } from '../shared/errors.js';
import { type Continuum, layOut } from '../shared/ketama.js';
import { type Layout, nodeOf } from '../shared/layout.js';
import { LIMIT, NAMESPACE_PATTERN } from '../shared/protocol.js';
import type { Clock } from './clock.js';
import type { Config } from './config.js';
import type { DatabaseNode } from './databases.js';
import { MemoryNamespace } from './memory-namespace.js';
import type { Namespace } from './namespace.js';
import type { NamespaceConfig } from './options.js';
import { SpreadNamespace } from './spread.js';
import type { Stores } from './stores.js';
import { layoutOf } from './topology.js';

/** How long a namespace is kept that nobody has open, at the least: whoever reconnects finds its memory. */
const IDLE_MS = 60_000;
/** As many of those that hold the most are named where no namespace can be opened. */
const HOLDERS_NAMED_MAX = 3;

/** A connection, and the namespaces that it has open. */
export interface Opening {
  readonly name: string;
  readonly opened: readonly Namespace[];
}

export interface PlacementOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly shards: readonly { readonly node: DatabaseNode; readonly stores: Stores }[];
  /** Every connection. */
  openings(): Iterable<Opening>;
}

/**
 * The namespaces of a daemon by name, each made on first use where it belongs: in memory alone, on one database, or spread
 * over all. With one database its stores are the namespaces themselves.
 */
export class Placement {
  readonly #options: PlacementOptions;
  readonly #layout: Layout;
  readonly #continuum: Continuum;
  readonly #opened = new Map<string, Namespace>();
  /** When each was asked for last. */
  readonly #askedMs = new Map<string, number>();

  constructor(options: PlacementOptions) {
    this.#options = options;
    const nodes = options.shards.map(({ node }) => node);
    this.#layout = layoutOf(options.config, nodes);
    this.#continuum = layOut(nodes);
  }

  /** @throws CacheError ERR_INVALID_NAMESPACE, ERR_OVERLOADED */
  open(name: string): Namespace {
    const found = this.#opened.get(name);
    if (found !== undefined) {
      this.#askedMs.set(name, this.#options.clock.now());
      return found;
    }
    if (!NAMESPACE_PATTERN.test(name)) {
      throw new CacheError('ERR_INVALID_NAMESPACE', `'${name.slice(0, 64)}' can't be the name of a namespace`);
    }
    if (this.#opened.size >= LIMIT.namespacesMax && !this.#releaseOne()) throw this.#full();
    const own = this.#options.config.namespaces[name] ?? {};
    const namespace = own.tiers === 'memory' ? this.#newMemory(name, own) : this.#onDatabases(name);
    this.#opened.set(name, namespace);
    this.#askedMs.set(name, this.#options.clock.now());
    return namespace;
  }

  /** Where a namespace lies: `memory`, `spread`, or the name of a database. */
  placeOf(name: string): string {
    if (this.#options.config.namespaces[name]?.tiers === 'memory') return 'memory';
    return nodeOf(this.#layout, this.#continuum, name) ?? 'spread';
  }

  sweep(): void {
    for (const namespace of this.#opened.values()) if (namespace instanceof MemoryNamespace) namespace.sweep();
  }

  describe(): Record<string, object> {
    return Object.fromEntries(
      [...this.#opened].map(([name, namespace]) => [name, { place: this.placeOf(name), ...namespace.stats() }]),
    );
  }

  /**
   * Lets go of one that nobody has open and where nothing is under way; its table stays as it is. One of memory alone is
   * kept: it is nowhere else.
   */
  #releaseOne(): boolean {
    const { clock, shards, openings } = this.#options;
    const held = new Set([...openings()].flatMap(({ opened }) => opened));
    const beforeMs = clock.now() - IDLE_MS;
    for (const [name, namespace] of this.#opened) {
      if (held.has(namespace) || namespace instanceof MemoryNamespace) continue;
      // One that was asked for a moment ago may be on its way to a connection.
      if ((this.#askedMs.get(name) ?? 0) > beforeMs) continue;
      if (!shards.every(({ stores }) => stores.isIdle(name))) continue;
      for (const { stores } of shards) stores.release(name);
      this.#opened.delete(name);
      this.#askedMs.delete(name);
      return true;
    }
    return false;
  }

  #full(): CacheError {
    const most = [...this.#options.openings()].sort((a, b) => b.opened.length - a.opened.length);
    const holders = most.slice(0, HOLDERS_NAMED_MAX).map(({ name, opened }) => `${name} has ${opened.length} open`);
    return new CacheError(
      'ERR_OVERLOADED',
      `${LIMIT.namespacesMax} namespaces are in use already (${holders.join(', ')}); one that nobody has open is let go of after ${IDLE_MS / 1000} s`,
    );
  }

  #onDatabases(name: string): Namespace {
    const { shards } = this.#options;
    const place = this.placeOf(name);
    const alone = shards.find(({ node }) => node.name === place);
    if (alone !== undefined) return alone.stores.open(name);
    const totalWeight = shards.reduce((total, { node }) => total + node.weight, 0);
    const parts = shards.map(({ node, stores }) => stores.open(name, node.weight / totalWeight));
    return new SpreadNamespace(name, parts, this.#continuum);
  }

  #newMemory(name: string, own: NamespaceConfig): MemoryNamespace {
    const { config, clock } = this.#options;
    return new MemoryNamespace({
      name,
      clock,
      random: Math.random,
      defaultTtlMs: (own.defaultTtl ?? config.defaultTtl) * 1000,
      maxBytes: own.maxBytes ?? config.maxBytes,
      maxEntries: own.maxEntries ?? config.maxEntries,
      maxValueBytes: config.maxValueBytes,
      loadTimeoutMs: config.loadTimeoutMs,
    });
  }
}
