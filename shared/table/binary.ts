/**
 * Arrays as parameters in Postgres's binary format, which the driver sends for a Buffer. As text each item is escaped,
 * searched for escapes by the server and copied, twice: of a statement with 64 values of 200 bytes that is a fifth.
 * The format is array_recv's: dimensions, whether there are nulls, the type of the items, their number, a lower bound,
 * then each item as its length (−1: null) and its bytes.
 */

interface ItemType<Item> {
  /** In pg_type, the same in every server. */
  readonly id: number;
  sizeOf(item: Item): number;
  write(to: Buffer, item: Item, at: number): void;
}

const TEXT: ItemType<string> = {
  id: 25,
  sizeOf: (item) => Buffer.byteLength(item),
  write: (to, item, at) => to.write(item, at),
};
const BYTEA: ItemType<Uint8Array> = {
  id: 17,
  sizeOf: (item) => item.length,
  write: (to, item, at) => to.set(item, at),
};
const INT2: ItemType<number> = { id: 21, sizeOf: () => 2, write: (to, item, at) => to.writeInt16BE(item, at) };
const INT8: ItemType<number> = {
  id: 20,
  sizeOf: () => 8,
  write: (to, item, at) => to.writeBigInt64BE(BigInt(item), at),
};
const FLOAT8: ItemType<number> = { id: 701, sizeOf: () => 8, write: (to, item, at) => to.writeDoubleBE(item, at) };

type Items<Item> = readonly (Item | null)[];

function encode<Item>(type: ItemType<Item>, items: Items<Item>): Buffer {
  const sizes = items.map((item) => (item === null ? -1 : type.sizeOf(item)));
  const total = sizes.reduce((sum, size) => sum + 4 + Math.max(0, size), items.length === 0 ? 12 : 20);
  const buffer = Buffer.allocUnsafe(total);
  buffer.writeInt32BE(items.length === 0 ? 0 : 1, 0);
  buffer.writeInt32BE(sizes.includes(-1) ? 1 : 0, 4);
  buffer.writeInt32BE(type.id, 8);
  if (items.length === 0) return buffer;
  buffer.writeInt32BE(items.length, 12);
  buffer.writeInt32BE(1, 16);
  let at = 20;
  items.forEach((item, index) => {
    const size = sizes[index] as number;
    at = buffer.writeInt32BE(size, at);
    if (item === null) return;
    type.write(buffer, item, at);
    at += size;
  });
  return buffer;
}

/** How arrays are given to the driver. */
export interface Arrays {
  text(items: Items<string>): unknown;
  bytea(items: Items<Uint8Array>): unknown;
  int2(items: Items<number>): unknown;
  int8(items: Items<number>): unknown;
  float8(items: Items<number>): unknown;
}

const asTheyAre = (items: Items<unknown>) => items;

/** For drivers of which nothing is known but that they take arrays, as every pg Pool does. */
export const PLAIN_ARRAYS: Arrays = {
  text: asTheyAre,
  bytea: asTheyAre,
  int2: asTheyAre,
  int8: asTheyAre,
  float8: asTheyAre,
};

/** For node-postgres itself, which sends a Buffer as a binary parameter. */
export const BINARY_ARRAYS: Arrays = {
  text: (items) => encode(TEXT, items),
  bytea: (items) => encode(BYTEA, items),
  int2: (items) => encode(INT2, items),
  int8: (items) => encode(INT8, items),
  float8: (items) => encode(FLOAT8, items),
};

/** A column that most batches have nothing in: null then, which unnest reads as nulls. */
export function unlessEmpty<Item>(items: Items<Item>, as: (items: Items<Item>) => unknown): unknown {
  return items.every((item) => item === null) ? null : as(items);
}
