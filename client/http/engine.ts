import type { CacheAdapter } from '../../shared/cache.js';
import { Admission, Passing } from './admission.js';
import { Computation } from './computation.js';
import {
  isFor,
  isOpenTo,
  Judgement,
  mayServeOnError,
  mayServeWhileRevalidating,
  satisfies,
  validatingChanges,
  variantKey,
} from './judgement.js';
import { type CheckedHttpOptions, checkHttpOptions, type HttpCacheOptions } from './options.js';
import { isFresh, type Page } from './page.js';
import { type PurgeTarget, purgeTags } from './purge.js';
import { hit, ONLY_IF_CACHED, replyOf, type Told, told, withOwn } from './reply.js';
import { type Plan, passingKey, planOf } from './request-key.js';
import { Rush } from './rush.js';
import { type Loaded, type PageStore, pageStore } from './store.js';
import { normalHost, targetTags, urlTag } from './tags.js';
import type { Exchange, Reply, RequestHead, ResponseHead } from './types.js';
import { isSuperseded, Visit } from './visit.js';
import { isWithinPage } from './within.js';

/** A page answered otherwise than it was looked for: another variant, another attempt. */
const SHARED_ATTEMPTS_MAX = 4;
/** The least time that an entry takes its place among those of its path and URL. */
const PLACE_MS_MIN = 60_000;
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** Where the page of a request is, or would be. */
interface Found {
  readonly key: string;
  readonly page: Page | undefined;
  /** There is a page that this request may not have. */
  readonly isBarred: boolean;
}

type Answer = Reply | Loaded | undefined;
/** What an attempt came to: an answer; or the handler alone, the same again, again with patience, another key. */
type Step = { readonly reply: Reply } | 'alone' | 'again' | 'wait' | { readonly key: string };

/**
 * The policy: a shared cache of RFC 9111 in front of a handler. A face hands it each request as an {@link Exchange}.
 *
 *     looked up -- fresh ------------------------> the page
 *               -- fresh, but not enough --------> the handler is asked, for this request alone (304: the page)
 *               -- nothing, or stale ------------> one request computes, the others wait; see computation.ts
 *                    kept ------------> the page, for all
 *                    not to be kept --> passed on; the others run the handler for themselves, and so do those
 *                                       who come within the next minute, without waiting
 */
export class HttpCache {
  readonly #options: CheckedHttpOptions;
  readonly #routes: Admission;
  readonly #variants: Admission;
  readonly #passing = new Passing();
  readonly #rush = new Rush();
  /** Keys that are computed behind an answer. */
  readonly #refreshing = new Set<string>();
  readonly #stores = new WeakMap<CacheAdapter, PageStore>();
  readonly #now: () => number;

  /**
   * @param now milliseconds since 1970
   * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
   */
  constructor(options: HttpCacheOptions = {}, now: () => number = Date.now) {
    this.#options = checkHttpOptions(options);
    this.#routes = new Admission(this.#options.entriesPerRouteMax);
    this.#variants = new Admission(this.#options.variantsMax);
    this.#now = now;
  }

