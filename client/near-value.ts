import { isRich, unpack } from '../shared/codec/pack.js';

/**
 * A value as the near tier keeps it. Many callers are given it, and what one of them does to it must not reach another:
 *
 * - a tree of objects, arrays and primitives is frozen, to its leaves, and given to all of them as it is;
 * - whatever can be changed though it is frozen (Date, Buffer, Map, Set, …), or is no tree, is unpacked for each anew.
 */
export interface NearValue {
  /** The frozen tree; undefined where `bytes` are to be unpacked. */
  readonly tree: unknown;
  readonly bytes: Uint8Array | undefined;
  /** Of the tree, once somebody has awaited it. */
  promise: Promise<unknown> | undefined;
}

/**
 * @param bytes a view on a frame
 * @returns what to keep, and what to give to the caller who asked: frozen just like what later callers will get
 */
export function nearValue(bytes: Uint8Array): { kept: NearValue; value: unknown } {
  const value = unpack(bytes);
  // The rich form is for what is no plain tree, in the first place.
  if (!isRich(bytes) && isTree(value)) {
    freezeTree(value);
    return { kept: { tree: value, bytes: undefined, promise: undefined }, value };
  }
  return { kept: { tree: undefined, bytes, promise: undefined }, value };
}

export function valueFrom(near: NearValue): unknown {
  return near.bytes === undefined ? near.tree : unpack(near.bytes);
}

/** As a promise: the same one for all who await the tree, as it is frozen itself. */
export function promiseFrom(near: NearValue): Promise<unknown> {
  if (near.bytes !== undefined) return Promise.resolve(unpack(near.bytes));
  near.promise ??= Promise.resolve(near.tree);
  return near.promise;
}

function isTree(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (!isTree(item)) return false;
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key in value) if (!isTree((value as Record<string, unknown>)[key])) return false;
  return true;
}

function freezeTree(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) for (const item of value) freezeTree(item);
  else for (const key in value) freezeTree((value as Record<string, unknown>)[key]);
  Object.freeze(value);
}
