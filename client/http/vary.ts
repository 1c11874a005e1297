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
  const value = name === 'host' ? request.host : fieldOf(request, name);
  if (name === 'accept-encoding') return normalEncodings(value);
  // Missing and empty are apart: some handlers treat them so.
  if (value === undefined) return '\0';
  // Not by an expression over spaces and commas: on many spaces that takes time by their square.
  const members = value.includes(',') ? value.split(',').map((member) => member.trim()) : [value.trim()];
  return members.join(', ');
}

/** A response may vary on any name, such as `constructor`; and Node gives one field as a list. */
function fieldOf({ headers }: RequestHead, name: string): string | undefined {
  const value: unknown = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return value === undefined ? undefined : String(value);
}

/** What a request says under these names: a digest, since cookies are among them. */
export function selectedBy(request: RequestHead, names: readonly string[]): string {
  if (names.length === 0) return '';
  const said = names.map((name) => [name, selecting(request, name)]);
  return createHash('sha256').update(JSON.stringify(said)).digest('base64url');
}
