import { comesBeforeIn, isProperText, writeEscaped } from './json-text.js';
import { RECORDS_TYPE } from './records.js';
import { RICH_HEADER_BYTES, RICH_TOKEN } from './rich.js';

/**
 * From packed bytes to JSON text in UTF-8, without the value in between: what `JSON.stringify(unpack(bytes))` gives for the
 * values that are commonest, at a third of its time. It knows null, booleans, numbers, strings, arrays, and objects as maps
 * or records; it gives up where it meets anything else, where anything is not as `pack` writes it, and where JSONB would
 * not carry what it meets. The long way (json.ts) then tells what is the matter.
 *
 * An object with a key twice, which no `pack` writes, has it twice in the text as well: JSONB takes the last, as
 * JavaScript does, and the text does not count as ordered, so that the packed bytes are kept beside it.
 */

/** Longer values take the long way: it costs them less, and the memory that the text needs at worst is kept. */
export const TRANSCODE_BYTES_MAX = 32 * 1024;

/** Nested deeper takes the long way, which has a limit of its own. */
const SHORT_DEPTH_MAX = 32;
/** Shapes of records, and fields of all of them together, and the bytes of their names. */
const SHAPES_MAX = 64;
const FIELDS_MAX = 512;
const NAMES_BYTES_MAX = 8 * 1024;

/**
 * The most bytes of text that a byte of a packed value becomes: a control character is escaped as six, and `false` has a
 * comma behind it. For the names of records `record` sees to the room, one by one: names beyond the end are lost and refused.
 */
const GROWTH_MAX = 6;

/** Room for the text of any value of so many bytes that has no records. */
export const textBytesMax = (bytes: number): number => bytes * GROWTH_MAX + 16;

// One value at a time, from begin to end without a pause, so one of each is enough.
let source: Uint8Array = new Uint8Array(0);
let at = 0;
let end = 0;
let target: Uint8Array = source;
let to = 0;
let isOrdered = true;
let hasRecords = false;
/** How long the last key was. */
let keyBytes = 0;

/** The field names of the shapes as they stand in the text, `"name":`, one behind the other. */
const names = new Uint8Array(NAMES_BYTES_MAX);
const nameEnds = new Int32Array(FIELDS_MAX + 1);
const shapeFirst = new Int32Array(SHAPES_MAX);
/** −1 for a shape that was not defined. */
const shapeFields = new Int32Array(SHAPES_MAX);
const shapeIsOrdered = new Uint8Array(SHAPES_MAX);
let fieldsUsed = 0;

const [NULL, FALSE, TRUE] = [Buffer.from('null'), Buffer.from('false'), Buffer.from('true')];
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);

/**
 * @param bytes a packed value
 * @param into has room for {@link textBytesMax} from `from` on; more where there are records
 * @returns where the text ends, −1 where the value has to go the long way; whether its keys stand in JSONB's order
 *   says {@link wasOrdered}
 */
export function transcode(bytes: Uint8Array, into: Uint8Array, from: number): number {
  if (bytes.length > TRANSCODE_BYTES_MAX) return -1;
  source = bytes;
  target = into;
  at = 0;
  to = from;
  end = bytes.length;
  isOrdered = true;
  hasRecords = bytes[0] === RICH_TOKEN;
  if (hasRecords) {
    if (bytes[RICH_HEADER_BYTES - 1] !== RECORDS_TYPE || uint32(1) !== end - RICH_HEADER_BYTES) return -1;
    at = RICH_HEADER_BYTES;
    shapeFields.fill(-1);
    fieldsUsed = 0;
  }
  return item(0) && at === end && to <= target.length ? to : -1;
}

/** Of the last value: whether JSONB gives its keys back in their order. */
export function wasOrdered(): boolean {
  return isOrdered;
}

