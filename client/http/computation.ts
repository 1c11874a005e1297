import type { LoadContext } from '../../shared/cache.js';
import { endToEnd } from './fields.js';
import { isFor, Judgement, mayServeOnError, mayServeWhileRevalidating, sharedChanges } from './judgement.js';
import type { CheckedHttpOptions } from './options.js';
import { ageMs, type Page } from './page.js';
import { hit, replyOf, told } from './reply.js';
import type { Plan } from './request-key.js';
import type { Exchange, HeaderPairs, Outcome } from './types.js';
import { Superseded, type Visit } from './visit.js';
import { computingPage } from './within.js';

export interface Terms {
  readonly options: CheckedHttpOptions;
  readonly now: () => number;
  readonly key: string;
  /** Keys that are computed behind an answer: once is enough, whoever else is told to. */
  readonly refreshing: Set<string>;
}

/**
 * The computation of a page by the one request that does it for all: runs inside the cache's `getOrSet`, so that what the
 * handler reads becomes part of the page, and that no page is kept that was dropped while it was computed.
 */
export class Computation {
  readonly #exchange: Exchange;
  readonly #plan: Plan;
  readonly #visit: Visit;
  readonly #terms: Terms;

  constructor(exchange: Exchange, plan: Plan, visit: Visit, terms: Terms) {
    this.#exchange = exchange;
    this.#plan = plan;
    this.#visit = visit;
    this.#terms = terms;
  }

  /** @throws what the handler throws where a stale page may stand in for it; Superseded */
  async run(kept: Page | undefined, context: LoadContext): Promise<Page | null> {
    const { key, refreshing } = this.#terms;
    if (!this.#visit.isAnswered) return this.#run(kept, context);
    if (refreshing.has(key)) return skip(context);
    refreshing.add(key);
    return this.#run(kept, context).finally(() => refreshing.delete(key));
  }

  async #run(kept: Page | undefined, context: LoadContext): Promise<Page | null> {
    const visit = this.#visit;
    // Refused by the cache: it was dropped while it was computed. This request came before that, those who wait perhaps not.
    if (visit.isStarted && !this.#exchange.isRepeatable) throw new Superseded();
    if (visit.isClosed) return skip(context);
    visit.isStarted = true;
    const stale = kept !== undefined && isFor(kept, this.#plan) ? kept : undefined;
    const startedMs = this.#terms.now();
    if (stale !== undefined && !visit.isAnswered && this.#mayAnswerWith(stale, startedMs)) {
      visit.answer(replyOf(stale, this.#plan.request, hit(stale, startedMs), startedMs));
    }
    const judgement = new Judgement(this.#plan, this.#terms.options, stale, this.#terms.now);
    let outcome: Outcome;
    try {
      const changes = sharedChanges(this.#plan.request, stale);
      outcome = await computingPage(this.#terms.key, () =>
        this.#exchange.run(changes, (head) => judgement.verdict(head)),
      );
      if (outcome.kind === 'dropped') throw new Error('the handler answered with an error');
    } catch (error) {
      return this.#failed(error, stale, context);
    }
    try {
      return await this.#finish(outcome, judgement, context);
    } catch (error) {
      // Whatever it was, the client is not to wait for ever.
      visit.finish({ kind: 'failed', error });
      throw error;
    }
  }

  /** What the handler gave is judged; who asked has it before it is kept. */
  async #finish(outcome: Outcome, judgement: Judgement, context: LoadContext): Promise<Page | null> {
    const visit = this.#visit;
    if (outcome.kind !== 'whole') {
      visit.finish({ kind: 'passed' });
      return skip(context);
    }
    const page = judgement.page(outcome.head, outcome.body);
    if (typeof page === 'string') {
      // A handler's 304 that is not to be kept was for the page that is kept: this client may never have had it.
      const { head, body } = judgement.whole(outcome.head, outcome.body);
      const given = endToEnd(head.headers).filter(([name]) => name !== 'content-length');
      const length: HeaderPairs = [['content-length', String(body.length)]];
      const headers = [...given, ...length, ...told({ word: 'MISS', status: `fwd=uri-miss; detail=${page}` })];
      visit.finish({ kind: 'reply', reply: { status: head.status, headers, body } });
      return skip(context);
    }
    context.setTtl(ttlOf(page, this.#terms.now()));
    context.setTags(page.tags);
    const isRevalidated = judgement.isRenewal(outcome.head);
    visit.finish({ kind: 'page', page, isRevalidated, own: judgement.own(outcome.head) });
    return (await this.#exchange.isPersonal) === true ? skip(context) : page;
  }

  #mayAnswerWith(stale: Page, nowMs: number): boolean {
    if (this.#exchange.isEarly === false) return false;
    return mayServeWhileRevalidating(stale, nowMs) && !this.#plan.directives.has('no-cache');
  }

  #failed(error: unknown, stale: Page | undefined, context: LoadContext): null {
    const nowMs = this.#terms.now();
    if (stale !== undefined && mayServeOnError(stale, nowMs)) {
      this.#visit.answer(replyOf(stale, this.#plan.request, hit(stale, nowMs), nowMs));
      this.#visit.finish({ kind: 'failed', error });
      // Those who wait are given what is stale in place of the error.
      throw error;
    }
    this.#visit.finish({ kind: 'failed', error });
    return skip(context);
  }
}

function skip(context: LoadContext): null {
  context.skip();
  return null;
}

/** What has no life of its own is there for the moment, and under grace from then on. */
function ttlOf(page: Page, nowMs: number): number | string {
  const leftMs = page.isValidated ? 0 : page.lifetimeMs - ageMs(page, nowMs);
  return leftMs === Number.POSITIVE_INFINITY ? leftMs : `${Math.max(1, Math.ceil(leftMs))}ms`;
}
