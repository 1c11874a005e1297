import { Packr, Unpackr } from 'msgpackr';
import { LIMIT } from '../protocol.js';
import { RECORD_FIELDS_MAX, scan, shapeCount, shapeEnds, shapeStarts } from './scan.js';

/**
 * The record form, for lists of objects of one shape: msgpackr's records, inside one MessagePack extension item of a type
 * of our own. The names of a shape's fields stand in the value where the shape is first met, and nowhere else: every value
 * tells its reader all, and no table is shared. Against plain MessagePack a list of 50 objects takes 60 % of the bytes, two
 * thirds of the time to pack, and a third to unpack.
 *
 * msgpackr compiles a reader for a shape (`new Function`) from the names of its fields, which it writes as string literals
 * where they are no identifiers; where the process forbids code from strings it goes through them one by one. What is read
 * has been scanned before: few shapes, few fields each, all of them strings and none `__proto__`. What is packed is scanned
 * too, and has the plain form where that refuses it.
 */
export const RECORDS_TYPE = 0x51;

/** Lists of fewer objects gain less than the definition costs. */
export const RECORD_ROWS_MIN = 4;
export { RECORD_FIELDS_MAX };

const HEADER_BYTES = 6;

/** No `structures`: they would make a value depend on what its writer has written before. The rest as in pack.ts. */
const packr = new Packr({ useRecords: true, useToJSON: false });
/** An instance of its own: the shapes that it reads are nothing to the one that writes. */
const unpackr = new Unpackr({ useRecords: true, copyBuffers: true });

/** @returns undefined where the value has too many shapes, or anything else that a reader would not take */
export function packRecords(value: unknown): Buffer | undefined {
  const item = packr.pack(value);
  if (scan(item, item.length, LIMIT.valueDepthMax, true) !== undefined) return undefined;
  const bytes = Buffer.allocUnsafeSlow(HEADER_BYTES + item.length);
  bytes[0] = 0xc9;
  bytes.writeUInt32BE(item.length, 1);
  bytes[HEADER_BYTES - 1] = RECORDS_TYPE;
  item.copy(bytes, HEADER_BYTES);
  return bytes;
}

/**
 * @param source one item of records from 0, whose memory is not the caller's: it is written to, and msgpackr leaves a
 *   property on it
 * @throws RangeError where it is none
 */
export function unpackRecords(source: Buffer, end: number): unknown {
  const problem = scan(source, end, LIMIT.valueDepthMax, true);
  if (problem !== undefined) throw new RangeError(problem);
  const reader = shapeCount === 0 ? undefined : readerOf(source);
  return reader === undefined ? unpackr.unpack(source, end) : reader.unpack(source, withoutShapes(source, end));
}

/** Sets of shapes whose readers are kept, and the bytes of the definitions of one. */
const READERS_MAX = 256;
const SHAPES_BYTES_MAX = 2048;

/** By the definitions that a value begins its records with: the readers that they were compiled to, oldest first. */
const readers = new Map<string, Unpackr>();

/**
 * msgpackr makes readers anew for each value that defines its shapes, which takes as long as reading 10 records. Values
 * of one kind begin with the same definitions: these are looked up as they stand, and left out of what is read.
 * @param source as it was scanned last
 * @returns undefined where the definitions are long, or define one id twice
 */
function readerOf(source: Buffer): Unpackr | undefined {
  let definitions = '';
  for (let shape = 0; shape < shapeCount; shape++) {
    definitions += source.toString('latin1', shapeStarts[shape], shapeEnds[shape]);
  }
  const known = readers.get(definitions);
  if (known !== undefined || definitions.length > SHAPES_BYTES_MAX) return known;
  const structures: string[][] = [];
  for (let shape = 0; shape < shapeCount; shape++) {
    const id = source[shapeStarts[shape]! + 2]! & 0x3f;
    if (structures[id] !== undefined) return undefined;
    structures[id] = unpackr.unpack(Buffer.from(source.subarray(shapeStarts[shape]! + 3, shapeEnds[shape])));
  }
  if (readers.size >= READERS_MAX) readers.delete(readers.keys().next().value!);
  const reader = new Unpackr({ useRecords: true, copyBuffers: true, structures });
  readers.set(definitions, reader);
  return reader;
}

/** Leaves the definitions out, but for their ids: each then begins a record like any other. @returns the new end */
function withoutShapes(source: Buffer, end: number): number {
  let to = shapeStarts[0]!;
  for (let shape = 0; shape < shapeCount; shape++) {
    source[to++] = source[shapeStarts[shape]! + 2]!;
    const from = shapeEnds[shape]!;
    const until = shape + 1 < shapeCount ? shapeStarts[shape + 1]! : end;
    source.copyWithin(to, from, until);
    to += until - from;
  }
  return to;
}
