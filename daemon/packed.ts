/**
 * A packed value as it comes out of memory: bytes, or the same bytes as the characters of a latin1 string. A small value
 * takes 400 bytes more as an array of its own; a reply is written from either.
 */
export type Packed = Uint8Array | string;

/** Up to this size a value is kept as text. */
const TEXT_BYTES_MAX = 1024;
/** Text lies in V8's heap, whose end is the end of the process: beyond this share of it values are kept outside. */
const HEAP_SHARE = 0.5;
/** How many bytes of text are kept between two questions to V8, which take microseconds each. */
const ASK_EVERY_BYTES = 1024 * 1024;

/** What V8 has, and has used, of its heap: `v8.getHeapStatistics`. */
export interface HeapUse {
  readonly used_heap_size: number;
  readonly heap_size_limit: number;
}

/** Whether the heap has room for text. */
export class HeapRoom {
  readonly #ask: () => HeapUse;
  #bytesLeft = -1;
  #hasRoom = false;

  constructor(ask: () => HeapUse) {
    this.#ask = ask;
  }

  has(bytes: number): boolean {
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft < 0) {
      const { used_heap_size, heap_size_limit } = this.#ask();
      this.#hasRoom = used_heap_size < HEAP_SHARE * heap_size_limit;
      this.#bytesLeft = ASK_EVERY_BYTES;
    }
    return this.#hasRoom;
  }
}

/** A copy to keep, so that the frame or batch that it came in is not kept alive with it; the smallest there is. */
export function compact(value: Packed, room: HeapRoom): Packed {
  if (typeof value === 'string') return room.has(value.length) ? value : new Uint8Array(toBytes(value));
  if (value.length > TEXT_BYTES_MAX || !room.has(value.length)) return new Uint8Array(value);
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1');
}

export function toBytes(value: Packed): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
}

export function isSame(a: Packed, b: Packed): boolean {
  if (a === b) return true;
  return a.length === b.length && Buffer.compare(toBytes(a), toBytes(b)) === 0;
}
