import { isUtf8 } from 'node:buffer';
import { LIMIT } from '../protocol.js';
import { objectOf, ROOTS, SHAPE_FIELDS_MAX, shapeAfter } from './shapes.js';

/**
 * Decodes small plain values, which are most: a hit is hardly more than this. It looks at each byte once, and where it
 * meets anything rare (an extension, bytes, a bigint, a key that is no short ASCII, an end too early, …) it gives up, and
 * scan.ts and msgpackr take the value, or say what is wrong with it. It takes three quarters of the time of these two.
 */

/** Instead of a value: it is for the others. */
export const GIVEN_UP = Symbol('given up');

/** Longer values have more strings than can be made one by one as fast as msgpackr's native part makes all of them. */
const SMALL_BYTES_MAX = 1024;

/** After giving up, so many values are not tried, twice as many each time up to this: what comes next is mostly alike. */
const UNTRIED_MAX = 64;
let untried = 0;
let untriedNext = 1;

// The value that is being decoded. It calls nothing that could come back here, so one is enough.
const NOTHING = Buffer.alloc(0);
let source = NOTHING;
let at = 0;
/** Fields of the maps that are being read, those of an inner one above those of the outer. */
const values: unknown[] = [];
let top = 0;
let highest = 0;

/**
 * @param bytes exactly one value
 * @returns the value, or GIVEN_UP
 */
export function decodePlain(bytes: Uint8Array): unknown {
  if (bytes.length > SMALL_BYTES_MAX || (untried > 0 && untried-- > 0)) return GIVEN_UP;
  source = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  at = 0;
  top = 0;
  const value = item(0);
  const isWhole = value !== GIVEN_UP && at === source.length;
  // Nothing of a value is to be kept alive by its having been read.
  while (highest > 0) values[--highest] = undefined;
  source = NOTHING;
  if (isWhole) {
    untriedNext = 1;
    return value;
  }
  values.length = 0;
  untried = untriedNext;
  untriedNext = Math.min(untriedNext * 2, UNTRIED_MAX);
  return GIVEN_UP;
}

function item(depth: number): unknown {
  if (at >= source.length) return GIVEN_UP;
  const token = source[at++]!;
  if (token < 0x80) return token;
  if (token < 0x90) return map(token & 0x0f, depth);
  if (token < 0xa0) return list(token & 0x0f, depth);
  if (token < 0xc0) return text(token & 0x1f);
  if (token >= 0xe0) return token - 0x100;
  switch (token) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    default:
      return at + SIZES[token - 0xc0]! <= source.length ? wider(token, depth) : GIVEN_UP;
  }
}

/** Bytes behind the tokens from 0xc0 on, of those that `wider` knows: 0 for the others. */
const SIZES = Uint8Array.of(
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // nil, booleans, bin, ext
  ...[0, 8, 1, 2, 4, 0, 1, 2, 4, 0], // float 32, 64; uint 8 to 64; int 8 to 64
  ...[0, 0, 0, 0, 0, 1, 0, 0], // fixext, str 8, 16, 32
  ...[2, 0, 2, 0], // array 16, 32; map 16, 32
);

function wider(token: number, depth: number): unknown {
  const start = at;
  at += SIZES[token - 0xc0]!;
  switch (token) {
    case 0xcb:
      return source.readDoubleBE(start);
    case 0xcc:
      return source[start];
    case 0xcd:
      return source.readUInt16BE(start);
    case 0xce:
      return source.readUInt32BE(start);
    case 0xd0:
      return source.readInt8(start);
    case 0xd1:
      return source.readInt16BE(start);
    case 0xd2:
      return source.readInt32BE(start);
    case 0xd9:
      return text(source[start]!);
    case 0xdc:
      return list(source.readUInt16BE(start), depth);
    case 0xde:
      return map(source.readUInt16BE(start), depth);
    default:
      return GIVEN_UP;
  }
}

function list(count: number, depth: number): unknown {
  if (depth >= LIMIT.valueDepthMax || count > source.length - at) return GIVEN_UP;
  const items: unknown[] = [];
  for (let index = 0; index < count; index++) {
    const value = item(depth + 1);
    if (value === GIVEN_UP) return GIVEN_UP;
    items.push(value);
  }
  return items;
}

function map(count: number, depth: number): unknown {
  if (depth >= LIMIT.valueDepthMax || count > SHAPE_FIELDS_MAX) return GIVEN_UP;
  const base = top;
  let shape = ROOTS[count]!;
  for (let index = 0; index < count; index++) {
    const next = shapeAfter(shape, source, at);
    if (next === undefined) return GIVEN_UP;
    at += next.key.length;
    const value = item(depth + 1);
    if (value === GIVEN_UP) return GIVEN_UP;
    values[top++] = value;
    shape = next;
  }
  if (top > highest) highest = top;
  top = base;
  return objectOf(shape, values, base);
}

function text(bytes: number): unknown {
  const start = at;
  const end = start + bytes;
  if (end > source.length) return GIVEN_UP;
  at = end;
  let bits = 0;
  for (let index = start; index < end; index++) bits |= source[index]!;
  if (bits >= 0x80) return isUtf8(source.subarray(start, end)) ? source.toString('utf8', start, end) : GIVEN_UP;
  if (bytes <= 8) return short(source, start, bytes);
  // Up to twelve the engine makes one string of two; longer ones it would keep as two until somebody reads them.
  if (bytes <= 12) return short(source, start, 8) + short(source, start + 8, bytes - 8);
  return (source as Sliced).latin1Slice(start, end);
}

/** What toString('latin1', …) comes to after looks at its arguments that take half as long again. msgpackr calls it too. */
type Sliced = Buffer & { latin1Slice(start: number, end: number): string };

const of = String.fromCharCode;

/** Up to 8 characters, spelt out: a call with an array of units takes three times as long, and one of the engine's six. */
function short(s: Buffer, i: number, length: number): string {
  switch (length) {
    case 0:
      return '';
    case 1:
      return of(s[i]!);
    case 2:
      return of(s[i]!, s[i + 1]!);
    case 3:
      return of(s[i]!, s[i + 1]!, s[i + 2]!);
    case 4:
      return of(s[i]!, s[i + 1]!, s[i + 2]!, s[i + 3]!);
    case 5:
      return of(s[i]!, s[i + 1]!, s[i + 2]!, s[i + 3]!, s[i + 4]!);
    case 6:
      return of(s[i]!, s[i + 1]!, s[i + 2]!, s[i + 3]!, s[i + 4]!, s[i + 5]!);
    case 7:
      return of(s[i]!, s[i + 1]!, s[i + 2]!, s[i + 3]!, s[i + 4]!, s[i + 5]!, s[i + 6]!);
    default:
      return of(s[i]!, s[i + 1]!, s[i + 2]!, s[i + 3]!, s[i + 4]!, s[i + 5]!, s[i + 6]!, s[i + 7]!);
  }
}
