import { isUtf8 } from 'node:buffer';
import { CacheError } from './errors.js';

const EMPTY = Buffer.alloc(0);
const TWO_POW_32 = 2 ** 32;

/**
 * Reads the header fields of one message by position. It never opens a value: a `bin` is handed out as a view on the
 * frame, to be copied by whoever keeps it. Whatever is not exactly what was asked for (another type, an end too early,
 * bytes left over) is ERR_PROTOCOL, with the field, what was expected and found, and where.
 */
export class WireReader {
  #buffer: Buffer = EMPTY;
  #start = 0;
  #at = 0;
  #end = 0;
  #left = 0;
  /** Bytes that the string last read took on the wire. */
  strBytes = 0;

  /** Begins a message: the range must hold one array; its elements are then read in order. */
  open(buffer: Buffer, start: number, end: number): this {
    this.#buffer = buffer;
    this.#start = start;
    this.#at = start;
    this.#end = end;
    this.#left = 1;
    this.#left = this.#arrayHeader('message');
    return this;
  }

  /** Elements of the message not yet read. */
  get left(): number {
    return this.#left;
  }

  /** @throws CacheError ERR_PROTOCOL unless everything has been read */
  close(): void {
    if (this.#left > 0) throw this.#problem(`${this.#left} more field(s) than the operation has`);
    if (this.#at < this.#end) throw this.#problem(`${this.#end - this.#at} trailing byte(s) after the message`);
    this.#buffer = EMPTY;
  }

  /** A whole number from 0 to 2^32−1. */
  uint(field: string): number {
    const value = this.number(field);
    if (!Number.isInteger(value) || value < 0 || value >= TWO_POW_32) {
      throw this.#problem(`${field}: expected a whole number from 0 to 2^32−1, found ${value}`);
    }
    return value;
  }

  /** Any number that JavaScript carries exactly. */
  number(field: string): number {
    return this.#numeric(field, this.#type(field));
  }

  numberOrNil(field: string): number | undefined {
    return this.#nil() ? undefined : this.number(field);
  }

  bool(field: string): boolean {
    const type = this.#type(field);
    if (type !== 0xc2 && type !== 0xc3) throw this.#unexpected(field, 'a boolean', type);
    return type === 0xc3;
  }

  str(field: string): string {
    const type = this.#type(field);
    return this.#text(field, type);
  }

  strOrNil(field: string): string | undefined {
    return this.#nil() ? undefined : this.str(field);
  }

  /** @throws CacheError ERR_INVALID_ARGUMENT for more than `countMax`, before any of them is read */
  strs(field: string, countMax = Number.POSITIVE_INFINITY): string[] {
    const count = checkCount(field, this.#arrayHeader(field), countMax);
    const values: string[] = [];
    for (let i = 0; i < count; i++) values.push(this.#text(field, this.#next(field)));
    return values;
  }

  strsOrNil(field: string, countMax?: number): string[] | undefined {
    return this.#nil() ? undefined : this.strs(field, countMax);
  }

  /** A view on the frame. */
  bin(field: string): Buffer {
    return this.#bytes(field, this.#type(field));
  }

  binOrNil(field: string): Buffer | undefined {
    return this.#nil() ? undefined : this.bin(field);
  }

  /** An array of bin, as views; for `countMax` see `strs`. */
  bins(field: string, countMax = Number.POSITIVE_INFINITY): Buffer[] {
    const count = checkCount(field, this.#arrayHeader(field), countMax);
    const values: Buffer[] = [];
    for (let i = 0; i < count; i++) values.push(this.#bytes(field, this.#next(field)));
    return values;
  }

  /** An array of bin and nil, as views. */
  binsOrNils(field: string): (Buffer | undefined)[] {
    return this.mapBinsOrNils(field, (view) => view);
  }

  /** What `make` makes of each bin of an array of bin and nil. */
  mapBinsOrNils<T>(field: string, make: (view: Buffer) => T): (T | undefined)[] {
    const count = this.#arrayHeader(field);
    const values: (T | undefined)[] = [];
    for (let i = 0; i < count; i++) {
      const type = this.#next(field);
      values.push(type === 0xc0 ? undefined : make(this.#bytes(field, type)));
    }
    return values;
  }

  /** An array of numbers and nil. */
  numbersOrNils(field: string): (number | undefined)[] {
    const count = this.#arrayHeader(field);
    const values: (number | undefined)[] = [];
    for (let i = 0; i < count; i++) {
      const type = this.#next(field);
      values.push(type === 0xc0 ? undefined : this.#numeric(field, type));
    }
    return values;
  }

  #numeric(field: string, type: number): number {
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    switch (type) {
      case 0xcc:
        return this.#buffer[this.#advance(1, field)]!;
      case 0xcd:
        return this.#buffer.readUInt16BE(this.#advance(2, field));
      case 0xce:
        return this.#buffer.readUInt32BE(this.#advance(4, field));
      case 0xcf:
        return this.#safe(this.#buffer.readBigUInt64BE(this.#advance(8, field)), field);
      case 0xd0:
        return this.#buffer.readInt8(this.#advance(1, field));
      case 0xd1:
        return this.#buffer.readInt16BE(this.#advance(2, field));
      case 0xd2:
        return this.#buffer.readInt32BE(this.#advance(4, field));
      case 0xd3:
        return this.#safe(this.#buffer.readBigInt64BE(this.#advance(8, field)), field);
      case 0xca:
        return this.#buffer.readFloatBE(this.#advance(4, field));
      case 0xcb:
        return this.#buffer.readDoubleBE(this.#advance(8, field));
    }
    throw this.#unexpected(field, 'a number', type);
  }

  #text(field: string, type: number): string {
    let bytes: number;
    if (type >= 0xa0 && type < 0xc0) bytes = type & 0x1f;
    else if (type === 0xd9) bytes = this.#buffer[this.#advance(1, field)]!;
    else if (type === 0xda) bytes = this.#buffer.readUInt16BE(this.#advance(2, field));
    else if (type === 0xdb) bytes = this.#buffer.readUInt32BE(this.#advance(4, field));
    else throw this.#unexpected(field, 'a string', type);
    this.strBytes = bytes;
    const start = this.#advance(bytes, field);
    const end = start + bytes;
    let bits = 0;
    for (let i = start; i < end; i++) bits |= this.#buffer[i]!;
    if (bits < 0x80) return this.#buffer.toString('latin1', start, end);
    if (!isUtf8(this.#buffer.subarray(start, end))) throw this.#problem(`${field}: not valid UTF-8`);
    return this.#buffer.toString('utf8', start, end);
  }

  #bytes(field: string, type: number): Buffer {
    let bytes: number;
    if (type === 0xc4) bytes = this.#buffer[this.#advance(1, field)]!;
    else if (type === 0xc5) bytes = this.#buffer.readUInt16BE(this.#advance(2, field));
    else if (type === 0xc6) bytes = this.#buffer.readUInt32BE(this.#advance(4, field));
    else throw this.#unexpected(field, 'bytes', type);
    const start = this.#advance(bytes, field);
    return this.#buffer.subarray(start, start + bytes);
  }

  #arrayHeader(field: string): number {
    const type = this.#type(field);
    let count: number;
    if (type >= 0x90 && type < 0xa0) count = type & 0x0f;
    else if (type === 0xdc) count = this.#buffer.readUInt16BE(this.#advance(2, field));
    else if (type === 0xdd) count = this.#buffer.readUInt32BE(this.#advance(4, field));
    else throw this.#unexpected(field, 'an array', type);
    // Every element takes a byte at least: a count that cannot be true is refused before anything is gathered.
    if (count > this.#end - this.#at) throw this.#truncated(field);
    return count;
  }

  #nil(): boolean {
    if (this.#left === 0 || this.#buffer[this.#at] !== 0xc0 || this.#at >= this.#end) return false;
    this.#at++;
    this.#left--;
    return true;
  }

  /** The type byte of the next element of the message. */
  #type(field: string): number {
    if (this.#left === 0) throw this.#problem(`${field}: missing, the message has fewer fields than the operation`);
    this.#left--;
    return this.#next(field);
  }

  #next(field: string): number {
    return this.#buffer[this.#advance(1, field)]!;
  }

  #advance(bytes: number, field: string): number {
    const at = this.#at;
    if (at + bytes > this.#end) throw this.#truncated(field);
    this.#at = at + bytes;
    return at;
  }

  #safe(value: bigint, field: string): number {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw this.#problem(`${field}: ${value} is beyond ±(2^53−1)`);
    return number;
  }

  #truncated(field: string): CacheError {
    return this.#problem(`${field}: the message ends too early`);
  }

  #unexpected(field: string, expected: string, type: number): CacheError {
    this.#at--;
    return this.#problem(`${field}: expected ${expected}, found ${typeName(type)}`);
  }

  #problem(problem: string): CacheError {
    return new CacheError('ERR_PROTOCOL', `${problem} (at byte ${this.#at - this.#start} of the message)`);
  }
}

/** A frame has room for many millions of empty strings, each an element of an array here. */
function checkCount(field: string, count: number, countMax: number): number {
  if (count <= countMax) return count;
  throw new CacheError('ERR_INVALID_ARGUMENT', `${count} ${field} in one call, the limit is ${countMax}`);
}

function typeName(type: number): string {
  if (type < 0x80 || type >= 0xe0 || (type >= 0xcc && type <= 0xd3)) return 'a whole number';
  if (type < 0x90 || type === 0xde || type === 0xdf) return 'a map';
  if (type < 0xa0 || type === 0xdc || type === 0xdd) return 'an array';
  if (type < 0xc0 || (type >= 0xd9 && type <= 0xdb)) return 'a string';
  if (type === 0xc0) return 'nil';
  if (type === 0xc2 || type === 0xc3) return 'a boolean';
  if (type >= 0xc4 && type <= 0xc6) return 'bytes';
  if (type === 0xca || type === 0xcb) return 'a float';
  return type === 0xc1 ? 'the unused byte 0xc1' : 'an extension';
}
