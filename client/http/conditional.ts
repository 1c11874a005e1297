import { field } from './fields.js';
import { parseHttpDate } from './http-date.js';
import type { HeaderPairs, RequestHead } from './types.js';

export interface Validators {
  /** With its W/ and quotes; empty for none. */
  readonly etag: string;
  /** NaN for none. */
  readonly modifiedMs: number;
}

export function validatorsOf(headers: HeaderPairs, nowMs: number): Validators {
  return {
    etag: field(headers, 'etag') ?? '',
    modifiedMs: parseHttpDate(field(headers, 'last-modified'), nowMs) ?? Number.NaN,
  };
}

const opaque = (etag: string) => etag.replace(/^W\//, '');
const MEMBER = /(?:W\/)?"[^"]*"|[^\s,]+/g;

/** Whether the client has this very page (RFC 9110 §13.2.2, for GET and HEAD): a 304 is the answer. */
export function isNotModified(request: RequestHead, { etag, modifiedMs }: Validators, nowMs: number): boolean {
  const match = request.headers['if-none-match'];
  if (match !== undefined) {
    if (match.trim() === '*') return true;
    return etag !== '' && (match.match(MEMBER) ?? []).some((one) => opaque(one) === opaque(etag));
  }
  const since = parseHttpDate(request.headers['if-modified-since'], nowMs);
  return since !== undefined && modifiedMs <= since;
}

/** Whether a range may be taken of it (RFC 9110 §13.1.5): the same bytes, strongly compared. */
export function isSameRepresentation(request: RequestHead, { etag, modifiedMs }: Validators, nowMs: number): boolean {
  const condition = request.headers['if-range'];
  if (condition === undefined) return true;
  if (condition.includes('"')) return condition.trim() === etag && !etag.startsWith('W/');
  return parseHttpDate(condition, nowMs) === modifiedMs;
}
