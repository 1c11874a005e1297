import { CacheError } from './errors.js';
import { md5Words } from './md5.js';

/**
 * The ketama continuum: points of a circle of 2^32, each owned by a node; a key belongs to the owner of the first
 * point at or after its hash. After libketama (Richard Jones, Last.fm, 2007), with its arithmetic: a node of weight w
 * among n nodes of total weight W has floor(w ÷ W · vnodes · n) digests of `name-0`, `name-1`, …, computed in single
 * precision as there, and each digest gives `replicas` points. So keys land where libketama puts them.
 */

export interface KetamaNode {
  readonly name: string;
  /** Relative to the other nodes' weights; greater than 0. */
  readonly weight: number;
}

export interface KetamaSizes {
  /** Points a digest gives, 1 to 4: an MD5 digest holds four of 32 bits. */
  readonly replicas: number;
  /** Digests a node of average weight has, 1 to 10,000. */
  readonly vnodes: number;
}

export interface Continuum {
  /** Ascending. */
  readonly points: Uint32Array;
  /** For each point the index of its node in the list that the continuum was made of. */
  readonly owners: Uint32Array;
}

export const KETAMA_SIZES = { replicas: 4, vnodes: 40 } as const satisfies KetamaSizes;
const REPLICAS_MAX = 4;
const VNODES_MAX = 10_000;

/** Where a key lies on the circle: the first four bytes of its MD5 digest, little-endian. */
export function ketamaHash(key: string): number {
  return md5Words(key)[0]! >>> 0;
}

/**
 * Lays out the circle. Points that two nodes share (one pair in 2^32) go to the node whose name sorts first, so that
 * the order in which nodes are listed never matters.
 * @throws CacheError ERR_INVALID_ARGUMENT for sizes, names or weights out of range, or a name that is there twice
 */
export function layOut(nodes: readonly KetamaNode[], sizes: KetamaSizes = KETAMA_SIZES): Continuum {
  checkSizes(sizes);
  checkNodes(nodes);
  const counts = digestCounts(nodes, sizes.vnodes);
  const found: { point: number; owner: number; name: string }[] = [];
  for (const [owner, { name }] of nodes.entries()) {
    for (let i = 0; i < counts[owner]!; i++) {
      const words = md5Words(`${name}-${i}`);
      for (let j = 0; j < sizes.replicas; j++) found.push({ point: words[j]! >>> 0, owner, name });
    }
  }
  found.sort((a, b) => a.point - b.point || (a.name < b.name ? -1 : 1));
  return {
    points: Uint32Array.from(found, ({ point }) => point),
    owners: Uint32Array.from(found, ({ owner }) => owner),
  };
}

function digestCounts(nodes: readonly KetamaNode[], vnodes: number): number[] {
  const totalWeight = Math.fround(nodes.reduce((sum, node) => sum + node.weight, 0));
  const counts = nodes.map(({ weight }) => {
    const share = Math.fround(Math.fround(weight) / totalWeight);
    return Math.floor(Math.fround(share * vnodes * nodes.length));
  });
  // With few vnodes, single precision can leave every node just under one whole digest; a ring needs points.
  return counts.every((count) => count === 0) ? counts.map(() => 1) : counts;
}

/**
 * The index of the node that a hash belongs to.
 * @param continuum one with at least one point
 */
export function ownerOf({ points, owners }: Continuum, hash: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]! < hash) low = middle + 1;
    else high = middle;
  }
  return owners[low === points.length ? 0 : low]!;
}

function checkSizes({ replicas, vnodes }: KetamaSizes): void {
  if (!isWithin(replicas, REPLICAS_MAX)) {
    throw new CacheError(
      'ERR_INVALID_ARGUMENT',
      `replicas is a whole number from 1 to ${REPLICAS_MAX}, not ${replicas}`,
    );
  }
  if (!isWithin(vnodes, VNODES_MAX)) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `vnodes is a whole number from 1 to ${VNODES_MAX}, not ${vnodes}`);
  }
}

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= max;
}

function checkNodes(nodes: readonly KetamaNode[]): void {
  const names = new Set<string>();
  for (const { name, weight } of nodes) {
    if (typeof name !== 'string' || name === '') {
      throw new CacheError('ERR_INVALID_ARGUMENT', "a node's name is a non-empty string");
    }
    if (names.has(name)) throw new CacheError('ERR_INVALID_ARGUMENT', `the ring has a node named ${name} already`);
    if (!(Number.isFinite(weight) && weight > 0)) {
      throw new CacheError('ERR_INVALID_ARGUMENT', `the weight of node ${name} is a number above 0, not ${weight}`);
    }
    names.add(name);
  }
}
