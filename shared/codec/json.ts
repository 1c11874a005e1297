import { CacheError } from '../errors.js';
import { isRich, pack, unpack } from './pack.js';
import { TRANSCODE_BYTES_MAX, textBytesMax, transcode, wasOrdered } from './transcode.js';

/** What JSONB can hold of a packed value. */
export interface JsonForm {
  /** JSON text for a JSONB parameter. */
  readonly json: string;
  /** Whether JSONB alone is exact: what it gives back has its keys in the order of the original. */
  readonly ordered: boolean;
}

/**
 * The JSON form of a packed value, for a JSONB column. Only what {@link jsonToPacked} brings back the same counts, key
 * order aside: so no NaN, ±Infinity, −0, `undefined`, bigint, Date or other class, no NUL or lone surrogate, no object
 * in two places. Numbers beyond ±(2^53−1) are left out too: in JSONB they cannot be told from bigints.
 *
 * @param bytes a packed value
 * @returns undefined where JSONB cannot carry the value
 * @throws CacheError ERR_INVALID_VALUE where the bytes are not a packed value
 */
export function packedToJson(bytes: Uint8Array): JsonForm | undefined {
  const end = bytes.length > TRANSCODE_BYTES_MAX ? -1 : transcode(bytes, roomFor(bytes.length), 0);
  return end < 0 ? unpackedToJson(bytes) : { json: room.toString('utf8', 0, end), ordered: wasOrdered() };
}

/** Where text is written before it becomes a string. */
let room = Buffer.allocUnsafeSlow(textBytesMax(1024));

function roomFor(bytes: number): Buffer {
  const size = textBytesMax(bytes);
  if (room.length < size) room = Buffer.allocUnsafeSlow(2 * size);
  return room;
}

/** The same by the long way, for every value: it is unpacked, looked at and written. */
export function unpackedToJson(bytes: Uint8Array): JsonForm | undefined {
  if (isRich(bytes)) return undefined;
  const value = unpack(bytes);
  const walk = new JsonWalk();
  if (!walk.isJson(value)) return undefined;
  const json = JSON.stringify(value);
  // JSON.stringify escapes NUL. The same text after an escaped backslash is merely taken for it.
  if (json.includes('\\u0000')) return undefined;
  return { json, ordered: walk.ordered };
}

/**
 * A packed value from JSON text as Postgres prints it from JSONB. Integers beyond ±(2^53−1), which other programs may
 * have written, become bigints, whatever their size; numbers with a fraction become the nearest double. A `__proto__`
 * key is a key like any other.
 *
 * @param json the text of one JSONB value
 * @throws CacheError ERR_INVALID_VALUE where it is no JSON, or is nested deeper than LIMIT.valueDepthMax
 */
export function jsonToPacked(json: string): Uint8Array {
  let value: unknown;
  try {
    value = LONG_INTEGER.test(json) ? parseLosslessly(json) : JSON.parse(json);
  } catch (error) {
    throw new CacheError('ERR_INVALID_VALUE', 'the value column holds no JSON that can be read', error);
  }
  return pack(value);
}

/**
 * A packed counter: a number, or a bigint beyond ±(2^53−1), where a number would not be exact.
 * @param counter an integer, as text the way pg returns a BIGINT column
 * @throws CacheError ERR_INVALID_VALUE where it is no integer
 */
export function packCounter(counter: string | number | bigint): Uint8Array {
  if (typeof counter === 'number' ? !Number.isInteger(counter) : !/^-?\d+$/.test(String(counter))) {
    throw new CacheError('ERR_INVALID_VALUE', `${counter} is no counter`);
  }
  const number = Number(counter);
  return pack(Number.isSafeInteger(number) ? number + 0 : BigInt(counter));
}

/** Looks at a value that came from plain MessagePack, thus at a tree of plain objects, arrays, Dates and Buffers. */
class JsonWalk {
  ordered = true;

  isJson(value: unknown): boolean {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return true;
      case 'number':
        return isJsonNumber(value);
      case 'object':
        if (value === null) return true;
        if (Array.isArray(value)) return value.every((item) => this.isJson(item));
        return Object.getPrototypeOf(value) === Object.prototype && this.#areFieldsJson(value);
      default:
        return false;
    }
  }

  #areFieldsJson(value: object): boolean {
    let before: string | undefined;
    for (const key of Object.keys(value)) {
      if (!this.isJson((value as Record<string, unknown>)[key])) return false;
      // JavaScript puts the indexes first and in order, whatever order they come in.
      if (!this.ordered || isIndex(key)) continue;
      if (before !== undefined && !comesBefore(before, key)) this.ordered = false;
      before = key;
    }
    return true;
  }
}

function isJsonNumber(value: number): boolean {
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER && (value !== 0 || 1 / value > 0);
}

function isIndex(key: string): boolean {
  const first = key.charCodeAt(0);
  if (!(first >= 48 && first <= 57)) return false;
  const index = Number(key);
  return index < 2 ** 32 - 1 && String(index >>> 0) === key;
}

/** JSONB's order of keys: by length in bytes of UTF-8, then by bytes. */
function comesBefore(a: string, b: string): boolean {
  const difference = Buffer.byteLength(a) - Buffer.byteLength(b);
  if (difference !== 0) return difference < 0;
  return a.length === Buffer.byteLength(a) && a.length === b.length
    ? a < b
    : Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}

/** 16 digits in a row may be an integer beyond 2^53−1 (in a string they are not; that costs time only). */
const LONG_INTEGER = /\d{16}/;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MARK = '"\\u0000';

/**
 * JSON.parse would round long integers. They are written as strings behind a mark, NUL and `i`; strings of the text
 * that begin with NUL get the mark NUL and `s`, so that no string is taken for an integer.
 */
function parseLosslessly(json: string): unknown {
  return JSON.parse(markIntegers(json), (_key, value: unknown) => {
    if (typeof value !== 'string' || value.charCodeAt(0) !== 0) return value;
    return value[1] === 's' ? `\0${value.slice(2)}` : BigInt(value.slice(2));
  });
}

/** Goes from string to string by hand: a regular expression for strings overflows its stack on long ones. */
function markIntegers(json: string): string {
  const parts: string[] = [];
  let position = 0;
  while (position < json.length) {
    const open = indexOrEnd(json, '"', position);
    parts.push(json.slice(position, open).replace(NUMBER, (token) => (isUnsafe(token) ? `${MARK}i${token}"` : token)));
    position = endOfString(json, open);
    const text = json.slice(open, position);
    const isValue = text.startsWith(MARK) && !/^\s*:/.test(json.slice(position, position + 8));
    parts.push(isValue ? `${MARK}s${text.slice(MARK.length)}` : text);
  }
  return parts.join('');
}

/** @returns the position behind the closing quote of the string that opens at `open` */
function endOfString(json: string, open: number): number {
  let quote = indexOrEnd(json, '"', open + 1);
  while (isEscaped(json, quote)) quote = indexOrEnd(json, '"', quote + 1);
  return Math.min(quote + 1, json.length);
}

function isEscaped(json: string, position: number): boolean {
  if (position >= json.length) return false;
  let start = position;
  while (json[start - 1] === '\\') start--;
  return (position - start) % 2 === 1;
}

function indexOrEnd(json: string, character: string, from: number): number {
  const index = json.indexOf(character, from);
  return index < 0 ? json.length : index;
}

function isUnsafe(token: string): boolean {
  return token.length > 15 && /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token));
}
