import { LIMIT } from '../protocol.js';

/**
 * Looks at the structure of MessagePack bytes before they are decoded, so that decoding bytes that others wrote can
 * neither hang, nor exhaust the stack, nor allocate more than their length warrants. It reads headers only, in one
 * pass, and allows what `pack` writes and no more: maps with string keys, and of the extension types only `undefined`
 * (0) and timestamps (−1). In the record form (records.ts) also records.
 */

/** The deepest nesting that a scan can be asked for: a value's, and one more for the parts of a rich value. */
export const SCAN_DEPTH_MAX = LIMIT.valueDepthMax + 1;

// The enclosing containers of the item that is being looked at. A scan calls nothing and awaits nothing, so one is enough.
const itemsLeft = new Uint32Array(SCAN_DEPTH_MAX + 1);
const areMaps = new Uint8Array(SCAN_DEPTH_MAX + 1);

/** What one value may hold of records: different shapes, and fields of each. More is refused, and not packed. */
const RECORD_SHAPES_MAX = 64;
export const RECORD_FIELDS_MAX = 256;
/** By id, of the value that is being looked at: how many fields a record has; NOT_DEFINED while it has no shape. */
const recordFields = new Int16Array(RECORD_SHAPES_MAX);
const NOT_DEFINED = -1;
/** Of the value that was scanned last: where the definitions of its shapes begin and end, and how many there are. */
export const shapeStarts = new Uint32Array(RECORD_SHAPES_MAX);
export const shapeEnds = new Uint32Array(RECORD_SHAPES_MAX);
export let shapeCount = 0;

const PROTO = Buffer.from('__proto__');

/**
 * @param bytes one MessagePack item, from 0
 * @param end where it ends in the bytes
 * @param depthMax how many containers may be nested, up to {@link SCAN_DEPTH_MAX}
 * @param records whether it may hold records; then 0x40 to 0x7f are these, and no numbers
 * @returns what is wrong with the bytes, or undefined where they can be decoded
 */
export function scan(bytes: Buffer, end: number, depthMax: number, records = false): string | undefined {
  let position = 0;
  let depth = 0;
  let left = 1;
  let inMap = false;
  if (records) recordFields.fill(NOT_DEFINED);
  shapeCount = 0;
  const fixed = records ? FIXED_AMONG_RECORDS : FIXED;
  for (;;) {
    while (left === 0) {
      if (depth === 0) return position === end ? undefined : 'bytes follow the value';
      depth--;
      left = itemsLeft[depth]!;
      inMap = areMaps[depth] === 1;
    }
    left--;
    if (position >= end) return CUT;
    const token = bytes[position]!;
    // A map's items come in pairs, so an odd number is left after a key.
    const isKey = inMap && (left & 1) === 1;
    const fixedSize = fixed[token]!;
    // Nearly all items are short scalars, and nearly no key begins as the forbidden one does: half of the time of a scan.
    if (fixedSize > 0 && (!isKey || ((token & 0xe0) === 0xa0 && bytes[position + 1] !== PROTO[0]))) {
      position += fixedSize;
      if (position > end) return CUT;
      continue;
    }
    if (isKey) {
      const header = stringHeader(token);
      if (header === 0) return 'a key is not a string';
      if (isProto(bytes, position, token, header, end)) return 'a key is __proto__';
    }
    let count = -1;
    let size: number;
    if (records && token >= 0x40 && token < 0x80) {
      size = 1;
      count = recordFields[token & 0x3f]!;
      if (count === NOT_DEFINED) return 'a record has no shape';
    } else if (records && token === 0xd4 && bytes[position + 1] === TYPE_RECORD) {
      if (shapeCount >= RECORD_SHAPES_MAX) return 'it has too many shapes of records';
      size = shapeSize(bytes, position, end);
      if (size > 0) count = recordFields[bytes[position + 2]! & 0x3f]!;
      shapeStarts[shapeCount] = position;
      shapeEnds[shapeCount++] = position + size;
    } else {
      size = itemSize(bytes, position, token, end);
    }
    if (size < 0) return `byte 0x${token.toString(16)} at ${position} begins nothing that a value can hold`;
    position += size;
    if (position > end) return CUT;
    if (count < 0) count = childCount(bytes, position - size, token);
    if (count < 0) continue;
    if (count > end - position) return 'a length exceeds the bytes';
    if (depth >= depthMax) return `it is nested deeper than ${LIMIT.valueDepthMax} levels`;
    itemsLeft[depth] = left;
    areMaps[depth] = inMap ? 1 : 0;
    depth++;
    left = count;
    inMap = isMap(token);
  }
}

const CUT = 'the bytes end too early';

function isMap(token: number): boolean {
  return (token & 0xf0) === 0x80 || token === 0xde || token === 0xdf;
}

/** Bytes in front of a string's own, 0 where the token begins no string. */
function stringHeader(token: number): number {
  if ((token & 0xe0) === 0xa0) return 1;
  return token >= 0xd9 && token <= 0xdb ? 1 + (1 << (token - 0xd9)) : 0;
}

