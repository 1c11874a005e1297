import type { IncomingMessage, ServerResponse } from 'node:http';
import { NodeDetour, ResponseAborted } from './node-detour.js';
import { hasLateFields, sendReply } from './node-reply.js';
import type { Exchange, Judge, Outcome, Reply, RequestChanges, RequestHead } from './types.js';

/** A request of Node's own http server, or of a framework that hands its objects on, on its way through the policy. */
export class NodeExchange implements Exchange {
  readonly request: RequestHead;
  /** `next` goes on along its chain: it can be called but once. */
  readonly isRepeatable = false;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #next: () => void;
  /** Resolves when a reply has gone out, to whether its client alone was given a cookie with it. */
  readonly isPersonal: Promise<boolean> | undefined;
  #tellPersonal: ((isPersonal: boolean) => void) | undefined;
  #detour: NodeDetour | undefined;

  /** @param next runs the handler, which will write to `res` */
  constructor(req: IncomingMessage, res: ServerResponse, next: () => void) {
    this.#req = req;
    this.#res = res;
    this.#next = next;
    this.request = requestHead(req);
    if (!hasLateFields(res)) return;
    this.isPersonal = new Promise((resolve) => {
      this.#tellPersonal = resolve;
    });
    // Where it closed without a reply nobody knows.
    res.once('close', () => this.#tellPersonal?.(true));
  }

  async run(changes: RequestChanges, judge: Judge): Promise<Outcome> {
    const restore = changeFields(this.#req, changes);
    this.#detour = new NodeDetour(this.#req, this.#res, judge);
    try {
      this.#next();
      return await this.#detour.outcome;
    } finally {
      restore();
    }
  }

  send(reply: Reply): void {
    let isPersonal = true;
    if (this.#detour !== undefined) isPersonal = this.#detour.send(reply);
    else if (!this.#res.destroyed) isPersonal = sendReply(this.#res, reply);
    this.#tellPersonal?.(isPersonal);
  }
}

/** Whether the client is to see the connection end: what there is in place of a response is no answer. */
export function isAborted(error: unknown): boolean {
  return error instanceof ResponseAborted;
}

/** Has the handler see other fields than the client sent. @returns undoes it */
export function changeFields(req: IncomingMessage, changes: RequestChanges): () => void {
  const { headers } = req;
  const names = Object.keys(changes);
  if (names.length === 0) return () => {};
  req.headers = { ...headers };
  for (const name of names) {
    if (changes[name] === undefined) delete req.headers[name];
    else req.headers[name] = changes[name];
  }
  return () => {
    req.headers = headers;
  };
}

/** @param given path and query as they were sent, where the framework keeps them elsewhere */
export function requestHead(req: IncomingMessage, given?: string): RequestHead {
  const { method = 'GET', headers } = req;
  const { originalUrl = given, authority } = req as { originalUrl?: string | undefined; authority?: string };
  return {
    method,
    url: originalUrl ?? req.url ?? '/',
    host: headers.host ?? authority ?? '',
    origin: (req.socket as { encrypted?: boolean } | null)?.encrypted === true ? 'https' : undefined,
    headers: headers as RequestHead['headers'],
  };
}
