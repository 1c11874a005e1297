import { createHash } from 'node:crypto';
import type { RequestHead } from './types.js';

/** The codings that a cache has to keep apart; a client that invents one gets what one without it gets. */
const CODINGS = ['br', 'deflate', 'gzip', 'zstd'];
const CODING = /^([^;\s]+)\s*(?:;\s*q=([\d.]+))?/i;

/**
 * Accept-Encoding in one of a few spellings: which of the known codings are taken, not in what order. The handler sees it in
 * this form too, so that its answer depends on nothing that the key does not tell.
 */
export function normalEncodings(value: string | undefined): string {
  if (value === undefined) return '';
  const taken = new Set<string>();
  const refused = new Set<string>();
  for (const member of value.toLowerCase().split(',')) {
    const match = CODING.exec(member.trim());
    if (match === null) continue;
    const name = match[1] === 'x-gzip' ? 'gzip' : match[1]!;
    (match[2] !== undefined && !(Number(match[2]) > 0) ? refused : taken).add(name);
  }
  const known = CODINGS.filter((one) => taken.has(one) || (taken.has('*') && !refused.has(one)));
  return known.join(', ');
}

/** What a request says under one name, in the spelling that makes most requests alike. */
export function selecting(request: RequestHead, name: string): string {
  const value = name === 'host' ? request.host : request.headers[name];
  if (name === 'accept-encoding') return normalEncodings(value);
  // Missing and empty are apart: some handlers treat them so.
  if (value === undefined) return '\0';
  return value.replace(/[ \t]*,[ \t]*/g, ', ').trim();
}

/** What a request says under these names: a digest, since cookies are among them. */
export function selectedBy(request: RequestHead, names: readonly string[]): string {
  if (names.length === 0) return '';
  const said = names.map((name) => [name, selecting(request, name)]);
  return createHash('sha256').update(JSON.stringify(said)).digest('base64url');
}
