import { TRANSCODE_BYTES_MAX, textBytesMax, transcode, wasOrdered } from '../codec/transcode.js';
import { type Storage, toColumns } from './value.js';

/** A batch's values as two parameters: what JSONB carries as text, the packed bytes of the others. */
export interface ValueParameters {
  readonly value: unknown;
  /** Null where all are in `value`. */
  readonly packed: unknown;
}

/**
 * How columns of a batch are given to the driver: each is made of all rows by a function of a row. A column that is null in
 * every row is null itself, which unnest reads as nulls.
 */
export interface Arrays {
  text<Row>(rows: readonly Row[], of: (row: Row) => string | null): unknown;
  int2<Row>(rows: readonly Row[], of: (row: Row) => number | null): unknown;
  int8<Row>(rows: readonly Row[], of: (row: Row) => number | null): unknown;
  float8<Row>(rows: readonly Row[], of: (row: Row) => number | null): unknown;
  values<Row>(rows: readonly Row[], of: (row: Row) => Uint8Array | undefined, storage: Storage): ValueParameters;
}

const unlessEmpty = (items: readonly unknown[]) =>
  items.length === 0 || items.some((item) => item !== null) ? items : null;

const NO_COLUMNS = { value: null, packed: null } as const;

/** For drivers of which nothing is known but that they take arrays, as every pg Pool does. */
export const PLAIN_ARRAYS: Arrays = {
  text: (rows, of) => unlessEmpty(rows.map(of)),
  int2: (rows, of) => unlessEmpty(rows.map(of)),
  int8: (rows, of) => unlessEmpty(rows.map(of)),
  float8: (rows, of) => unlessEmpty(rows.map(of)),
  values(rows, of, storage) {
    const columns = rows.map((row) => {
      const bytes = of(row);
      return bytes === undefined ? NO_COLUMNS : toColumns(bytes, storage);
    });
    return {
      value: unlessEmpty(columns.map(({ value }) => value)),
      packed: unlessEmpty(columns.map(({ packed }) => packed)),
    };
  },
};

// In pg_type, the same in every server.
const TYPE = { bytea: 17, int8: 20, int2: 21, text: 25, float8: 701 } as const;

const ARRAY_HEADER_BYTES = 20;
/** Beyond it the memory that a batch needed is not kept. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** Longer strings are written by the native function, which costs as much as so many characters do one by one. */
const SHORT_CHARACTERS = 48;

/**
 * Writes one array at a time in Postgres's binary format, which node-postgres sends for a Buffer. As text each item is
 * escaped, searched for escapes by the server and copied, twice: of a statement with 64 values of 200 bytes that is a
 * fifth. The format is array_recv's: dimensions, whether there are nulls, the type of the items, their number, a lower
 * bound, then each item as its length (−1: null) and its bytes.
 */
class ArrayWriter {
  #bytes = Buffer.allocUnsafeSlow(16 * 1024);
  #to = 0;
  #nulls = 0;

  begin(): void {
    this.#to = ARRAY_HEADER_BYTES;
    this.#nulls = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = Buffer.allocUnsafeSlow(KEPT_BYTES_MAX);
  }

