/** A value of the model is the number under which the checker knows it; a counter's bytes begin otherwise. */
export function valueBytes(id: number): Uint8Array {
  const bytes = new Uint8Array(5);
  new DataView(bytes.buffer).setUint32(1, id);
  return bytes;
}

export function counterBytes(counter: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = 1;
  new DataView(bytes.buffer).setFloat64(1, counter);
  return bytes;
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset);

export const isCounter = (bytes: Uint8Array) => bytes[0] === 1;
export const idOf = (bytes: Uint8Array) => view(bytes).getUint32(1);
export const counterOf = (bytes: Uint8Array) => view(bytes).getFloat64(1);
