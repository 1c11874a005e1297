import type { IncomingMessage, ServerResponse } from 'node:http';
import { NodeDetour, ResponseAborted } from './node-detour.js';
import { sendReply } from './node-reply.js';
import type { Exchange, Judge, Outcome, Reply, RequestChanges, RequestHead } from './types.js';

/** A request of Node's own http server, or of a framework that hands its objects on, on its way through the policy. */
export class NodeExchange implements Exchange {
  readonly request: RequestHead;
  /** `next` goes on along its chain: it can be called but once. */
  readonly isRepeatable = false;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #next: () => void;
  #detour: NodeDetour | undefined;

  /** @param next runs the handler, which will write to `res` */
  constructor(req: IncomingMessage, res: ServerResponse, next: () => void) {
    this.#req = req;
    this.#res = res;
    this.#next = next;
    this.request = requestHead(req);
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
    if (this.#detour !== undefined) this.#detour.send(reply);
    else if (!this.#res.destroyed) sendReply(this.#res, reply);
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
    headers: headers as RequestHead['headers'],
  };
}
