const REFERENCE_BYTES = 8;
const OBJECT_BYTES = 32;
const BYTES_PER_UNIT = 2;

/**
 * About how many bytes a value takes in memory, from above rather than from below: strings at two bytes a UTF-16 unit,
 * buffers at their length, containers by their entries. What is met twice counts once. Values of classes count by their
 * own enumerable properties.
 */
export function sizeOf(value: unknown): number {
  const seen = new Set<object>();
  const pending: unknown[] = [value];
  let bytes = 0;
  while (pending.length > 0) {
    const each = pending.pop();
    if (typeof each === 'object' && each !== null) {
      if (seen.has(each)) continue;
      seen.add(each);
      bytes += objectBytes(each, pending);
    } else {
      bytes += primitiveBytes(each);
    }
  }
  return bytes;
}

function primitiveBytes(value: unknown): number {
  if (typeof value === 'string') return REFERENCE_BYTES + BYTES_PER_UNIT * value.length;
  if (typeof value === 'bigint') return REFERENCE_BYTES + Math.ceil(value.toString(16).length / 2);
  return REFERENCE_BYTES;
}

/** The bytes of the object itself; what it holds is added to `pending`. */
function objectBytes(value: object, pending: unknown[]): number {
  if (ArrayBuffer.isView(value)) return OBJECT_BYTES + value.byteLength;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return OBJECT_BYTES + value.byteLength;
  if (value instanceof Map) {
    for (const [key, held] of value) pending.push(key, held);
    return OBJECT_BYTES + value.size * 2 * REFERENCE_BYTES;
  }
  if (value instanceof Set) {
    for (const held of value) pending.push(held);
    return OBJECT_BYTES + value.size * 2 * REFERENCE_BYTES;
  }
  if (value instanceof Error) pending.push(value.message, value.stack, value.cause);
  if (value instanceof RegExp) pending.push(value.source);
  for (const held of Object.values(value)) pending.push(held);
  return OBJECT_BYTES;
}
