import { type Packed, toBytes } from '../../daemon/packed.js';

/** A value of the model is the number under which the checker knows it, packed as [number]; a counter is a bare number. */
export function valueBytes(id: number): Uint8Array {
  const bytes = new Uint8Array(6);
  bytes[0] = 0x91;
  bytes[1] = 0xce;
  new DataView(bytes.buffer).setUint32(2, id);
  return bytes;
}

export function counterBytes(counter: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = 0xcb;
  new DataView(bytes.buffer).setFloat64(1, counter);
  return bytes;
}

/** Of what a client unpacked. */
export function bytesOf(value: unknown): Uint8Array {
  return Array.isArray(value) ? valueBytes(value[0] as number) : counterBytes(value as number);
}

const view = (packed: Packed) => {
  const bytes = toBytes(packed);
  return new DataView(bytes.buffer, bytes.byteOffset);
};

export const isCounter = (bytes: Packed) => view(bytes).getUint8(0) === 0xcb;
export const idOf = (bytes: Packed) => view(bytes).getUint32(2);
export const counterOf = (bytes: Packed) => view(bytes).getFloat64(1);
