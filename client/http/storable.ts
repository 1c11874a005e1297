import { areSendable, field, listed } from './fields.js';
import type { Control, Freshness } from './freshness.js';
import { tagsOf } from './tags.js';
import type { ResponseHead } from './types.js';

/** Fields of a response that are kept, names and values together. */
const HEAD_BYTES_MAX = 32 * 1024;
const VARY_MAX = 16;
/** Fields by which a client is given what he will say who he is with. */
const HANDED_OUT = /^(?:authorization|authentication-info)$|(?:^|-)(?:token|jwt|session(?:-id)?|api-?key)$/;
/** A part, and an answer to a condition, are nothing to answer other requests with. */
const NEVER = new Set([206, 304, 412, 416]);
/** Statuses whose meaning for caches is known (must-understand, RFC 9111 §5.2.2.3). */
const UNDERSTOOD = new Set([200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501]);

/** Who asked. */
export interface Asker {
  /** The request has an Authorization or a Cookie that its key does not tell. */
  readonly hasAuthorization: boolean;
  readonly hasCookie: boolean;
}

export interface StoringOptions {
  readonly isGraced: boolean;
  readonly whileRevalidateMs: number;
  readonly ifErrorMs: number;
  readonly nowMs: number;
}

/** How a response is to be kept. */
export interface Storing {
  readonly isPublic: boolean;
  readonly isValidated: boolean;
  readonly whileRevalidateMs: number;
  readonly ifErrorMs: number;
  readonly vary: readonly string[];
  readonly tags: readonly string[];
  /** Fields that are not kept: those of `no-cache="…"` and `private="…"`. */
  readonly dropped: ReadonlySet<string>;
}

/**
 * RFC 9111 §3, for a cache that many share, and stricter in what concerns users: a response to a request that names one, by
 * Authorization or by a cookie, is kept only where it says `public` or `s-maxage` (or varies on that very cookie).
 * @returns how to keep it, or why not, as RFC 9211 §2.3 or in our own words
 */
export function storingOf(
  head: ResponseHead,
  { directives }: Control,
  freshness: Freshness,
  asker: Asker,
  options: StoringOptions,
): Storing | string {
  const { status, headers } = head;
  if (status < 200 || status > 599 || NEVER.has(status)) return 'status';
  const isUnderstood = directives.has('must-understand');
  if (isUnderstood && !UNDERSTOOD.has(status)) return 'must-understand';
  if (directives.has('no-store') && !isUnderstood) return 'no-store';
  if (directives.isBare('private')) return 'private';
  const dropped = new Set([...directives.fields('private'), ...directives.fields('no-cache')]);
  if (field(headers, 'set-cookie') !== undefined && !dropped.has('set-cookie')) return 'set-cookie';
  const vary = [...new Set([...listed(field(headers, 'vary')), ...unsaid(head)])].sort();
  if (vary.includes('*') || vary.length > VARY_MAX) return 'vary';
  const isPublic = directives.has('public') || directives.has('s-maxage');
  if (asker.hasAuthorization && !isPublic) return 'authorization';
  if (!isPublic && headers.some(([name]) => HANDED_OUT.test(name))) return 'token';
  if (asker.hasCookie && !isPublic && !vary.includes('cookie')) return 'cookie';
  if (/^text\/event-stream\b/i.test(field(headers, 'content-type') ?? '')) return 'stream';
  const headBytes = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (headBytes > HEAD_BYTES_MAX || !areSendable(headers)) return 'header';
  const tags = tagsOf(headers);
  if (tags === undefined) return 'tags';

  const isValidated = directives.isBare('no-cache');
  const isStrict =
    isValidated ||
    directives.has('must-revalidate') ||
    directives.has('proxy-revalidate') ||
    directives.has('s-maxage');
  const past = (name: string, ms: number) => (isStrict ? 0 : (directives.seconds(name) ?? ms / 1000) * 1000);
  const storing: Storing = {
    isPublic,
    isValidated,
    whileRevalidateMs: past('stale-while-revalidate', options.whileRevalidateMs),
    ifErrorMs: past('stale-if-error', options.ifErrorMs),
    vary,
    tags,
    dropped,
  };
  return isWorthwhile(head, storing, freshness, options) ? storing : 'stale';
}

/** What a response plainly depends on, also where its Vary does not say so. */
function unsaid({ headers }: ResponseHead): string[] {
  const isCoded = (field(headers, 'content-encoding') ?? 'identity') !== 'identity';
  const isForOne = (field(headers, 'access-control-allow-origin') ?? '*') !== '*';
  return [...(isCoded ? ['accept-encoding'] : []), ...(isForOne ? ['origin'] : [])];
}

/** Fresh for a while, or something to validate, or to serve stale. */
function isWorthwhile(
  { headers }: ResponseHead,
  storing: Storing,
  { bornMs, lifetimeMs, isExplicit }: Freshness,
  { isGraced, nowMs }: StoringOptions,
): boolean {
  if (!storing.isValidated && bornMs + lifetimeMs > nowMs) return true;
  if (!isGraced || !(isExplicit || storing.isValidated)) return false;
  const hasValidator = field(headers, 'etag') !== undefined || field(headers, 'last-modified') !== undefined;
  return hasValidator || storing.whileRevalidateMs > 0 || storing.ifErrorMs > 0;
}
