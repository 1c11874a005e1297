import { CacheError } from './errors.js';
import { FRAME_HEADER_BYTES } from './frame.js';
import { LIMIT } from './protocol.js';
import { Slabs } from './slabs.js';

const NO_SLAB = Buffer.alloc(0);
/** A slab with less room than this is let go at the next take(). */
const SLAB_ROOM_BYTES_MIN = 512;
/** Up to this length a string is tried as ASCII, byte by byte, before anything is asked of the engine. */
const SHORT_STRING_LENGTH = 64;
const ID_BYTES = 5;
/** So much need not wait for the end of the turn: the other side works on it meanwhile, and a slab stays small. */
const DUE_FRAMES = 16;
const DUE_BYTES = 64 * 1024;

/**
 * Frames of MessagePack, written one after the other into one buffer: what a turn of the loop has to say is taken as a
 * whole, or where it is much in parts, each of which goes out in one write. It knows the few types that headers are made
 * of; values are `bin`, never opened.
 */
export class WireWriter {
  readonly #slabs: Slabs;
  #buffer: Buffer = NO_SLAB;
  /** Slabs that are full, of which something was taken. */
  #full: Buffer[] = [];
  #taken = 0;
  #frame = 0;
  #at = 0;
  /** Ended since the last take. */
  #frames = 0;

  /** @param slabs may be shared with other writers */
  constructor(slabs = new Slabs()) {
    this.#slabs = slabs;
  }

  /** Bytes written and not yet taken. */
  get bytes(): number {
    return this.#at - this.#taken;
  }

  /** Whether so much is written that it should be taken and sent at once. */
  get isDue(): boolean {
    return this.#frames >= DUE_FRAMES || this.isLong;
  }

  /** The same for messages that should rather stay together. */
  get isLong(): boolean {
    return this.bytes >= DUE_BYTES;
  }

  /** Starts a frame: an array of `fields` elements (1 to 15), of which the id, in its fixed form, is the first. */
  begin(fields: number, id: number): this {
    this.#reserve(FRAME_HEADER_BYTES + 1 + ID_BYTES);
    this.#frame = this.#at;
    this.#at += FRAME_HEADER_BYTES;
    this.#buffer[this.#at++] = 0x90 | fields;
    this.#buffer[this.#at++] = 0xce;
    this.#u32(id);
    return this;
  }

  /**
   * Ends the frame.
   * @throws CacheError ERR_VALUE_TOO_LARGE if it is longer than a frame may be; it is taken back then
   */
  end(): void {
    const bytes = this.#at - this.#frame - FRAME_HEADER_BYTES;
    if (bytes > LIMIT.frameBytesMax) throw this.#tooLarge(bytes);
    const end = this.#at;
    this.#at = this.#frame;
    this.#u32(bytes);
    this.#at = end;
    this.#frame = end;
    this.#frames++;
  }

  /** Takes back the frame that was begun and not ended, if there is one. */
  abort(): void {
    this.#at = this.#frame;
  }

  /** All frames that were ended since the last take, as one view that is not written to again before `sent`. */
  take(): Buffer {
    const frames = this.#buffer.subarray(this.#taken, this.#at);
    if (this.#buffer.length - this.#at < SLAB_ROOM_BYTES_MIN) {
      this.#full.push(this.#buffer);
      this.#buffer = NO_SLAB;
      this.#at = 0;
    }
    this.#taken = this.#at;
    this.#frame = this.#at;
    this.#frames = 0;
    return frames;
  }

