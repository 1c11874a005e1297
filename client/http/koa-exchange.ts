import { STATUS_CODES } from 'node:http';
import { AsideResponse } from './aside-response.js';
import type { KoaContext } from './koa.js';
import { bytesOf, gather, isStream } from './koa-body.js';
import { changeFields, requestHead } from './node.js';
import { NodeDetour } from './node-detour.js';
import { headerPairs, sendReply, setFields } from './node-reply.js';
import type { Exchange, HeaderPairs, Judge, Outcome, Reply, RequestChanges, RequestHead, Verdict } from './types.js';

const EMPTY_STATUSES = new Set([204, 205, 304]);
const EMPTY = Buffer.alloc(0);

/**
 * A request of Koa's on its way through the policy. While the handler runs, the context speaks to a response of its own, so that
 * what it says is no answer yet, and a client that goes away ends no stream that others wait for. A handler that writes to
 * `ctx.res` itself, as Node's own do, is heard there: see node-detour.ts.
 */
export class KoaExchange implements Exchange {
  readonly request: RequestHead;
  readonly isRepeatable = false;
  readonly #ctx: KoaContext;
  readonly #res: KoaContext['res'];
  readonly #next: () => Promise<unknown>;
  #running: Promise<Outcome> | undefined;
  #isRunning = false;
  #isSent = false;
  #detour: NodeDetour | undefined;

  constructor(ctx: KoaContext, next: () => Promise<unknown>) {
    this.#ctx = ctx;
    this.#res = ctx.res;
    this.#next = next;
    this.request = requestHead(ctx.req, ctx.originalUrl);
  }

  run(changes: RequestChanges, judge: Judge): Promise<Outcome> {
    this.#isRunning = true;
    this.#running = this.#run(changes, judge).finally(() => {
      this.#isRunning = false;
    });
    return this.#running;
  }

  /** The reply as the context has it; where the handler still goes on, straight to the client, and the context stays the handler's. */
  async give(reply: Reply): Promise<void> {
    const ctx = this.#ctx;
    if (this.#detour !== undefined) {
      ctx.respond = false;
      this.#detour.send(reply);
    } else if (this.#isRunning) {
      this.#isSent = true;
      if (!this.#res.destroyed) sendReply(this.#res, reply);
      await this.#running?.catch(() => {});
      ctx.respond = false;
    } else {
      const { status, headers, body } = reply;
      ctx.body = body === undefined ? EMPTY : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      ctx.status = status;
      ctx.remove('content-type');
      setFields(this.#res, headers);
    }
  }

  async #run(changes: RequestChanges, judge: Judge): Promise<Outcome> {
    const ctx = this.#ctx;
    const restoreFields = changeFields(ctx.req, changes);
    const aside = new AsideResponse(ctx.req, this.#res, () => this.#direct(judge));
    const restore = speakTo(ctx, aside);
    try {
      await this.#next();
      if (this.#detour === undefined && ctx.respond === false) aside.goDirect();
    } catch (error) {
      const { headersSent, writableEnded } = this.#res;
      if (this.#detour !== undefined && headersSent && !writableEnded) this.#res.destroy();
      throw error;
    } finally {
      restore();
      restoreFields();
    }
    if (aside.isLost) return { kind: 'passing' };
    if (this.#detour !== undefined) return this.#detour.outcome;
    try {
      return await this.#answer(aside, judge);
    } finally {
      // Not before: the end of a reply that went out early would end the stream that is gathered here.
      aside.follow();
    }
  }

  /** What the context says when the handler has returned. */
  async #answer(aside: AsideResponse, judge: Judge): Promise<Outcome> {
    const ctx = this.#ctx;
    const body = ctx.body;
    const head = { status: aside.statusCode, headers: headerPairs(aside) };
    const verdict = judge(head);
    if (verdict.kind === 'drop') {
      if (isStream(body)) body.destroy();
      return { kind: 'dropped' };
    }
    if (verdict.kind === 'pass') return this.#pass(aside, verdict);
    const text = textOf(ctx, head.status);
    if (text !== undefined) aside.setHeader('content-type', 'text/plain; charset=utf-8');
    const source = EMPTY_STATUSES.has(head.status) ? EMPTY : bytesOf(text ?? body);
    const bytes = await gather(source, verdict.bytesMax);
    if (bytes instanceof Uint8Array) {
      return { kind: 'whole', head: { ...head, headers: headerPairs(aside) }, body: bytes };
    }
    if (this.#isSent) {
      bytes.destroy();
      return { kind: 'passing' };
    }
    ctx.body = bytes;
    this.#copyHead(aside, verdict.pass);
    return { kind: 'passing' };
  }

  async #pass(aside: AsideResponse, verdict: Extract<Verdict, { kind: 'pass' }>): Promise<Outcome> {
    const ctx = this.#ctx;
    await verdict.before?.();
    const { body } = ctx;
    if (this.#isSent) {
      if (isStream(body)) body.destroy();
      return { kind: 'passing' };
    }
    // To the context it is a new body: from now on it ends with its client.
    if (isStream(body)) ctx.body = body;
    this.#copyHead(aside, verdict.pass);
    if (verdict.notModified) {
      if (isStream(body)) body.destroy();
      ctx.body = EMPTY;
      ctx.status = 304;
    }
    return { kind: 'passing' };
  }

  #copyHead(aside: AsideResponse, pass: HeaderPairs): void {
    aside.copyHead(this.#res);
    setFields(this.#res, pass);
  }

  /** The handler writes to the response itself. @returns whether it is to be heard */
  #direct(judge: Judge): boolean {
    if (this.#isSent) return false;
    this.#detour = new NodeDetour(this.#ctx.req, this.#res, judge);
    this.#ctx.respond = false;
    return true;
  }
}

/** Puts a response in the place of the one that the context speaks to, and to which it writes cookies. @returns undoes it */
function speakTo(ctx: KoaContext, aside: KoaContext['res']): () => void {
  const { res } = ctx;
  const place = (one: KoaContext['res']) => {
    ctx.res = one;
    ctx.request.res = one;
    ctx.response.res = one;
  };
  const withCookies = ctx as { cookies?: unknown };
  const { cookies } = withCookies;
  withCookies.cookies = undefined;
  place(aside);
  return () => {
    place(res);
    withCookies.cookies = cookies;
  };
}

/** A response without a body has its status for one, as Koa says it. */
function textOf(ctx: KoaContext, status: number): string | undefined {
  const { _explicitNullBody: isMeant } = ctx.response as { _explicitNullBody?: boolean };
  if ((ctx.body ?? undefined) !== undefined || isMeant) return undefined;
  return STATUS_CODES[status] ?? String(status);
}
