import { isNotModified, validatorsOf } from './conditional.js';
import { endToEnd, field, withFields } from './fields.js';
import { controlOf, type Freshness, freshnessOf } from './freshness.js';
import type { CheckedHttpOptions } from './options.js';
import { ageMs, headersOf, isFresh, isWithin, newPage, type Page } from './page.js';
import { told } from './reply.js';
import type { Plan } from './request-key.js';
import { type Storing, storingOf } from './storable.js';
import type { HeaderPairs, RequestChanges, ResponseHead, Verdict } from './types.js';
import { normalEncodings, selectedBy } from './vary.js';

/** What of the stored response a 304 does not replace: it describes the body that is kept. */
const KEPT_BY_304 = new Set(['content-length', 'content-encoding', 'content-md5', 'content-range', 'etag']);

/** Whether this request may have the page: it is the variant asked for, and for everybody, or names no user. */
export function isFor(page: Page, { asker, request }: Plan): boolean {
  if (page.vary.length > 0 && page.selected !== selectedBy(request, page.vary)) return false;
  return isOpenTo(page, asker);
}

export function isOpenTo({ isPublic, vary }: Page, asker: Plan['asker']): boolean {
  return isPublic || (!asker.hasAuthorization && (!asker.hasCookie || vary.includes('cookie')));
}

/** Where the page of this request is, as far as the URL's page tells by what it varies. */
export function variantKey(plan: Plan, { vary }: Page): string {
  // In front of what clients choose: no URL, and no key of a function, is the variant of another.
  return vary.length === 0 ? plan.key : `vary:${selectedBy(plan.request, vary)}:${plan.key}`;
}

/** Whether a fresh page is fresh enough for what the request says (RFC 9111 §5.2.1). */
export function satisfies(page: Page, { directives }: Plan, nowMs: number): boolean {
  if (!isFresh(page, nowMs) || directives.has('no-cache')) return false;
  const age = ageMs(page, nowMs);
  const maxAge = directives.seconds('max-age');
  const minFresh = directives.seconds('min-fresh');
  if (maxAge !== undefined && age > maxAge * 1000) return false;
  return minFresh === undefined || page.lifetimeMs - age >= minFresh * 1000;
}

export const mayServeWhileRevalidating = (page: Page, nowMs: number) =>
  !page.isValidated && isWithin(page, page.whileRevalidateMs, nowMs);
export const mayServeOnError = (page: Page, nowMs: number) =>
  !page.isValidated && isWithin(page, page.ifErrorMs, nowMs);

/** The request as a handler gets it whose page many may have: without the conditions of this client. */
export function sharedChanges({ headers }: Plan['request'], stale: Page | undefined): RequestChanges {
  const encodings = normalEncodings(headers['accept-encoding']);
  return {
    range: undefined,
    'if-range': undefined,
    'accept-encoding': encodings === '' ? undefined : encodings,
    ...validatingChanges(stale),
  };
}

/** Asks whether a page is still good, where the handler made its validators. */
export function validatingChanges(page: Page | undefined): RequestChanges {
  const fields = page?.isHandlers ? headersOf(page) : [];
  return {
    'if-none-match': field(fields, 'etag'),
    'if-modified-since': field(fields, 'last-modified'),
  };
}

/** Judges the response of a handler that runs for all who wait; one a run. */
export class Judgement {
  readonly #plan: Plan;
  readonly #options: CheckedHttpOptions;
  readonly #stale: Page | undefined;
  readonly #now: () => number;
  readonly #startedMs: number;

  constructor(plan: Plan, options: CheckedHttpOptions, stale: Page | undefined, now: () => number) {
    this.#plan = plan;
    this.#options = options;
    this.#stale = stale;
    this.#now = now;
    this.#startedMs = now();
  }

  #asks(head: ResponseHead): { freshness: Freshness; storing: Storing | string } {
    const nowMs = this.#now();
    const control = controlOf(head.headers);
    const { ttlMs, graceMs, whileRevalidateMs, ifErrorMs } = this.#options;
    const freshness = freshnessOf(head, control, ttlMs, nowMs, nowMs - this.#startedMs);
    const terms = { isGraced: graceMs > 0, whileRevalidateMs, ifErrorMs, nowMs };
    return { freshness, storing: storingOf(head, control, freshness, this.#plan.asker, terms) };
  }

  /** Why it is not kept, or undefined where it is, as far as its head tells. */
  refusal(head: ResponseHead): string | undefined {
    const { storing } = this.#asks(head);
    if (typeof storing === 'string') return storing;
    const length = Number(field(head.headers, 'content-length') ?? 0);
    return length > this.#options.maxBodyBytes ? 'size' : undefined;
  }

  verdict(head: ResponseHead): Verdict {
    const stale = this.#stale;
    const nowMs = this.#now();
    if (this.isRenewal(head)) return { kind: 'collect', bytesMax: 0, pass: [] };
    if (stale !== undefined && head.status >= 500 && mayServeOnError(stale, nowMs)) return { kind: 'drop' };
    const refusal = this.refusal(head);
    const forward = stale === undefined ? 'uri-miss' : 'stale';
    const pass = told({ word: 'MISS', status: `fwd=${forward}; detail=${refusal ?? 'size'}` });
    if (refusal === undefined) return { kind: 'collect', bytesMax: this.#options.maxBodyBytes, pass };
    const { request } = this.#plan;
    return {
      kind: 'pass',
      pass,
      notModified: head.status === 200 && isNotModified(request, validatorsOf(head.headers, nowMs), nowMs),
    };
  }

  /** A response, or what a 304 makes of the page that is kept. */
  whole(head: ResponseHead, body: Uint8Array): { head: ResponseHead; body: Uint8Array } {
    return this.isRenewal(head) ? { head: this.#renewed(head), body: this.#stale!.body } : { head, body };
  }

  /** @returns the page to keep, or why it is none */
  page(head: ResponseHead, body: Uint8Array): Page | string {
    const isRenewal = this.isRenewal(head);
    const { head: whole, body: bytes } = this.whole(head, body);
    const { freshness, storing } = this.#asks(whole);
    if (typeof storing === 'string') return storing;
    const length = field(whole.headers, 'content-length');
    if (!isRenewal && length !== undefined && Number(length) !== body.length) return 'length';
    const { request, urlTag } = this.#plan;
    const named = { ...storing, tags: [...storing.tags, urlTag] };
    return newPage(whole, bytes, freshness, named, selectedBy(request, storing.vary), this.#now());
  }

  /** The fields of a page's response that are for the client alone that asked: those of `private="…"` and `no-cache="…"`. */
  own({ headers }: ResponseHead): HeaderPairs {
    const { directives } = controlOf(headers);
    const names = [...directives.fields('private'), ...directives.fields('no-cache')];
    return names.length === 0 ? [] : endToEnd(headers).filter(([name]) => names.includes(name));
  }

  /** A handler that knows the page again says so, instead of giving it once more. */
  isRenewal(head: ResponseHead): boolean {
    return this.#stale?.isHandlers === true && head.status === 304;
  }

  /** RFC 9111 §3.2: the stored response with the fields of the 304. */
  #renewed(head: ResponseHead): ResponseHead {
    const given = endToEnd(head.headers).filter(([name]) => !KEPT_BY_304.has(name));
    const stale = this.#stale!;
    // Without a date of its own it is of now, as a whole response would be.
    const stored = headersOf(stale).filter(([name]) => name !== 'date');
    return { status: stale.status, headers: withFields(stored, given) };
  }
}
