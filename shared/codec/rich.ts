/**
 * The rich form, for what plain MessagePack cannot carry exactly. It is one MessagePack extension item, whose data is
 * again MessagePack, made of arrays, scalars and binary only. A scalar stands for itself; every other value is an
 * array that begins with its kind:
 *
 *     kind       rest of the array
 *     ref        number of an object: objects are numbered from 0 as they begin
 *     negZero
 *     text       UTF-16 (little endian), for strings that UTF-8 cannot carry
 *     bigint     hexadecimal digits with an optional minus
 *     array      items
 *     sparse     length, then index (or name, on RegExp matches) and value by turns
 *     object     key and value by turns
 *     map        key and value by turns
 *     set        members
 *     date       milliseconds, NaN for an invalid date
 *     regexp     source, flags
 *     error      index in ERRORS, then name, value and whether it is enumerable by turns
 *     boxed      the primitive
 *     buffer     bytes
 *     arrayBuffer, dataView  bytes
 *     typed      index in TYPED_ARRAYS, bytes
 *
 * Kinds and indexes are in stored values: append only. The objects (and so the numbers) begin at `array`.
 */
export const KIND = {
  ref: 0,
  negZero: 1,
  text: 2,
  bigint: 3,
  array: 4,
  sparse: 5,
  object: 6,
  map: 7,
  set: 8,
  date: 9,
  regexp: 10,
  error: 11,
  boxed: 12,
  buffer: 13,
  arrayBuffer: 14,
  dataView: 15,
  typed: 16,
} as const;

/** The extension type of a rich value, in its 32-bit form: 0xc9, the length, the type. */
export const RICH_TOKEN = 0xc9;
export const RICH_TYPE = 0x50;
export const RICH_HEADER_BYTES = 6;

/** Append only. The last that an error is an instance of is its class. */
export const ERRORS = [
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
] as const;

/** Append only. */
export const TYPED_ARRAYS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;
