import type { Page } from './page.js';
import type { HeaderPairs, Reply } from './types.js';

/** What came of a handler that ran for a request. */
export type Result =
  /** `own`: fields that are not kept, being for the client alone that asked. */
  | { readonly kind: 'page'; readonly page: Page; readonly isRevalidated: boolean; readonly own: HeaderPairs }
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Thrown to those who wait for a page that was dropped while it was computed and cannot be computed again by this request. */
export class Superseded extends Error {
  constructor() {
    super(SUPERSEDED);
  }
}
const SUPERSEDED = 'pgcached: the page was dropped while it was computed';

/** Also as it comes from another process: a CacheError with the text of what was thrown. */
export function isSuperseded(error: unknown): boolean {
  return error instanceof Error && error.message.includes(SUPERSEDED);
}

/** One request's part in the computation of a page, if it is the one that computes. */
export class Visit {
  /** Given before the computation ends: a stale page, while a new one is computed or in place of an error. */
  readonly early: Promise<Reply>;
  /** When the handler has come to its end, whatever it was. */
  readonly done: Promise<void>;
  #answerEarly!: (reply: Reply) => void;
  #finish!: () => void;
  isStarted = false;
  isAnswered = false;
  /** The request has its answer otherwise: it is not to compute any more. */
  isClosed = false;
  #result: Result | undefined;

  constructor() {
    this.early = new Promise((resolve) => {
      this.#answerEarly = resolve;
    });
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get result(): Result | undefined {
    return this.#result;
  }

  answer(reply: Reply): void {
    this.isAnswered = true;
    this.#answerEarly(reply);
  }

  finish(result: Result): void {
    this.#result ??= result;
    this.#finish();
  }
}
