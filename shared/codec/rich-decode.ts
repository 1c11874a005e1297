import { ERRORS, KIND, TYPED_ARRAYS } from './rich.js';

/** Turns parts (rich.ts) back into the value. They may be forged: whatever does not fit throws. */
export class RichDecoder {
  readonly #objects: object[] = [];

  /** @throws Error of any class where the parts are not what {@link RichEncoder} makes */
  decode(part: unknown): unknown {
    if (typeof part !== 'object' || part === null) return part;
    if (!Array.isArray(part)) throw new TypeError('an object stands where a part should');
    const kind: unknown = part[0];
    switch (kind) {
      case KIND.ref:
        return this.#reference(part[1]);
      case KIND.negZero:
        return -0;
      case KIND.text:
        return bytesOf(part[1]).toString('utf16le');
      case KIND.bigint:
        return bigintOf(textOf(part[1]));
      case KIND.array:
        return this.#array(part);
      case KIND.sparse:
        return this.#sparse(part);
      case KIND.object:
        return this.#fields(part);
      case KIND.map:
        return this.#map(part);
      case KIND.set:
        return this.#set(part);
      case KIND.error:
        return this.#error(part);
      default:
        return this.#leaf(kind, part);
    }
  }

  #begin<T extends object>(object: T): T {
    this.#objects.push(object);
    return object;
  }

  #reference(number: unknown): object {
    const object = typeof number === 'number' ? this.#objects[number] : undefined;
    if (object === undefined) throw new RangeError('a reference leads nowhere');
    return object;
  }

  #array(part: readonly unknown[]): unknown[] {
    const items = this.#begin<unknown[]>([]);
    for (let i = 1; i < part.length; i++) items.push(this.decode(part[i]));
    return items;
  }

  #sparse(part: readonly unknown[]): unknown[] {
    const items = this.#begin<unknown[]>([]);
    const length = part[1];
    if (typeof length !== 'number' || length >>> 0 !== length) throw new RangeError('not a length');
    // Assigning the length may allocate all of it; an item far out makes the array a sparse one first.
    if (length > 0) {
      items[length - 1] = 0;
      delete items[length - 1];
    }
    for (let i = 2; i < part.length; i += 2) {
      const key = part[i];
      if (typeof key === 'number' && !(key >>> 0 === key && key < length)) throw new RangeError('not an index');
      define(items, typeof key === 'number' ? String(key) : this.#key(key), this.decode(part[i + 1]));
    }
    if (items.length !== length) throw new RangeError('not a name');
    return items;
  }

  #fields(part: readonly unknown[]): object {
    const object = this.#begin<Record<string, unknown>>({});
    for (let i = 1; i < part.length; i += 2) {
      const key = this.#key(part[i]);
      const value = this.decode(part[i + 1]);
      if (key === '__proto__') define(object, key, value);
      else object[key] = value;
    }
    return object;
  }

  #map(part: readonly unknown[]): Map<unknown, unknown> {
    const map = this.#begin(new Map());
    for (let i = 1; i < part.length; i += 2) {
      const key = this.decode(part[i]);
      map.set(key, this.decode(part[i + 1]));
    }
    return map;
  }

  #set(part: readonly unknown[]): Set<unknown> {
    const set = this.#begin(new Set());
    for (let i = 1; i < part.length; i++) set.add(this.decode(part[i]));
    return set;
  }

  #error(part: readonly unknown[]): Error {
    const Class = ERRORS[part[1] as number];
    if (Class === undefined) throw new RangeError('no such error');
    const error = this.#begin(bareError(Class));
    for (let i = 2; i < part.length; i += 3) {
      define(error, this.#key(part[i]), this.decode(part[i + 1]), part[i + 2] === true);
    }
    return error;
  }

  #leaf(kind: unknown, part: readonly unknown[]): object {
    switch (kind) {
      case KIND.date:
        return this.#begin(new Date(part[1] as number));
      case KIND.regexp:
        return this.#begin(new RegExp(textOf(this.decode(part[1])), textOf(part[2])));
      case KIND.boxed:
        return this.#begin(boxed(this.decode(part[1])));
      case KIND.buffer:
        return this.#begin(bytesOf(part[1]));
      case KIND.arrayBuffer:
        return this.#begin(bufferOf(part[1]));
      case KIND.dataView:
        return this.#begin(new DataView(bufferOf(part[1])));
      case KIND.typed: {
        const Class = TYPED_ARRAYS[part[1] as number];
        if (Class === undefined) throw new RangeError('no such typed array');
        return this.#begin(new Class(bufferOf(part[2])));
      }
      default:
        throw new RangeError('no such kind');
    }
  }

  #key(part: unknown): string {
    return typeof part === 'string' ? part : textOf(this.decode(part));
  }
}

/** An error without a stack: to take one, of which nothing is kept, would cost more than all else. */
function bareError(Class: (typeof ERRORS)[number]): Error {
  const { stackTraceLimit } = Error;
  Reflect.set(Error, 'stackTraceLimit', 0);
  const error = Class === AggregateError ? new AggregateError([]) : new (Class as ErrorConstructor)();
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  Reflect.deleteProperty(error, 'stack');
  return error;
}

function define(object: object, key: string, value: unknown, enumerable = true): void {
  Object.defineProperty(object, key, { value, enumerable, writable: true, configurable: true });
}

function textOf(part: unknown): string {
  if (typeof part !== 'string') throw new TypeError('not a text');
  return part;
}

function bytesOf(part: unknown): Buffer {
  if (!Buffer.isBuffer(part)) throw new TypeError('not bytes');
  return part;
}

/** The bytes as a buffer of their own, from 0, so that every typed array is aligned in it. */
function bufferOf(part: unknown): ArrayBuffer {
  const bytes = bytesOf(part);
  const buffer = new ArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

function bigintOf(digits: string): bigint {
  if (!/^-?[0-9a-f]+$/.test(digits)) throw new TypeError('not a bigint');
  return digits.startsWith('-') ? -BigInt(`0x${digits.slice(1)}`) : BigInt(`0x${digits}`);
}

function boxed(value: unknown): object {
  if (!['string', 'number', 'boolean', 'bigint'].includes(typeof value)) throw new TypeError('nothing to box');
  return Object(value);
}