  /**
   * @returns what to send, or 'passed' where the face sends what the handler gave
   * @throws what the handler throws; where the cache fails, the handler runs as if there was none
   */
  handle(exchange: Exchange): Promise<Reply | 'passed'> {
    try {
      const plan = planOf(exchange.request, this.#options);
      if (typeof plan === 'string') return this.#bypass(exchange, plan);
      const reply = this.#nearHit(plan);
      return reply === undefined ? this.#lookUp(exchange, plan) : Promise.resolve(reply);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The shortest way, without waiting for anything: a fresh page that the process itself has. */
  #nearHit(plan: Plan): Reply | undefined {
    try {
      const store = this.#store();
      let page = store.near(plan.key);
      if (page !== undefined && !isFor(page, plan)) page = store.near(variantKey(plan, page));
      const nowMs = this.#now();
      if (page === undefined || !isFor(page, plan) || !satisfies(page, plan, nowMs)) return undefined;
      return replyOf(page, plan.request, hit(page, nowMs), nowMs);
    } catch {
      return undefined; // it fails again where it is looked up, and is told there
    }
  }

  async #lookUp(exchange: Exchange, plan: Plan): Promise<Reply | 'passed'> {
    const { request } = exchange;
    let store: PageStore;
    let found: Found;
    try {
      store = this.#store();
      found = await this.#find(store, plan);
    } catch (error) {
      this.#options.onError(error);
      return this.#alone(exchange, plan, plan.key, 'bypass; detail=cache');
    }
    const { key, page, isBarred } = found;
    const nowMs = this.#now();
    if (page !== undefined && satisfies(page, plan, nowMs)) return replyOf(page, request, hit(page, nowMs), nowMs);
    if (plan.directives.has('only-if-cached')) return ONLY_IF_CACHED;
    if (page !== undefined && isFresh(page, nowMs)) return this.#validate(exchange, plan, page);
    if (isBarred) return this.#alone(exchange, plan, key, 'bypass; detail=user');
    if (request.method === 'HEAD' || request.headers.range !== undefined) {
      return this.#alone(exchange, plan, key, 'uri-miss');
    }
    if (this.#passing.has(passingKey(key, plan), nowMs))
      return this.#alone(exchange, plan, key, 'uri-miss; detail=pass');
    if (!this.#admits(plan, key, PLACE_MS_MIN)) return this.#alone(exchange, plan, key, 'uri-miss; detail=limit');
    return this.#shared(exchange, plan, key, store);
  }

  /** Drops what is kept of these tags and URLs, on every server. */
  async purge(target: PurgeTarget): Promise<void> {
    await this.#options.cache().invalidateTags(purgeTags(target));
  }

  #store(): PageStore {
    const cache = this.#options.cache();
    let store = this.#stores.get(cache);
    if (store === undefined) {
      store = pageStore(cache, this.#options);
      this.#stores.set(cache, store);
    }
    return store;
  }

  async #find(store: PageStore, plan: Plan): Promise<Found> {
    const first = await store.get(plan.key);
    if (first === undefined) return { key: plan.key, page: undefined, isBarred: false };
    if (isFor(first, plan)) return { key: plan.key, page: first, isBarred: false };
    const key = variantKey(plan, first);
    if (key === plan.key) return { key, page: undefined, isBarred: true };
    const variant = await store.get(key);
    const page = variant !== undefined && isFor(variant, plan) ? variant : undefined;
    return { key, page, isBarred: variant !== undefined && page === undefined };
  }

  #admits(plan: Plan, key: string, lifeMs: number): boolean {
    const nowMs = this.#now();
    if (key !== plan.key && !this.#variants.admit(plan.key, key, lifeMs, nowMs)) return false;
    return this.#routes.admit(plan.route, key, lifeMs, nowMs);
  }

  async #shared(exchange: Exchange, plan: Plan, firstKey: string, store: PageStore): Promise<Reply | 'passed'> {
    let key = firstKey;
    let isPatient = false;
    let visit = new Visit();
    for (let attempt = 0; attempt < SHARED_ATTEMPTS_MAX; attempt++) {
      if (isWithinPage(key)) break;
      const step = await this.#step(exchange, plan, key, store, isPatient, visit);
      if (typeof step !== 'string' && 'reply' in step) return step.reply;
      if (visit.isStarted) return this.#own(exchange, plan, key, visit);
      isPatient = step === 'wait';
      // Who waits on is still in the first attempt, and may yet be the one that computes.
      if (isPatient) continue;
      visit.isClosed = true;
      if (step === 'alone') break;
      visit = new Visit();
      if (typeof step !== 'string') key = step.key;
    }
    visit.isClosed = true;
    return this.#rush.run(key, () => this.#alone(exchange, plan, key, 'uri-miss; detail=alone'));
  }

  /** One attempt to have a page, computed here or by somebody else. */
  async #step(
    exchange: Exchange,
    plan: Plan,
    key: string,
    store: PageStore,
    isPatient: boolean,
    visit: Visit,
  ): Promise<Step> {
    const terms = { options: this.#options, now: this.#now, key, refreshing: this.#refreshing };
    const computation = new Computation(exchange, plan, visit, terms);
    const loading = store.load(key, (stale, context) => computation.run(stale, context), isPatient);
    // The page is there for its client before it is kept where that depends on what goes out.
    const isEarly = exchange.isPersonal !== undefined;
    loading.catch((error) => isEarly && visit.result?.kind === 'page' && this.#options.onError(error));
    let answer: Answer;
    try {
      answer = (await Promise.race([visit.early, loading, ...(isEarly ? [visit.done] : [])])) as Answer;
    } catch (error) {
      if (isSuperseded(error)) return 'again';
      // The handler's own error goes to its framework.
      if (visit.result?.kind !== 'failed') this.#options.onError(error);
      return 'alone';
    }
    if (answer === undefined) return 'alone';
    if ('status' in answer) return { reply: answer };
    const { page, staleBecause } = answer;
    if (visit.isStarted) return 'alone';
    const nowMs = this.#now();
    if (page === undefined) {
      this.#passing.add(passingKey(key, plan), nowMs);
      return 'alone';
    }
    if (!isFor(page, plan)) {
      const next = variantKey(plan, page);
      const isOther = next !== key && isOpenTo(page, plan.asker) && this.#admits(plan, next, PLACE_MS_MIN);
      return isOther ? { key: next } : 'alone';
    }
    if (staleBecause === undefined) {
      if (!satisfies(page, plan, nowMs)) return 'alone';
      return { reply: replyOf(page, plan.request, hit(page, nowMs, true), nowMs) };
    }
    const maySend = staleBecause === 'haste' ? mayServeWhileRevalidating : mayServeOnError;
    if (maySend(page, nowMs) && !plan.directives.has('no-cache')) {
      const reply = replyOf(page, plan.request, hit(page, nowMs), nowMs);
      visit.answer(reply);
      return { reply };
    }
    return staleBecause === 'haste' ? 'wait' : 'alone';
  }

  /** What came of the handler that ran for this very request. */
  async #own(exchange: Exchange, plan: Plan, key: string, visit: Visit): Promise<Reply | 'passed'> {
    await visit.done;
    if (visit.isAnswered) return visit.early;
    const result = visit.result!;
    const nowMs = this.#now();
    if (result.kind === 'failed') throw result.error;
    if (result.kind === 'page') {
      const { page, isRevalidated, own } = result;
      this.#admits(plan, key, Math.max(PLACE_MS_MIN, page.lifetimeMs + page.whileRevalidateMs));
      const how: Told = isRevalidated
        ? { word: 'REVALIDATED', status: 'fwd=stale; fwd-status=304; stored' }
        : { word: 'MISS', status: 'fwd=uri-miss; stored' };
      return withOwn(replyOf(page, exchange.request, how, nowMs), own);
    }
    this.#passing.add(passingKey(key, plan), nowMs);
    return result.kind === 'reply' ? result.reply : 'passed';
  }

  /** A page that is fresh, but not for this request: the handler says whether it is still good. */
  async #validate(exchange: Exchange, plan: Plan, page: Page): Promise<Reply | 'passed'> {
    const { request } = exchange;
    const isGet = request.method === 'GET' && request.headers.range === undefined && page.isHandlers;
    if (!isGet) return this.#alone(exchange, plan, plan.key, 'request');
    const forwarded = told({ word: 'MISS', status: 'fwd=request' });
    const outcome = await exchange.run(validatingChanges(page), ({ status }) =>
      status === 304 ? { kind: 'collect', bytesMax: 0, pass: forwarded } : { kind: 'pass', pass: forwarded },
    );
    if (outcome.kind !== 'whole') return 'passed';
    const how: Told = { word: 'REVALIDATED', status: 'fwd=request; fwd-status=304' };
    return replyOf(page, request, how, this.#now());
  }

  /** The handler runs for this request, and nothing is kept: nobody would know whether it was dropped meanwhile. */
  async #alone(exchange: Exchange, plan: Plan, key: string, forward: string): Promise<Reply | 'passed'> {
    const judgement = new Judgement(plan, this.#options, undefined, this.#now);
    await exchange.run({}, (head) => {
      // The next one may share it.
      if (judgement.refusal(head) === undefined) this.#passing.delete(passingKey(key, plan));
      return { kind: 'pass', pass: told({ word: 'MISS', status: `fwd=${forward}` }) };
    });
    return 'passed';
  }

  /** Past the cache; but what changes a URL drops its pages before the client hears of it (RFC 9111 §4.4). */
  async #bypass(exchange: Exchange, reason: string): Promise<Reply | 'passed'> {
    const { request } = exchange;
    const pass = told({ word: 'BYPASS', status: `fwd=${reason === 'method' ? 'method' : `bypass; detail=${reason}`}` });
    await exchange.run({}, (head) => {
      const changes = !SAFE.has(request.method) && head.status < 400;
      return { kind: 'pass', pass, before: changes ? () => this.#invalidate(request, head) : undefined };
    });
    return 'passed';
  }

  async #invalidate(request: RequestHead, head: ResponseHead): Promise<void> {
    const host = normalHost(request.host);
    if (host === undefined) return;
    try {
      const tags = [urlTag(host, request.url), ...targetTags(host, request.url, head.headers)];
      await this.#options.cache().invalidateTags(new Set(tags));
    } catch (error) {
      this.#options.onError(error);
    }
  }
}
