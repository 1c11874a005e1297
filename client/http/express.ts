import type { IncomingMessage, ServerResponse } from 'node:http';
import { CacheError } from '../../shared/errors.js';
import { HttpCache } from './engine.js';
import { isAborted, NodeExchange } from './node.js';
import type { HttpCacheOptions } from './options.js';
import type { PurgeTarget } from './purge.js';

type Next = (error?: unknown) => void;

/** A handler of Express 4 or 5, or of anything else that calls `(req, res, next)` with Node's objects. */
export interface CacheMiddleware {
  (req: IncomingMessage, res: ServerResponse, next: Next): void;
  /** Drops pages, on every server that shares the cache. @throws CacheError as `purge` */
  purge(target: PurgeTarget): Promise<void>;
}

/**
 * A shared cache of RFC 9111 in front of all that follows: `app.use(cacheMiddleware({ cache, ttl: 60 }))`, or before the
 * handler of one route.
 * @param options or an HttpCache that several faces share
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
 */
export function cacheMiddleware(options: HttpCacheOptions | HttpCache = {}): CacheMiddleware {
  const policy = options instanceof HttpCache ? options : new HttpCache(options);
  const middleware = (req: IncomingMessage, res: ServerResponse, next: Next): void => {
    const exchange = new NodeExchange(req, res, next);
    policy.handle(exchange).then(
      (reply) => {
        if (reply !== 'passed') exchange.send(reply);
      },
      (error) => {
        if (isAborted(error)) req.socket.destroy();
        else next(error);
      },
    );
  };
  return Object.assign(middleware, { purge: (target: PurgeTarget) => policy.purge(target) });
}

/** An Express handler: what it returns is sent, unless it has answered itself. */
export type ExpressHandler<Req = IncomingMessage, Res = ServerResponse> = (req: Req, res: Res, next: Next) => unknown;

/**
 * `cached` for a handler: `app.get('/stats', cached({ ttl: 60 }, (req) => computeStats()))`. What the handler returns is kept, or
 * the response that it sends.
 * @returns a handler
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
 */
export function cached<Req extends IncomingMessage, Res extends ServerResponse>(
  options: HttpCacheOptions,
  handler: ExpressHandler<Req, Res>,
): (req: Req, res: Res, next: Next) => void {
  if (typeof handler !== 'function') {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'cached takes options and the handler of a route');
  }
  const middleware = cacheMiddleware(options);
  return (req, res, next) =>
    middleware(req, res, (error) => {
      if (error !== undefined) next(error);
      else void answer(req, res, next, handler);
    });
}

async function answer<Req extends IncomingMessage, Res extends ServerResponse>(
  req: Req,
  res: Res,
  next: Next,
  handler: ExpressHandler<Req, Res>,
): Promise<void> {
  try {
    const value = await handler(req, res, next);
    if (value === undefined || value === res || res.headersSent) return;
    (res as unknown as { send(value: unknown): void }).send(value);
  } catch (error) {
    next(error);
  }
}
