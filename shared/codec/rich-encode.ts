import { types } from 'node:util';
import { CacheError } from '../errors.js';
import { LIMIT } from '../protocol.js';
import { hiddenState, isInt64, isMatch, isPlainString } from './plain.js';
import { ERRORS, KIND, TYPED_ARRAYS } from './rich.js';

/** A scalar, or an array that begins with a kind: see rich.ts. */
export type Part = null | undefined | boolean | number | string | bigint | Buffer | Part[];

/** Turns one value into parts. Objects that were met before become references, so cycles end. */
export class RichEncoder {
  readonly #numbers = new Map<object, number>();
  readonly #path: string[] = [];

  /** @throws CacheError ERR_INVALID_VALUE, naming the path of what cannot be carried */
  encode(value: unknown): Part {
    switch (typeof value) {
      case 'string':
        return isPlainString(value) ? value : [KIND.text, Buffer.from(value, 'utf16le')];
      case 'number':
        return Object.is(value, -0) ? [KIND.negZero] : value;
      case 'bigint':
        return isInt64(value) ? value : [KIND.bigint, value.toString(16)];
      case 'object':
        return value === null ? null : this.#object(value);
      case 'boolean':
      case 'undefined':
        return value;
      default:
        throw this.#refusal(`a ${typeof value}`);
    }
  }

  #at(step: string, value: unknown): Part {
    this.#path.push(step);
    const part = this.encode(value);
    this.#path.pop();
    return part;
  }

  #refusal(what: string): CacheError {
    return new CacheError('ERR_INVALID_VALUE', `${what} at ${shorten(`$${this.#path.join('')}`)} cannot be cached`);
  }

  #object(value: object): Part {
    const number = this.#numbers.get(value);
    if (number !== undefined) return [KIND.ref, number];
    if (this.#path.length >= LIMIT.valueDepthMax) {
      throw this.#refusal(`something nested deeper than ${LIMIT.valueDepthMax} levels`);
    }
    this.#numbers.set(value, this.#numbers.size);
    if (Array.isArray(value)) return this.#array(value);
    if (types.isMap(value)) return this.#map(value);
    if (types.isSet(value)) return this.#set(value);
    if (types.isDate(value)) return [KIND.date, Date.prototype.getTime.call(value)];
    if (types.isRegExp(value)) return [KIND.regexp, this.encode(value.source), value.flags];
    if (types.isNativeError(value) || value instanceof Error) return this.#error(value);
    if (ArrayBuffer.isView(value)) return view(value);
    if (types.isArrayBuffer(value)) return [KIND.arrayBuffer, Buffer.from(value)];
    if (types.isBoxedPrimitive(value)) return [KIND.boxed, this.encode(unbox(value))];
    return this.#fields(value);
  }

  #array(items: readonly unknown[]): Part {
    const parts: Part[] = [KIND.array];
    if (isMatch(items)) return this.#sparse(items, Object.keys(items));
    for (let i = 0; i < items.length; i++) {
      if (!(i in items)) return this.#sparse(items, indexesOf(items), parts);
      parts.push(this.#at(`[${i}]`, items[i]));
    }
    return parts;
  }

  /** @param dense the items in front of the first hole, which are numbered already */
  #sparse(items: readonly unknown[], keys: readonly string[], dense: readonly Part[] = [KIND.array]): Part {
    const parts: Part[] = [KIND.sparse, items.length];
    for (let i = 1; i < dense.length; i++) parts.push(i - 1, dense[i]!);
    for (const key of keys.slice(dense.length - 1)) {
      const index = Number(key);
      const value = this.#at(step(key), items[key as unknown as number]);
      parts.push(isIndex(index, key) ? index : this.encode(key), value);
    }
    return parts;
  }

  #fields(value: object): Part {
    const hidden = hiddenState(value);
    if (hidden !== undefined) throw this.#refusal(`a ${hidden}`);
    const parts: Part[] = [KIND.object];
    for (const key of Object.keys(value)) {
      parts.push(this.encode(key), this.#at(step(key), (value as Record<string, unknown>)[key]));
    }
    return parts;
  }

  #map(map: Map<unknown, unknown>): Part {
    const parts: Part[] = [KIND.map];
    Map.prototype.forEach.call(map, (value, key) => {
      const isName = typeof key === 'string' || typeof key === 'number';
      const order = (parts.length - 1) / 2;
      parts.push(this.#at(`.keys()[${order}]`, key));
      parts.push(this.#at(isName ? `.get(${JSON.stringify(key)})` : `.values()[${order}]`, value));
    });
    return parts;
  }

  #set(set: Set<unknown>): Part {
    const parts: Part[] = [KIND.set];
    Set.prototype.forEach.call(set, (value) => {
      parts.push(this.#at(`.values()[${parts.length - 1}]`, value));
    });
    return parts;
  }

  /**
   * What structured clone carries of an error (class, message, stack, cause) with its name, the errors of an
   * AggregateError, and its other own fields where they are scalars, such as `code`. Other fields are left out rather
   * than refused: errors of clients often hold sockets and requests.
   */
  #error(error: Error): Part {
    const kind = ERRORS.findLastIndex((candidate) => error instanceof candidate);
    const parts: Part[] = [KIND.error, Math.max(kind, 0)];
    const add = (key: string, value: unknown) => {
      const enumerable = Object.getOwnPropertyDescriptor(error, key)?.enumerable === true;
      parts.push(this.encode(key), this.#at(step(key), value), enumerable);
    };
    const { name, message, stack } = error;
    if (typeof name === 'string' && name !== ERRORS[Math.max(kind, 0)]!.prototype.name) add('name', name);
    if (typeof message === 'string' && (message !== '' || Object.hasOwn(error, 'message'))) add('message', message);
    if (typeof stack === 'string') add('stack', stack);
    if (Object.hasOwn(error, 'cause')) add('cause', error.cause);
    if (error instanceof AggregateError && Array.isArray(error.errors)) add('errors', error.errors);
    for (const key of Object.keys(error)) {
      const value = (error as unknown as Record<string, unknown>)[key];
      const scalar = value === null || !['object', 'function', 'symbol'].includes(typeof value);
      if (scalar && !ERROR_FIELDS.has(key)) add(key, value);
    }
    return parts;
  }
}

