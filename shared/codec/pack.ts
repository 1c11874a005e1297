import { Packr } from 'msgpackr';
import { CacheError } from '../errors.js';
import { LIMIT } from '../protocol.js';
import { PlainWalk } from './plain.js';
import { decodePlain, GIVEN_UP } from './plain-decode.js';
import { packRecords, RECORDS_TYPE, unpackRecords } from './records.js';
import { RICH_HEADER_BYTES, RICH_TOKEN, RICH_TYPE } from './rich.js';
import { RichDecoder } from './rich-decode.js';
import { RichEncoder } from './rich-encode.js';
import { SCAN_DEPTH_MAX, scan } from './scan.js';

/**
 * No records, which have a form of their own: records.ts. No toJSON, no moreTypes: see rich.ts. Extensions that other code of the process registers with msgpackr are global to it, which is
 * why `pack` looks at its own output where classes were involved.
 */
const msgpack = new Packr({
  useRecords: false,
  variableMapSize: true,
  useToJSON: false,
  copyBuffers: true,
});

/**
 * Packs a value: as plain MessagePack where that carries it exactly, with its lists of objects as records (records.ts),
 * else in the rich form (rich.ts).
 *
 * Kept: everything structured clone keeps, and the identity of objects within the value. Instances of other classes
 * become plain objects of their own enumerable fields (a `toJSON` is not called); names on arrays are kept on RegExp
 * matches only; a view takes its own bytes along, not its whole ArrayBuffer; `lastIndex` of a RegExp becomes 0.
 *
 * @param value anything but undefined
 * @returns the bytes; they may share memory with other packed values, and are never written to again
 * @throws CacheError ERR_INVALID_VALUE for a function, a symbol, or anything that is not data (a Promise, a WeakMap, a
 *   URL, …), with its path; for nesting beyond LIMIT.valueDepthMax; for undefined; for a getter that throws
 */
export function pack(value: unknown): Uint8Array {
  if (value === undefined) throw new CacheError('ERR_INVALID_VALUE', 'undefined cannot be cached');
  try {
    const walk = new PlainWalk();
    if (walk.isPlain(value)) {
      const records = walk.hasRecords ? packRecords(value) : undefined;
      if (records !== undefined) return records;
      const bytes = packItem(value);
      if (!walk.byClass || scan(bytes, bytes.length, LIMIT.valueDepthMax) === undefined) return bytes;
    }
    return packRich(value);
  } catch (error) {
    if (error instanceof CacheError) throw error;
    throw new CacheError('ERR_INVALID_VALUE', `the value cannot be read: ${messageOf(error)}`, error);
  }
}

/**
 * Unpacks what {@link pack} made. The bytes need not be trusted.
 * @param bytes exactly one value; nothing in the result refers to them
 * @throws CacheError ERR_INVALID_VALUE where they are not a packed value
 */
export function unpack(bytes: Uint8Array): unknown {
  if (!(bytes instanceof Uint8Array)) throw new CacheError('ERR_INVALID_VALUE', 'packed values are bytes');
  try {
    if (bytes[0] !== RICH_TOKEN) {
      const value = decodePlain(bytes);
      return value === GIVEN_UP ? unpackItem(bytes, LIMIT.valueDepthMax) : value;
    }
    return bytes[RICH_HEADER_BYTES - 1] === RECORDS_TYPE ? unpackRecordForm(bytes) : unpackRich(bytes);
  } catch (error) {
    throw new CacheError('ERR_INVALID_VALUE', `these bytes are no packed value: ${messageOf(error)}`, error);
  }
}

/** Whether packed bytes have the rich form. */
export function isRich(bytes: Uint8Array): boolean {
  return bytes[0] === RICH_TOKEN && bytes[RICH_HEADER_BYTES - 1] !== RECORDS_TYPE;
}

/** msgpackr writes into a slab, which grows with the values; a small value must not keep a large slab alive. */
const SLAB_BYTES_MAX = 16 * 1024;

function packItem(value: unknown): Buffer {
  const bytes = msgpack.pack(value);
  const slabBytes = bytes.buffer.byteLength;
  return slabBytes > SLAB_BYTES_MAX && bytes.length * 2 < slabBytes ? Buffer.from(bytes) : bytes;
}

/** Small values are copied to the same place each time: msgpackr needs a DataView, which takes longer to make. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** A Buffer, so that Buffers come out of it, and never the caller's own, because msgpackr leaves a property on it. */
function sourceOf(bytes: Uint8Array): Buffer {
  return bytes.length > scratch.length ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : copyOf(bytes);
}

/** Where the memory is written to as well. */
function copyOf(bytes: Uint8Array): Buffer {
  if (bytes.length > scratch.length) return Buffer.from(bytes);
  scratch.set(bytes);
  return scratch;
}

function unpackItem(bytes: Uint8Array, depthMax: number): unknown {
  const end = bytes.length;
  const source = sourceOf(bytes);
  const problem = scan(source, end, depthMax);
  if (problem !== undefined) throw new RangeError(problem);
  return msgpack.unpack(source, end);
}

function packRich(value: unknown): Uint8Array {
  const item = msgpack.pack(new RichEncoder().encode(value));
  const bytes = Buffer.allocUnsafeSlow(RICH_HEADER_BYTES + item.length);
  bytes[0] = RICH_TOKEN;
  bytes.writeUInt32BE(item.length, 1);
  bytes[RICH_HEADER_BYTES - 1] = RICH_TYPE;
  item.copy(bytes, RICH_HEADER_BYTES);
  return bytes;
}

/** What stands behind the header of an extension item. */
function bodyOf(bytes: Uint8Array, type: number): Uint8Array {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, RICH_HEADER_BYTES));
  const isWhole = bytes.length > RICH_HEADER_BYTES && header.readUInt32BE(1) === bytes.length - RICH_HEADER_BYTES;
  if (!isWhole || header[RICH_HEADER_BYTES - 1] !== type) throw new RangeError('its header does not fit the rest');
  return bytes.subarray(RICH_HEADER_BYTES);
}

function unpackRecordForm(bytes: Uint8Array): unknown {
  const body = bodyOf(bytes, RECORDS_TYPE);
  return unpackRecords(copyOf(body), body.length);
}

function unpackRich(bytes: Uint8Array): unknown {
  return new RichDecoder().decode(unpackItem(bodyOf(bytes, RICH_TYPE), SCAN_DEPTH_MAX));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
