import { createHash } from 'node:crypto';
import { isNotModified, isSameRepresentation } from './conditional.js';
import { field } from './fields.js';
import { ageMs, headersOf, type Page } from './page.js';
import { multipart, parseRanges } from './ranges.js';
import type { HeaderPairs, Reply, RequestHead } from './types.js';

/** How a request was answered: `X-Cache` in a word, and `Cache-Status` (RFC 9211). */
export interface Told {
  readonly word: 'HIT' | 'MISS' | 'STALE' | 'REVALIDATED' | 'BYPASS';
  readonly status: string;
}

export function told({ word, status }: Told): HeaderPairs {
  return [
    ['x-cache', word],
    ['cache-status', `pgcached; ${status}`],
  ];
}

/** A page was found and is served as it is. */
export function hit(page: Page, nowMs: number, isCollapsed = false): Told {
  const ttl = Math.ceil((page.lifetimeMs - ageMs(page, nowMs)) / 1000);
  return { word: ttl > 0 ? 'HIT' : 'STALE', status: `hit; ttl=${ttl}${isCollapsed ? '; collapsed' : ''}` };
}

/** Fields of the stored response that a 304 carries (RFC 9110 §15.4.5): the others describe a body that is not sent. */
const NOT_IN_304 = new Set(['content-length', 'content-encoding', 'content-language', 'content-type', 'content-range']);

/** The page as this request asked for it: whole, in parts, without a body, or not at all. */
export function replyOf(page: Page, request: RequestHead, how: Told, nowMs: number): Reply {
  const age: HeaderPairs = [['age', String(Math.floor(ageMs(page, nowMs) / 1000))]];
  const headers = [...headersOf(page), ...age, ...told(how)];
  if (page.status !== 200) return whole(page, headers, request);
  if (isNotModified(request, page, nowMs)) {
    return { status: 304, headers: headers.filter(([name]) => !NOT_IN_304.has(name)), body: undefined };
  }
  const range = request.headers.range;
  if (range !== undefined && request.method === 'GET' && isSameRepresentation(request, page, nowMs)) {
    return partOf(page, headers, range) ?? whole(page, headers, request);
  }
  return whole(page, headers, request);
}

export function withOwn(reply: Reply, own: HeaderPairs): Reply {
  return own.length === 0 ? reply : { ...reply, headers: [...reply.headers, ...own] };
}

function whole({ status, body }: Page, headers: HeaderPairs, { method }: RequestHead): Reply {
  if (status === 204) return { status, headers, body: undefined };
  const length: HeaderPairs = [['content-length', String(body.length)]];
  return { status, headers: [...headers, ...length], body: method === 'HEAD' ? undefined : body };
}

function partOf({ body }: Page, headers: HeaderPairs, header: string): Reply | undefined {
  const ranges = parseRanges(header, body.length);
  if (ranges === undefined) return undefined;
  if (ranges.length === 0) {
    const rest = headers.filter(([name]) => !NOT_IN_304.has(name));
    const size: HeaderPairs = [
      ['content-range', `bytes */${body.length}`],
      ['content-length', '0'],
    ];
    return { status: 416, headers: [...rest, ...size], body: undefined };
  }
  if (ranges.length === 1) {
    const { from, to } = ranges[0]!;
    const part = body.subarray(from, to + 1);
    const place: HeaderPairs = [
      ['content-range', `bytes ${from}-${to}/${body.length}`],
      ['content-length', String(part.length)],
    ];
    return { status: 206, headers: [...headers, ...place], body: part };
  }
  const boundary = createHash('sha256').update(body).update(header).digest('hex').slice(0, 24);
  const parts = multipart(body, ranges, field(headers, 'content-type'), boundary);
  const type: HeaderPairs = [
    ['content-type', `multipart/byteranges; boundary=${boundary}`],
    ['content-length', String(parts.length)],
  ];
  return { status: 206, headers: [...headers.filter(([name]) => name !== 'content-type'), ...type], body: parts };
}

export const ONLY_IF_CACHED: Reply = {
  status: 504,
  headers: [['content-length', '0'], ...told({ word: 'MISS', status: 'detail=only-if-cached' })],
  body: undefined,
};
