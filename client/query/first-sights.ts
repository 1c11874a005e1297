/** 2^16 bits, 8 KiB. */
const BITS = 65_536;
/** Keys beyond which too many new ones would be taken for known ones: up to here it is at most one of 20. */
const FIRST_KEYS_MAX = 8_192;
/** So many keys are borne with that nobody has asked for again, and so many more for each call that did ask again. */
const PATIENCE_KEYS = 256;
const PATIENCE_PER_CALL = 2;

/** FNV-1a by Fowler, Noll and Vo, over UTF-16 units instead of bytes. @param seed a hash to go on with */
export function hashOf(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

/**
 * Tells keys that were asked for before from those that are new, for as long as a cache warms up: that a new one is not found
 * says nothing of what will be. A Bloom filter with two hashes (Bloom, CACM 13(7), 1970). Warming up ends where hardly anything is asked for
 * again, and at {@link FIRST_KEYS_MAX} keys.
 */
export class FirstSights {
  readonly #bits = new Uint32Array(BITS / 32);
  #keys = 0;
  #again = 0;

  /** @param hash of the key, 32 bits. @returns whether it is asked for the first time */
  isFirst(hash: number): boolean {
    // Mixed, as the lower bits of the hash depend on little of the text. The finalizer of MurmurHash3 (Appleby).
    let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    mixed ^= mixed >>> 16;
    const [one, other] = [this.#set(mixed & (BITS - 1)), this.#set(mixed >>> 16)];
    const isKnown = one && other;
    if (isKnown) this.#again += 1;
    else this.#keys += 1;
    return !isKnown;
  }

  get isOver(): boolean {
    return this.#keys >= FIRST_KEYS_MAX || this.#keys > PATIENCE_KEYS + PATIENCE_PER_CALL * this.#again;
  }

  /** @returns whether it was set */
  #set(bit: number): boolean {
    const word = bit >>> 5;
    const mask = 1 << (bit & 31);
    const wasSet = (this.#bits[word]! & mask) !== 0;
    this.#bits[word]! |= mask;
    return wasSet;
  }
}
