/** Many values as one buffer, so that a task's bytes cross between threads by a transfer and not by a copy each. */
export interface Blob {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Length of each value in turn; −1 where there is none. */
  readonly lengths: Int32Array<ArrayBuffer>;
}

export function packBlob(values: readonly (Uint8Array | undefined)[]): Blob {
  let total = 0;
  const lengths = new Int32Array(values.length);
  values.forEach((value, index) => {
    lengths[index] = value === undefined ? -1 : value.length;
    total += value?.length ?? 0;
  });
  const bytes = new Uint8Array(total);
  let offset = 0;
  for (const value of values) {
    if (value === undefined) continue;
    bytes.set(value, offset);
    offset += value.length;
  }
  return { bytes, lengths };
}

/** The values again, as views of the one buffer. */
export function unpackBlob({ bytes, lengths }: Blob): (Uint8Array | undefined)[] {
  let offset = 0;
  return Array.from(lengths, (length) => {
    if (length < 0) return undefined;
    offset += length;
    return bytes.subarray(offset - length, offset);
  });
}

export const transfersOf = (blob: Blob): ArrayBuffer[] => [blob.bytes.buffer, blob.lengths.buffer];