function item(depth: number): boolean {
  if (at >= end) return false;
  const token = source[at++]!;
  if (token < 0x80) return hasRecords && token >= 0x40 ? record(token & 0x3f, depth) : integer(token);
  if (token < 0x90) return map(token & 0x0f, depth);
  if (token < 0xa0) return list(token & 0x0f, depth);
  if (token < 0xc0) return text(token & 0x1f);
  if (token >= 0xe0) return integer(token - 0x100);
  return longItem(token, depth);
}

function longItem(token: number, depth: number): boolean {
  const from = at;
  switch (token) {
    case 0xc0:
      return word(NULL);
    case 0xc2:
      return word(FALSE);
    case 0xc3:
      return word(TRUE);
    case 0xcb:
      return double();
    case 0xcc:
      return skip(1) && integer(source[from]!);
    case 0xcd:
      return skip(2) && integer(uint16(from));
    case 0xce:
      return skip(4) && integer(uint32(from));
    case 0xd0:
      return skip(1) && integer((source[from]! << 24) >> 24);
    case 0xd1:
      return skip(2) && integer((uint16(from) << 16) >> 16);
    case 0xd2:
      return skip(4) && integer(uint32(from) | 0);
    case 0xd4:
      return hasRecords && shape(depth);
    case 0xd9:
      return skip(1) && text(source[from]!);
    case 0xda:
      return skip(2) && text(uint16(from));
    case 0xdc:
      return skip(2) && list(uint16(from), depth);
    case 0xde:
      return skip(2) && map(uint16(from), depth);
    default:
      return false;
  }
}

function skip(bytes: number): boolean {
  at += bytes;
  return at <= end;
}

const uint16 = (from: number): number => (source[from]! << 8) | source[from + 1]!;
const uint32 = (from: number): number => uint16(from) * 0x10000 + uint16(from + 2);

function word(letters: Uint8Array): true {
  for (let each = 0; each < letters.length; each++) target[to++] = letters[each]!;
  return true;
}

/** Within ±2^32. */
function integer(value: number): true {
  let left = Math.abs(value);
  if (value < 0) target[to++] = 0x2d;
  let digits = 1;
  for (let limit = 10; left >= limit; limit *= 10) digits++;
  to += digits;
  for (let place = to - 1; digits > 0; digits--, place--) {
    const rest = Math.floor(left / 10);
    target[place] = 0x30 + (left - rest * 10);
    left = rest;
  }
  return true;
}

function double(): boolean {
  if (at + 8 > end) return false;
  for (let byte = 7; byte >= 0; byte--) floatBytes[byte] = source[at++]!;
  const value = float[0]!;
  // Not NaN and not infinite, within what JSONB tells from bigints, and no −0.
  if (!(Math.abs(value) <= Number.MAX_SAFE_INTEGER) || (value === 0 && 1 / value < 0)) return false;
  const digits = String(value);
  for (let place = 0; place < digits.length; place++) target[to++] = digits.charCodeAt(place);
  return true;
}

function list(count: number, depth: number): boolean {
  if (depth >= SHORT_DEPTH_MAX) return false;
  target[to++] = 0x5b;
  for (let left = count; left > 0; left--) {
    if (!item(depth + 1)) return false;
    if (left > 1) target[to++] = 0x2c;
  }
  target[to++] = 0x5d;
  return true;
}

/** Maps of the record form are no objects, but Maps. */
function map(count: number, depth: number): boolean {
  if (depth >= SHORT_DEPTH_MAX || hasRecords) return false;
  let [before, beforeEnd] = [-1, -1];
  target[to++] = 0x7b;
  for (let left = count; left > 0; left--) {
    if (!key()) return false;
    const start = at - keyBytes;
    if (isOrdered && before >= 0 && !comesBeforeIn(source, before, beforeEnd, start, at)) isOrdered = false;
    before = start;
    beforeEnd = at;
    if (!item(depth + 1)) return false;
    if (left > 1) target[to++] = 0x2c;
  }
  target[to++] = 0x7d;
  return true;
}