function isProto(bytes: Buffer, position: number, token: number, header: number, end: number): boolean {
  const start = position + header;
  if (bytes[start] !== PROTO[0] || bytes[start + 1] !== PROTO[1]) return false;
  const size = itemSize(bytes, position, token, end);
  return size === header + PROTO.length && bytes.subarray(start, start + PROTO.length).equals(PROTO);
}

/** How many items a container holds (keys and values of a map counted singly), −1 for an item that is none. */
function childCount(bytes: Buffer, position: number, token: number): number {
  if (token < 0x80 || (token > 0x9f && token < 0xdc) || token > 0xdf) return -1;
  if (token < 0x90) return (token & 0x0f) * 2;
  if (token < 0xa0) return token & 0x0f;
  const count = token & 1 ? bytes.readUInt32BE(position + 1) : bytes.readUInt16BE(position + 1);
  return token >= 0xde ? count * 2 : count;
}

/** Size in bytes of the item, of its header alone for a container, −1 for what is not allowed. */
function itemSize(bytes: Buffer, position: number, token: number, end: number): number {
  if (token < 0xa0 || token >= 0xe0) return 1;
  if (token < 0xc0) return 1 + (token & 0x1f);
  const size = SIZES[token - 0xc0]!;
  if (size > 0) return size;
  if (size === FORBIDDEN) return -1;
  if (size === EXTENSION) return extensionSize(bytes, position, token);
  // str and bin: a length of 1, 2 or 4 bytes, then as many bytes.
  const width = -size;
  if (position + 1 + width > end) return 1 + width;
  return 1 + width + bytes.readUIntBE(position + 1, width);
}

/** MessagePack has no such type; msgpackr writes it where a record's shape is first met: its id, then an array of names. */
const TYPE_RECORD = 0x72;

/** Size of a shape's definition, the first record's values excluded; −1 where it is none. Enters it in recordFields. */
function shapeSize(bytes: Buffer, position: number, end: number): number {
  const id = bytes[position + 2]!;
  const list = bytes[position + 3]!;
  const isLong = list === 0xdc;
  let at = position + (isLong ? 6 : 4);
  if (at > end || id < 0x40 || id >= 0x80 || !(isLong || (list >= 0x90 && list < 0xa0))) return -1;
  const count = isLong ? bytes.readUInt16BE(position + 4) : list & 0x0f;
  if (count > RECORD_FIELDS_MAX) return -1;
  for (let field = 0; field < count; field++) {
    if (at >= end) return -1;
    const token = bytes[at]!;
    const header = stringHeader(token);
    if (header === 0 || isProto(bytes, at, token, header, end)) return -1;
    at += itemSize(bytes, at, token, end);
  }
  recordFields[id & 0x3f] = count;
  return at - position;
}

const FORBIDDEN = -9;
const EXTENSION = -8;

/** Of the tokens from 0xc0 to 0xdf: the size, or (negative) the width of the length, or one of the two above. */
const SIZES = Int8Array.of(
  ...[1, FORBIDDEN, 1, 1], // nil, never used, false, true
  ...[-1, -2, -4], // bin 8, 16, 32
  ...[EXTENSION, FORBIDDEN, FORBIDDEN], // ext 8, 16, 32
  ...[5, 9, 2, 3, 5, 9, 2, 3, 5, 9], // float 32, 64; uint 8 to 64; int 8 to 64
  ...[EXTENSION, FORBIDDEN, EXTENSION, EXTENSION, FORBIDDEN], // fixext 1, 2, 4, 8, 16
  ...[-1, -2, -4], // str 8, 16, 32
  ...[3, 5, 3, 5], // array 16, 32; map 16, 32
);

/** By token: the size of an item that its token alone tells and that holds no others; 0 for all else. */
const FIXED = Uint8Array.from({ length: 256 }, (_, token) => {
  if (token < 0x80 || token >= 0xe0) return 1;
  if (token < 0xa0) return 0;
  return token < 0xc0 ? 1 + (token & 0x1f) : Math.max(0, SIZES[token - 0xc0]!) * (token < 0xdc ? 1 : 0);
});
const FIXED_AMONG_RECORDS = FIXED.map((size, token) => (token >= 0x40 && token < 0x80 ? 0 : size));

const TYPE_UNDEFINED = 0x00;
const TYPE_TIMESTAMP = 0xff;

function extensionSize(bytes: Buffer, position: number, token: number): number {
  const type = bytes[position + 1];
  if (token === 0xd4) return type === TYPE_UNDEFINED || type === TYPE_TIMESTAMP ? 3 : -1;
  if (token === 0xd6) return type === TYPE_TIMESTAMP ? 6 : -1;
  if (token === 0xd7) return type === TYPE_TIMESTAMP ? 10 : -1;
  return bytes[position + 1] === 12 && bytes[position + 2] === TYPE_TIMESTAMP ? 15 : -1;
}