  /** Nobody reads any more what has been taken, all of it: its memory is free for the next who writes. */
  sent(): void {
    if (this.#full.length > 0) {
      for (const slab of this.#full) this.#slabs.give(slab);
      this.#full = [];
    }
    if (this.#at !== this.#taken || this.#buffer === NO_SLAB) return;
    this.#slabs.give(this.#buffer);
    this.#buffer = NO_SLAB;
    this.#at = 0;
    this.#taken = 0;
    this.#frame = 0;
  }

  nil(): this {
    return this.#byte(0xc0);
  }

  bool(value: boolean): this {
    return this.#byte(value ? 0xc3 : 0xc2);
  }

  /** A whole number from 0 to 2^32−1. */
  uint(value: number): this {
    if (value < 0x80) return this.#byte(value);
    this.#reserve(5);
    if (value < 0x100) {
      this.#buffer[this.#at++] = 0xcc;
      this.#buffer[this.#at++] = value;
    } else if (value < 0x10000) {
      this.#buffer[this.#at++] = 0xcd;
      this.#u16(value);
    } else {
      this.#buffer[this.#at++] = 0xce;
      this.#u32(value);
    }
    return this;
  }

  /** Any number: a small whole one in its short form, all others as float64. */
  number(value: number): this {
    if (value >= 0 && value <= 0xffffffff && Number.isInteger(value) && !Object.is(value, -0)) return this.uint(value);
    this.#reserve(9);
    this.#buffer[this.#at++] = 0xcb;
    this.#at = this.#buffer.writeDoubleBE(value, this.#at);
    return this;
  }

  numberOrNil(value: number | undefined): this {
    return value === undefined ? this.nil() : this.number(value);
  }

  /** @throws CacheError ERR_INVALID_ARGUMENT for a lone surrogate, which UTF-8 cannot carry */
  str(value: string): this {
    if (value.length > SHORT_STRING_LENGTH || !this.#ascii(value)) this.#utf8(value);
    return this;
  }

  /** @param value bytes, or a string of which each character is one */
  bin(value: Uint8Array | string): this {
    const bytes = value.length;
    if (bytes > LIMIT.frameBytesMax) throw this.#tooLarge(bytes);
    this.#reserve(5 + bytes);
    if (bytes < 0x100) {
      this.#buffer[this.#at++] = 0xc4;
      this.#buffer[this.#at++] = bytes;
    } else if (bytes < 0x10000) {
      this.#buffer[this.#at++] = 0xc5;
      this.#u16(bytes);
    } else {
      this.#buffer[this.#at++] = 0xc6;
      this.#u32(bytes);
    }
    if (typeof value === 'string') this.#buffer.write(value, this.#at, 'latin1');
    else this.#buffer.set(value, this.#at);
    this.#at += bytes;
    return this;
  }

  strs(values: readonly string[]): this {
    this.#arrayHeader(values.length);
    for (const value of values) this.str(value);
    return this;
  }

  /** An array of bin and nil. */
  bins(values: readonly (Uint8Array | string | undefined)[]): this {
    let bytes = 0;
    for (const value of values) bytes += value === undefined ? 1 : value.length;
    if (bytes > LIMIT.frameBytesMax) throw this.#tooLarge(bytes);
    this.#arrayHeader(values.length);
    for (const value of values) value === undefined ? this.nil() : this.bin(value);
    return this;
  }

  /** An array of numbers and nil. */
  numbersOrNils(values: readonly (number | undefined)[]): this {
    this.#arrayHeader(values.length);
    for (const value of values) this.numberOrNil(value);
    return this;
  }

  #arrayHeader(count: number): void {
    this.#reserve(5);
    if (count < 16) {
      this.#buffer[this.#at++] = 0x90 | count;
    } else if (count < 0x10000) {
      this.#buffer[this.#at++] = 0xdc;
      this.#u16(count);
    } else {
      this.#buffer[this.#at++] = 0xdd;
      this.#u32(count);
    }
  }

  /** Writes a short string as ASCII; undoes it and returns false at the first character that is not. */
  #ascii(value: string): boolean {
    const length = value.length;
    this.#reserve(2 + length);
    const buffer = this.#buffer;
    let at = this.#at;
    if (length < 32) {
      buffer[at++] = 0xa0 | length;
    } else {
      buffer[at++] = 0xd9;
      buffer[at++] = length;
    }
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) return false;
      buffer[at++] = unit;
    }
    this.#at = at;
    return true;
  }

  #utf8(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.#reserve(5 + bytes);
    if (bytes < 32) {
      this.#buffer[this.#at++] = 0xa0 | bytes;
    } else if (bytes < 0x100) {
      this.#buffer[this.#at++] = 0xd9;
      this.#buffer[this.#at++] = bytes;
    } else if (bytes < 0x10000) {
      this.#buffer[this.#at++] = 0xda;
      this.#u16(bytes);
    } else {
      this.#buffer[this.#at++] = 0xdb;
      this.#u32(bytes);
    }
    if (bytes === value.length) {
      this.#at += this.#buffer.write(value, this.#at, 'latin1');
      return;
    }
    if (LONE_SURROGATE.test(value)) {
      this.abort();
      throw new CacheError('ERR_INVALID_ARGUMENT', 'a string with a lone surrogate cannot be sent');
    }
    this.#at += this.#buffer.write(value, this.#at, 'utf8');
  }

  #byte(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#at++] = value;
    return this;
  }

  #u16(value: number): void {
    this.#buffer[this.#at++] = value >>> 8;
    this.#buffer[this.#at++] = value;
  }

  #u32(value: number): void {
    this.#buffer[this.#at++] = value >>> 24;
    this.#buffer[this.#at++] = value >>> 16;
    this.#buffer[this.#at++] = value >>> 8;
    this.#buffer[this.#at++] = value;
  }

  /** Makes room; what was taken stays where it is, what was not is moved along. */
  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const kept = this.#at - this.#taken;
    const grown = this.#slabs.take(Math.max(kept + bytes, 2 * kept));
    this.#buffer.copy(grown, 0, this.#taken, this.#at);
    if (this.#taken > 0) this.#full.push(this.#buffer);
    this.#buffer = grown;
    this.#frame -= this.#taken;
    this.#at = kept;
    this.#taken = 0;
  }

  #tooLarge(bytes: number): CacheError {
    this.abort();
    return new CacheError(
      'ERR_VALUE_TOO_LARGE',
      `the message would be ${bytes} bytes or more, the limit is ${LIMIT.frameBytesMax}; use fewer keys a call`,
    );
  }
}

/** With the u flag a surrogate matches only where it is not half of a pair. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;