  /** @returns undefined where there are items, but nothing in them */
  end(typeId: number, count: number): Buffer | undefined {
    if (count > 0 && this.#nulls === count) return undefined;
    const bytes = this.#bytes;
    bytes.writeInt32BE(count === 0 ? 0 : 1, 0);
    bytes.writeInt32BE(this.#nulls > 0 ? 1 : 0, 4);
    bytes.writeInt32BE(typeId, 8);
    bytes.writeInt32BE(count, 12);
    bytes.writeInt32BE(1, 16);
    // Without items the dimension is left out. What is written over by the next array is copied.
    return Buffer.from(bytes.subarray(0, count === 0 ? 12 : this.#to));
  }

  null(): void {
    this.#nulls += 1;
    this.#to = this.#room(4).writeInt32BE(-1, this.#to);
  }

  text(item: string): void {
    const { length } = item;
    const bytes = this.#room(4 + 3 * length);
    const start = this.#to + 4;
    let at = start;
    if (length <= SHORT_CHARACTERS) {
      const end = start + length;
      while (at < end) {
        const code = item.charCodeAt(at - start);
        if (code >= 0x80) break;
        bytes[at++] = code;
      }
    }
    if (at - start < length) at = start + bytes.write(item, start);
    bytes.writeInt32BE(at - start, start - 4);
    this.#to = at;
  }

  bytes(item: Uint8Array): void {
    const bytes = this.#room(4 + item.length);
    this.#to = bytes.writeInt32BE(item.length, this.#to);
    bytes.set(item, this.#to);
    this.#to += item.length;
  }

  int2(item: number): void {
    const bytes = this.#room(6);
    this.#to = bytes.writeInt16BE(item, bytes.writeInt32BE(2, this.#to));
  }

  int8(item: number): void {
    const bytes = this.#room(12);
    this.#to = bytes.writeBigInt64BE(BigInt(item), bytes.writeInt32BE(8, this.#to));
  }

  float8(item: number): void {
    const bytes = this.#room(12);
    this.#to = bytes.writeDoubleBE(item, bytes.writeInt32BE(8, this.#to));
  }

  /**
   * The text of a packed value, written where it goes to.
   * @returns false where it has to go the long way; the item is not begun then
   */
  transcoded(packed: Uint8Array): boolean {
    if (packed.length > TRANSCODE_BYTES_MAX) return false;
    const bytes = this.#room(4 + textBytesMax(packed.length));
    const start = this.#to + 4;
    const end = transcode(packed, bytes, start);
    if (end < 0) return false;
    bytes.writeInt32BE(end - start, start - 4);
    this.#to = end;
    return true;
  }

  /** The memory, with room for so many bytes more. */
  #room(more: number): Buffer {
    const size = this.#to + more;
    if (size > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(2 * size);
      grown.set(this.#bytes.subarray(0, this.#to));
      this.#bytes = grown;
    }
    return this.#bytes;
  }
}

/** An array is written without a pause, so one writer is enough. */
const writer = new ArrayWriter();

function columnOf<Row, Item>(
  typeId: number,
  rows: readonly Row[],
  of: (row: Row) => Item | null,
  write: (item: Item) => void,
): Buffer | null {
  writer.begin();
  for (const row of rows) {
    const item = of(row);
    if (item === null) writer.null();
    else write(item);
  }
  return writer.end(typeId, rows.length) ?? null;
}

const writeText = (item: string) => writer.text(item);
const writeBytes = (item: Uint8Array) => writer.bytes(item);
const writeInt2 = (item: number) => writer.int2(item);
const writeInt8 = (item: number) => writer.int8(item);
const writeFloat8 = (item: number) => writer.float8(item);

/** For node-postgres itself, which sends a Buffer as a binary parameter. */
export const BINARY_ARRAYS: Arrays = {
  text: (rows, of) => columnOf(TYPE.text, rows, of, writeText),
  int2: (rows, of) => columnOf(TYPE.int2, rows, of, writeInt2),
  int8: (rows, of) => columnOf(TYPE.int8, rows, of, writeInt8),
  float8: (rows, of) => columnOf(TYPE.float8, rows, of, writeFloat8),

  values(rows, of, storage) {
    // What of each row is to be packed too, or alone.
    const packed: (Uint8Array | null)[] = [];
    const value = columnOf<(typeof rows)[number], Uint8Array>(
      TYPE.text,
      rows,
      (row) => {
        const bytes = of(row);
        if (bytes === undefined) packed.push(null);
        return bytes ?? null;
      },
      (bytes) => {
        if (storage !== 'packed' && writer.transcoded(bytes)) {
          packed.push(wasOrdered() ? null : bytes);
          return;
        }
        const columns = toColumns(bytes, storage);
        packed.push(columns.packed);
        if (columns.value === null) writer.null();
        else writer.text(columns.value);
      },
    );
    return { value, packed: columnOf(TYPE.bytea, packed, (bytes) => bytes, writeBytes) };
  },
};
