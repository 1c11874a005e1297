import { type Directives, parseCacheControl, parseTargeted } from './cache-control.js';
import { field } from './fields.js';
import { parseHttpDate } from './http-date.js';
import type { HeaderPairs, ResponseHead } from './types.js';

/** Targets whose fields take the place of Cache-Control and Expires, the first that is there and valid (RFC 9213 §2.2). */
const TARGETS = ['pgcached-cache-control', 'cdn-cache-control'];

/** RFC 9110 §15.1: may be stored although nothing says for how long. */
const HEURISTIC = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);
/** Of these, what an answer that says nothing is worth storing for: each wrong path would be an entry of its own else. */
const BY_TTL = new Set([200, 203, 204, 300, 301, 308]);
const HEURISTIC_PART = 0.1;
const HEURISTIC_MS_MAX = 24 * 3_600_000;

export interface Control {
  readonly directives: Directives;
  /** Whether a targeted field took the place of Cache-Control and Expires. */
  readonly isTargeted: boolean;
}

/** The directives that hold for this cache. */
export function controlOf(headers: HeaderPairs): Control {
  for (const name of TARGETS) {
    const directives = parseTargeted(field(headers, name));
    if (directives !== undefined) return { directives, isTargeted: true };
  }
  return { directives: parseCacheControl(field(headers, 'cache-control')), isTargeted: false };
}

export interface Freshness {
  /** From when on the page ages, in milliseconds since 1970. */
  readonly bornMs: number;
  readonly lifetimeMs: number;
  /** Whether the response said it; not where `ttl` or a heuristic did. */
  readonly isExplicit: boolean;
}

/**
 * RFC 9111 §4.2.
 * @param ttlMs for a response that says nothing; undefined for the heuristic of §4.2.2
 * @param nowMs when the response was there
 * @param delayMs how long it took
 */
export function freshnessOf(
  head: ResponseHead,
  control: Control,
  ttlMs: number | undefined,
  nowMs: number,
  delayMs: number,
): Freshness {
  const dateMs = parseHttpDate(field(head.headers, 'date'), nowMs);
  const ageMs = ageOf(head.headers);
  const apparentMs = dateMs === undefined ? 0 : Math.max(0, nowMs - dateMs);
  // A date is cut to the second: without the slack each response of this very process would be up to a second old.
  const initialMs = Math.max(apparentMs < 1000 ? 0 : apparentMs, ageMs + (ageMs > 0 ? delayMs : 0));
  const explicitMs = explicitLifetime(head, control, dateMs ?? nowMs, nowMs);
  const lifetimeMs = explicitMs ?? impliedLifetime(head, control, ttlMs, dateMs ?? nowMs, nowMs);
  return {
    bornMs: Number.isFinite(initialMs) ? nowMs - initialMs : 0,
    lifetimeMs,
    isExplicit: explicitMs !== undefined,
  };
}

/** An Age that is no whole number makes the response as old as can be. */
function ageOf(headers: HeaderPairs): number {
  const text = field(headers, 'age');
  if (text === undefined) return 0;
  return /^\d+$/.test(text) ? Number(text) * 1000 : Number.POSITIVE_INFINITY;
}

function explicitLifetime(head: ResponseHead, control: Control, dateMs: number, nowMs: number): number | undefined {
  const { directives, isTargeted } = control;
  const seconds = directives.seconds('s-maxage') ?? directives.seconds('max-age');
  if (seconds !== undefined) return seconds * 1000;
  const expires = isTargeted ? undefined : field(head.headers, 'expires');
  if (expires === undefined) return undefined;
  return Math.max(0, (parseHttpDate(expires, nowMs) ?? 0) - dateMs);
}

function impliedLifetime(
  head: ResponseHead,
  { directives }: Control,
  ttlMs: number | undefined,
  dateMs: number,
  nowMs: number,
): number {
  if (ttlMs !== undefined) return BY_TTL.has(head.status) ? ttlMs : 0;
  if (!HEURISTIC.has(head.status) && !directives.has('public')) return 0;
  const modifiedMs = parseHttpDate(field(head.headers, 'last-modified'), nowMs);
  if (modifiedMs === undefined) return 0;
  return Math.min(HEURISTIC_MS_MAX, Math.max(0, (dateMs - modifiedMs) * HEURISTIC_PART));
}
