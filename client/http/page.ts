import { createHash } from 'node:crypto';
import { areSendable, endToEnd, field } from './fields.js';
import type { Freshness } from './freshness.js';
import { httpDate, parseHttpDate } from './http-date.js';
import type { Storing } from './storable.js';
import type { HeaderPairs, ResponseHead } from './types.js';

/** A response as it is kept. */
export interface Page {
  /** Of this layout; another is a miss. */
  readonly layout: 1;
  readonly status: number;
  /** Names and values in turn. */
  readonly fields: readonly string[];
  readonly body: Uint8Array;
  readonly bornMs: number;
  readonly lifetimeMs: number;
  /** How long past its freshness it may be served while a new one is computed, and while that fails. */
  readonly whileRevalidateMs: number;
  readonly ifErrorMs: number;
  /** Whether it said that it is for everybody: without that, requests that name a user have no part in it. */
  readonly isPublic: boolean;
  /** `no-cache`: to be validated each time. */
  readonly isValidated: boolean;
  /** Whether the handler made the validators, and so knows them again. */
  readonly isHandlers: boolean;
  readonly etag: string;
  /** Instant of Last-Modified; NaN where there is none. */
  readonly modifiedMs: number;
  /** Names of Vary, sorted, and a digest of what the request said under them. */
  readonly vary: readonly string[];
  readonly selected: string;
  readonly tags: readonly string[];
}

/** What of a stored response is told anew each time. */
const NOT_KEPT = new Set(['age', 'content-length', 'x-cache', 'cache-status']);

/** @param selected what the request said under the names of Vary, see vary.ts */
export function newPage(
  head: ResponseHead,
  body: Uint8Array,
  freshness: Freshness,
  storing: Storing,
  selected: string,
  nowMs: number,
): Page {
  const given = endToEnd(head.headers).filter(([name]) => !NOT_KEPT.has(name) && !storing.dropped.has(name));
  const etag = field(given, 'etag');
  const modifiedMs = parseHttpDate(field(given, 'last-modified'), nowMs) ?? Number.NaN;
  const own = etag ?? `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
  const isBare = head.status !== 200;
  const fields = [...given];
  if (etag === undefined && !isBare) fields.push(['etag', own]);
  if (field(given, 'date') === undefined) fields.push(['date', httpDate(nowMs)]);
  return {
    layout: 1,
    status: head.status,
    fields: fields.flat(),
    body,
    bornMs: freshness.bornMs,
    lifetimeMs: freshness.lifetimeMs,
    whileRevalidateMs: storing.whileRevalidateMs,
    ifErrorMs: storing.ifErrorMs,
    isPublic: storing.isPublic,
    isValidated: storing.isValidated,
    isHandlers: etag !== undefined || !Number.isNaN(modifiedMs),
    etag: etag ?? (isBare ? '' : own),
    modifiedMs,
    vary: storing.vary,
    selected,
    tags: storing.tags,
  };
}

const pairsOf = new WeakMap<readonly string[], HeaderPairs>();

export function headersOf({ fields }: Page): HeaderPairs {
  const known = pairsOf.get(fields);
  if (known !== undefined) return known;
  const pairs: [string, string][] = [];
  for (let i = 0; i < fields.length; i += 2) pairs.push([fields[i]!, fields[i + 1]!]);
  pairsOf.set(fields, pairs);
  return pairs;
}

/** How old it is; a clock that went back makes it new, not from the future. */
export function ageMs(page: Page, nowMs: number): number {
  return Math.max(0, nowMs - page.bornMs);
}

export function isFresh(page: Page, nowMs: number): boolean {
  return !page.isValidated && ageMs(page, nowMs) < page.lifetimeMs;
}

/** Whether it may be served for so long past its freshness. */
export function isWithin(page: Page, pastMs: number, nowMs: number): boolean {
  return pastMs > 0 && ageMs(page, nowMs) < page.lifetimeMs + pastMs;
}

const checked = new WeakSet<object>();

/** What a store gave back, if it is a page: another layout, or what others wrote under the key, is not. */
export function asPage(value: unknown): Page | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (checked.has(value)) return value as Page;
  const page = value as Partial<Page>;
  const isPage =
    page.layout === 1 &&
    Number.isInteger(page.status) &&
    page.status! >= 200 &&
    page.status! <= 599 &&
    Array.isArray(page.fields) &&
    page.fields.length % 2 === 0 &&
    page.fields.every((one) => typeof one === 'string') &&
    page.body instanceof Uint8Array &&
    typeof page.bornMs === 'number' &&
    typeof page.lifetimeMs === 'number' &&
    typeof page.etag === 'string' &&
    typeof page.selected === 'string' &&
    Array.isArray(page.vary) &&
    Array.isArray(page.tags) &&
    areSendable(headersOf(page as Page)) &&
    (page.etag === '' || areSendable([['etag', page.etag]]));
  if (!isPage) return undefined;
  checked.add(value);
  return page as Page;
}