/**
 * Writes a key and its colon. Not of those that JavaScript puts elsewhere, which may only be such as begin with a digit, nor
 * of those that begin as `__proto__` does.
 */
function key(): boolean {
  if (at >= end) return false;
  const token = source[at++]!;
  if (token >= 0xa0 && token < 0xc0) keyBytes = token & 0x1f;
  else if (token === 0xd9 && at < end) keyBytes = source[at++]!;
  else return false;
  const first = source[at]!;
  if (first >= 0x30 && first <= 0x39 && keyBytes > 0) return false;
  if (first === 0x5f && source[at + 1] === 0x5f) return false;
  if (!text(keyBytes)) return false;
  target[to++] = 0x3a;
  return true;
}

function text(bytes: number): boolean {
  const start = at;
  const stop = at + bytes;
  if (stop > end) return false;
  // Most of the time goes by here: local names are registers, those of the module are not.
  const [from, into] = [source, target];
  let place = to;
  let bits = 0;
  into[place++] = 0x22;
  for (let each = start; each < stop; each++) {
    const byte = from[each]!;
    bits |= byte;
    if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) {
      into[place++] = byte;
    } else {
      // The long way takes a backslash and `u0000` behind it for a NUL.
      if (byte === 0 || (byte === 0x5c && from[each + 1] === 0x75)) return false;
      place = writeEscaped(byte, into, place);
    }
  }
  into[place++] = 0x22;
  to = place;
  at = stop;
  return bits < 0x80 || isProperText(from, start, stop);
}

/** A shape and the first record of it: behind the token msgpackr's type for it, an id, and a list of names. */
function shape(depth: number): boolean {
  if (at + 5 > end || source[at] !== 0x72) return false;
  const id = source[at + 1]! - 0x40;
  const token = source[at + 2]!;
  const isLong = token === 0xdc;
  const count = isLong ? uint16(at + 3) : token - 0x90;
  at += isLong ? 5 : 3;
  if (id < 0 || id >= SHAPES_MAX || shapeFields[id]! >= 0) return false;
  if (count < 0 || (count > 15 && !isLong) || fieldsUsed + count > FIELDS_MAX) return false;
  shapeFirst[id] = fieldsUsed;
  shapeFields[id] = count;
  shapeIsOrdered[id] = 1;
  const back = to;
  let [before, beforeEnd] = [-1, -1];
  for (let left = count; left > 0; left--) {
    // The name is written where the record is to stand, which has the room, and kept from there.
    if (!key()) return false;
    const start = at - keyBytes;
    if (before >= 0 && !comesBeforeIn(source, before, beforeEnd, start, at)) shapeIsOrdered[id] = 0;
    before = start;
    beforeEnd = at;
    const used = nameEnds[fieldsUsed]!;
    if (used + (to - back) > NAMES_BYTES_MAX) return false;
    names.set(target.subarray(back, to), used);
    nameEnds[++fieldsUsed] = used + (to - back);
    to = back;
  }
  return record(id, depth);
}

function record(id: number, depth: number): boolean {
  const count = shapeFields[id]!;
  if (count < 0 || depth >= SHORT_DEPTH_MAX) return false;
  const first = shapeFirst[id]!;
  const namesBytes = nameEnds[first + count]! - nameEnds[first]! + count + 2;
  if (to + namesBytes + textBytesMax(end - at) > target.length) return false;
  if (shapeIsOrdered[id] === 0) isOrdered = false;
  target[to++] = 0x7b;
  for (let field = first; field < first + count; field++) {
    const stop = nameEnds[field + 1]!;
    let place = to;
    for (let each = nameEnds[field]!; each < stop; each++) target[place++] = names[each]!;
    to = place;
    if (!item(depth + 1)) return false;
    if (field < first + count - 1) target[to++] = 0x2c;
  }
  target[to++] = 0x7d;
  return true;
}
