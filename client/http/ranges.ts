/** More parts than a client has use for; such a request gets the whole (RFC 9110 §14.2, §17.15). */
const RANGES_MAX = 8;

export interface Range {
  readonly from: number;
  /** The last byte, itself included. */
  readonly to: number;
}

/**
 * RFC 9110 §14.1.2.
 * @param size of the whole
 * @returns undefined for what is to be ignored: no bytes, malformed, too many, overlapping; an empty list where none can be satisfied
 */
export function parseRanges(header: string, size: number): readonly Range[] | undefined {
  const specs = /^bytes=(.*)$/i.exec(header.trim())?.[1]?.split(',');
  if (specs === undefined || specs.length > RANGES_MAX) return undefined;
  const ranges: Range[] = [];
  for (const spec of specs) {
    const match = /^\s*(\d*)-(\d*)\s*$/.exec(spec);
    if (match === null || (match[1] === '' && match[2] === '')) return undefined;
    const range = match[1] === '' ? suffix(Number(match[2]), size) : span(Number(match[1]), match[2]!, size);
    if (range === 'malformed') return undefined;
    if (range !== undefined) ranges.push(range);
  }
  const sorted = [...ranges].sort((a, b) => a.from - b.from);
  const overlaps = sorted.some((range, i) => i > 0 && range.from <= sorted[i - 1]!.to);
  return overlaps ? undefined : ranges;
}

function suffix(length: number, size: number): Range | undefined {
  return length === 0 || size === 0 ? undefined : { from: Math.max(0, size - length), to: size - 1 };
}

function span(from: number, end: string, size: number): Range | 'malformed' | undefined {
  const to = end === '' ? size - 1 : Number(end);
  if (end !== '' && to < from) return 'malformed';
  return from >= size ? undefined : { from, to: Math.min(to, size - 1) };
}

/** Several ranges in one body (RFC 9110 §14.6). */
export function multipart(
  body: Uint8Array,
  ranges: readonly Range[],
  contentType: string | undefined,
  boundary: string,
): Uint8Array {
  const parts = ranges.flatMap(({ from, to }) => {
    const type = contentType === undefined ? '' : `content-type: ${contentType}\r\n`;
    const head = `\r\n--${boundary}\r\n${type}content-range: bytes ${from}-${to}/${body.length}\r\n\r\n`;
    return [Buffer.from(head, 'latin1'), body.subarray(from, to + 1)];
  });
  return Buffer.concat([...parts, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}