const ERROR_FIELDS = new Set(['name', 'message', 'stack', 'cause', 'errors']);

function isIndex(index: number, key: string): boolean {
  return index >= 0 && index < 2 ** 32 - 1 && String(index >>> 0) === key;
}

function indexesOf(items: readonly unknown[]): string[] {
  return Object.keys(items).filter((key) => isIndex(Number(key), key));
}

const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get!;

function view(value: ArrayBufferView): Part {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Buffer.isBuffer(value)) return [KIND.buffer, bytes];
  if (types.isDataView(value)) return [KIND.dataView, bytes];
  const name: unknown = tagOf.call(value);
  const kind = TYPED_ARRAYS.findIndex((candidate) => candidate.name === name);
  if (kind < 0) throw new CacheError('ERR_INVALID_VALUE', `a ${String(name)} cannot be cached`);
  return [KIND.typed, kind, bytes];
}

function unbox(value: object): unknown {
  if (types.isStringObject(value)) return String.prototype.valueOf.call(value);
  if (types.isNumberObject(value)) return Number.prototype.valueOf.call(value);
  if (types.isBooleanObject(value)) return Boolean.prototype.valueOf.call(value);
  if (types.isBigIntObject(value)) return BigInt.prototype.valueOf.call(value);
  return Symbol.prototype.valueOf.call(value);
}

function step(key: string): string {
  if (/^(0|[1-9]\d*)$/.test(key)) return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function shorten(path: string): string {
  return path.length <= 200 ? path : `${path.slice(0, 120)}…${path.slice(-60)}`;
}
