import { CacheError } from '../../shared/errors.js';
import { type Continuum, KETAMA_SIZES, ketamaHash, layOut, ownerOf } from '../../shared/ketama.js';
import { checkOptionNames } from '../../shared/option-names.js';

export interface ConsistentHashRingOptions<V> {
  /** The nodes by name. The name alone decides where a node's points lie; the value is what `getNode` returns. */
  nodes?: Readonly<Record<string, V>> | ReadonlyMap<string, V>;
  /** Points a digest gives, 1 to 4. Default 4. */
  replicas?: number;
  /** Digests a node of average weight has, 1 to 10,000. Default 40, so 160 points a node. */
  vnodes?: number;
  /** The weight of a node, above 0, in proportion to the others'. Default: all alike. */
  weightFn?: (name: string, value: V) => number;
}

const OPTIONS = Object.keys({ nodes: true, replicas: true, vnodes: true, weightFn: true } satisfies Record<
  keyof ConsistentHashRingOptions<unknown>,
  true
>);

export interface RingNodeStats {
  weight: number;
  points: number;
  /** The part of all possible keys that lies with this node, 0 to 1. */
  share: number;
}

export interface RingStats {
  nodes: number;
  points: number;
  byNode: Readonly<Record<string, RingNodeStats>>;
}

interface RingNode<V> {
  readonly name: string;
  readonly value: V;
  readonly weight: number;
}

/** The nodes of keys that were asked for lately, so that a hot key is hashed once; two generations of this many. */
const RECENT_KEYS_MAX = 4096;

/**
 * Places keys on nodes so that a node that joins or leaves moves about one key in N, and so that every process with the
 * same node names agrees, whatever the order they were listed in. The points are ketama's (see shared/ketama.ts):
 * the same key lies on the same node as in libketama, libmemcached's ketama-weighted mode and npm's `hashring`.
 */
export class ConsistentHashRing<V = unknown> {
  readonly #sizes: { readonly replicas: number; readonly vnodes: number };
  readonly #weightFn: (name: string, value: V) => number;
  #nodes: readonly RingNode<V>[] = [];
  #continuum: Continuum;
  #recent = new Map<string, RingNode<V>>();
  #older = new Map<string, RingNode<V>>();
  #lastKey: string | undefined;
  #lastNode: RingNode<V> | undefined;

  /** @throws CacheError ERR_INVALID_ARGUMENT for names, weights, `replicas` or `vnodes` out of range */
  constructor(options: ConsistentHashRingOptions<V> = {}) {
    checkOptionNames(options, OPTIONS, 'ConsistentHashRing');
    this.#sizes = {
      replicas: options.replicas ?? KETAMA_SIZES.replicas,
      vnodes: options.vnodes ?? KETAMA_SIZES.vnodes,
    };
    this.#weightFn = options.weightFn ?? (() => 1);
    const nodes = options.nodes ?? {};
    const entries = nodes instanceof Map ? [...nodes] : Object.entries(nodes as Readonly<Record<string, V>>);
    this.#continuum = layOut([], this.#sizes);
    this.#place(entries.map(([name, value]) => ({ name, value, weight: this.#weightFn(name, value) })));
  }

  /** Where a key lies on the circle of 2^32. */
  static hashKey(key: string): number {
    checkKey(key);
    return ketamaHash(key);
  }

  /** The value of the node that the key lies on; `undefined` where the ring has no node. */
  getNode(key: string): V | undefined {
    return this.#find(key)?.value;
  }

  /** The name of the node that the key lies on; `undefined` where the ring has no node. */
  getNodeName(key: string): string | undefined {
    return this.#find(key)?.name;
  }

  /**
   * Lets a node join.
   * @param weight above 0; what `weightFn` says where it is missing
   * @throws CacheError ERR_INVALID_ARGUMENT where the name is taken; the ring stays as it was
   */
  addNode(name: string, value: V, weight: number = this.#weightFn(name, value)): void {
    this.#place([...this.#nodes, { name, value, weight }]);
  }

  /** Lets a node leave. @returns whether it was there */
  removeNode(name: string): boolean {
    const rest = this.#nodes.filter((node) => node.name !== name);
    if (rest.length === this.#nodes.length) return false;
    this.#place(rest);
    return true;
  }

  /** Weight, points and exact share of the circle of every node. */
  getStats(): RingStats {
    const { points, owners } = this.#continuum;
    const byNode = this.#nodes.map(({ weight }) => ({ weight, points: 0, share: 0 }));
    let previous = (points.at(-1) ?? 0) - 2 ** 32;
    for (let i = 0; i < points.length; i++) {
      const stats = byNode[owners[i]!]!;
      stats.points++;
      stats.share += (points[i]! - previous) / 2 ** 32;
      previous = points[i]!;
    }
    return {
      nodes: this.#nodes.length,
      points: points.length,
      byNode: Object.fromEntries(this.#nodes.map(({ name }, i) => [name, byNode[i]!])),
    };
  }

  #place(nodes: readonly RingNode<V>[]): void {
    this.#continuum = layOut(nodes, this.#sizes);
    this.#nodes = nodes;
    this.#recent = new Map();
    this.#older = new Map();
    this.#lastKey = undefined;
  }

  #find(key: string): RingNode<V> | undefined {
    if (key !== this.#lastKey) {
      this.#lastNode = this.#search(key);
      this.#lastKey = key;
    }
    return this.#lastNode;
  }

  #search(key: string): RingNode<V> | undefined {
    const known = this.#recent.get(key);
    if (known !== undefined) return known;
    checkKey(key);
    if (this.#nodes.length === 0) return undefined;
    const node = this.#older.get(key) ?? this.#nodes[ownerOf(this.#continuum, ketamaHash(key))]!;
    if (this.#recent.size >= RECENT_KEYS_MAX) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(key, node);
    return node;
  }
}

function checkKey(key: string): void {
  if (typeof key !== 'string') throw new CacheError('ERR_INVALID_KEY', `a key is a string, not ${typeof key}`);
}
