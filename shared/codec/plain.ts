/// <reference lib="es2024.string" />
import { types } from 'node:util';
import { LIMIT } from '../protocol.js';
import { RECORD_FIELDS_MAX, RECORD_ROWS_MIN } from './records.js';

/**
 * Which values msgpackr carries exactly as they are: trees of null, booleans, numbers, strings, 64-bit bigints,
 * `undefined`, arrays, objects, Dates and Buffers. Anything it would alter or lose is for the rich form, namely: −0
 * (becomes 0), lone surrogates (U+FFFD), a leading byte order mark (lost by its decoder without the native part),
 * `__proto__` keys (renamed), holes, Map, Set and other classes, and one object in two places (becomes two).
 */
export class PlainWalk {
  readonly #few: object[] = [];
  #many: Set<object> | undefined;

  /** True once something was met that msgpackr tells by its class, where extensions of other code may interfere. */
  byClass = false;
  /** Objects that stand in lists of several. */
  #rows = 0;
  /** Some object has more fields than a record may, or is an instance of a class: what msgpackr takes for fields may differ. */
  #isUnfit = false;

  /** Whether the record form is worth trying. */
  get hasRecords(): boolean {
    return this.#rows >= RECORD_ROWS_MIN && !this.#isUnfit;
  }

  /**
   * @param depth containers around the value
   * @returns false where the rich form is needed, or where the value cannot be carried at all
   */
  isPlain(value: unknown, depth = 0): boolean {
    switch (typeof value) {
      case 'string':
        return isPlainString(value);
      case 'number':
        return value !== 0 || 1 / value > 0;
      case 'boolean':
      case 'undefined':
        return true;
      case 'bigint':
        return isInt64(value);
      case 'object':
        return value === null || this.#isPlainObject(value, depth);
      default:
        return false;
    }
  }

  #isPlainObject(value: object, depth: number): boolean {
    if (depth >= LIMIT.valueDepthMax || !this.#isFirst(value)) return false;
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) return this.#areFieldsPlain(value, depth);
    if (Array.isArray(value)) {
      if (prototype !== Array.prototype) this.byClass = this.#isUnfit = true;
      return this.#areItemsPlain(value, depth);
    }
    if (prototype === null) return this.#areFieldsPlain(value, depth);
    this.byClass = true;
    if (prototype === Date.prototype) return types.isDate(value);
    if (prototype === Buffer.prototype) return types.isUint8Array(value);
    this.#isUnfit = true;
    return isRecord(value) && this.#areFieldsPlain(value, depth);
  }

  #areFieldsPlain(value: object, depth: number): boolean {
    // Inherited fields come along; they need not be plain, but then the rich form takes the own ones alone.
    let fields = 0;
    for (const key in value) {
      fields++;
      if (key === '__proto__' || !isPlainString(key)) return false;
      if (!this.isPlain((value as Record<string, unknown>)[key], depth + 1)) return false;
    }
    if (fields > RECORD_FIELDS_MAX) this.#isUnfit = true;
    return true;
  }

  #areItemsPlain(items: readonly unknown[], depth: number): boolean {
    if (isMatch(items)) return false;
    if (items.length >= RECORD_ROWS_MIN && typeof items[0] === 'object') this.#rows += items.length;
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (item === undefined && !(i in items)) return false;
      if (!this.isPlain(item, depth + 1)) return false;
    }
    return true;
  }

  /** Few objects are found faster by going through them than in a set. */
  #isFirst(value: object): boolean {
    if (this.#many === undefined) {
      if (this.#few.includes(value)) return false;
      this.#few.push(value);
      if (this.#few.length > 12) this.#many = new Set(this.#few);
      return true;
    }
    const { size } = this.#many;
    return this.#many.add(value).size > size;
  }
}

/** Whether msgpackr brings the string back as it is. */
export function isPlainString(text: string): boolean {
  return text.isWellFormed() && text.charCodeAt(0) !== 0xfeff;
}

export function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value;
}

/** The one array with names beside its items that JavaScript itself makes: what a RegExp matched. */
export function isMatch(items: readonly unknown[]): boolean {
  return 'index' in items;
}

/** Everything that msgpackr would take for something else than an object with fields. */
const OTHERS = [Array, Map, Set, Date, Error, RegExp, ArrayBuffer, DataView, Object.getPrototypeOf(Uint8Array)];

/** Whether an instance of a class (none of the above by the time this is asked) is data: its own fields. */
function isRecord(value: object): boolean {
  return !OTHERS.some((other) => value instanceof other) && !isForeignData(value) && hiddenState(value) === undefined;
}

/** Data types of another realm, which `instanceof` does not recognise. */
function isForeignData(value: object): boolean {
  return (
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isNativeError(value) ||
    types.isAnyArrayBuffer(value) ||
    ArrayBuffer.isView(value) ||
    types.isBoxedPrimitive(value)
  );
}

/**
 * The name of a class whose instances hold more than fields (Promise, WeakMap, URL, Headers, generators, …): the
 * language and the platform give all of these a tag on their prototype. undefined for other objects.
 */
export function hiddenState(value: object): string | undefined {
  const tag: unknown = (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
  return typeof tag === 'string' && !Object.hasOwn(value, Symbol.toStringTag) ? tag : undefined;
}
