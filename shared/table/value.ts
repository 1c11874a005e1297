import { packedToJson } from '../codec.js';

/** How a namespace keeps its values: readable from SQL where JSONB can carry them, or packed always. */
export type Storage = 'jsonb' | 'packed';

/** The two columns of a value. Both are null only in a row that is dead or a counter. */
export interface Columns {
  readonly value: string | null;
  readonly packed: Buffer | null;
}

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * What JSONB carries exactly goes there alone. Where it would only lose the order of an object's keys, the packed bytes
 * go beside it; what it cannot carry at all is packed only.
 */
export function toColumns(bytes: Uint8Array, storage: Storage): Columns {
  const json = storage === 'packed' ? undefined : packedToJson(bytes);
  if (json === undefined) return { value: null, packed: asBuffer(bytes) };
  return { value: json.json, packed: json.ordered ? null : asBuffer(bytes) };
}
