import type { IncomingMessage, ServerResponse } from 'node:http';
import { CacheError } from '../../shared/errors.js';
import { HttpCache } from './engine.js';
import { KoaExchange } from './koa-exchange.js';
import { isAborted } from './node.js';
import type { HttpCacheOptions } from './options.js';
import type { PurgeTarget } from './purge.js';

type Next = () => Promise<unknown>;

/** What is used of a context of Koa 2 or 3. */
export interface KoaContext {
  readonly req: IncomingMessage;
  res: ServerResponse;
  readonly request: { res: ServerResponse };
  readonly response: { res: ServerResponse };
  readonly method: string;
  readonly originalUrl: string;
  status: number;
  message: string;
  body: unknown;
  type: string;
  respond?: boolean | undefined;
  set(name: string, value: string | string[]): void;
  remove(name: string): void;
}

export interface CacheMiddleware {
  (ctx: KoaContext, next: Next): Promise<void>;
  /** Drops pages, on every server that shares the cache. @throws CacheError as `purge` */
  purge(target: PurgeTarget): Promise<void>;
}

/**
 * A shared cache of RFC 9111 in front of all that follows: `app.use(cacheMiddleware({ cache, ttl: 60 }))`. What stands before
 * it sees a page of the cache as any other: as `ctx.status`, `ctx.body` and fields.
 * @param options or an HttpCache that several faces share
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
 */
export function cacheMiddleware(options: HttpCacheOptions | HttpCache = {}): CacheMiddleware {
  const policy = options instanceof HttpCache ? options : new HttpCache(options);
  const middleware = (ctx: KoaContext, next: Next) => handle(policy, ctx, next);
  return Object.assign(middleware, { purge: (target: PurgeTarget) => policy.purge(target) });
}

/**
 * `cached` for a handler: `app.use(cached({ ttl: 60 }, async (ctx) => { ctx.body = await computeStats(); }))`. What it
 * puts into `ctx.body` is kept, or what it returns.
 * @returns a middleware
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
 */
export function cached<C extends KoaContext>(
  options: HttpCacheOptions | HttpCache,
  handler: (ctx: C, next: Next) => unknown,
): (ctx: C, next: Next) => Promise<void> {
  if (typeof handler !== 'function') {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'cached takes options and the handler of a route');
  }
  const policy = options instanceof HttpCache ? options : new HttpCache(options);
  return (ctx, next) =>
    handle(policy, ctx, async () => {
      const body = await handler(ctx, next);
      if (body !== undefined) ctx.body = body;
    });
}

async function handle(policy: HttpCache, ctx: KoaContext, next: Next): Promise<void> {
  const exchange = new KoaExchange(ctx, next);
  try {
    const reply = await policy.handle(exchange);
    if (reply !== 'passed') await exchange.give(reply);
  } catch (error) {
    if (!isAborted(error)) throw error;
    ctx.respond = false;
    ctx.req.socket.destroy();
  }
}
