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

export interface PlacementOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly shards: readonly { readonly node: DatabaseNode; readonly stores: Stores }[];
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

  constructor(options: PlacementOptions) {
    this.#options = options;
    const nodes = options.shards.map(({ node }) => node);
    this.#layout = layoutOf(options.config, nodes);
    this.#continuum = layOut(nodes);
  }

  /** @throws CacheError ERR_INVALID_NAMESPACE, ERR_OVERLOADED */
  open(name: string): Namespace {
    const found = this.#opened.get(name);
    if (found !== undefined) return found;
    if (!NAMESPACE_PATTERN.test(name)) {
      throw new CacheError('ERR_INVALID_NAMESPACE', `'${name.slice(0, 64)}' can't be the name of a namespace`);
    }
    if (this.#opened.size >= LIMIT.namespacesMax) {
      throw new CacheError('ERR_OVERLOADED', `${LIMIT.namespacesMax} namespaces are open already`);
    }
    const own = this.#options.config.namespaces[name] ?? {};
    const namespace = own.tiers === 'memory' ? this.#newMemory(name, own) : this.#onDatabases(name);
    this.#opened.set(name, namespace);
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
