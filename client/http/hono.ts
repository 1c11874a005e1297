import type { Context, Env, Handler, Input, MiddlewareHandler } from 'hono';
import { CacheError } from '../../shared/errors.js';
import { HttpCache } from './engine.js';
import type { HttpCacheOptions } from './options.js';
import type { PurgeTarget } from './purge.js';
import type { Exchange, Judge, Outcome, Reply, RequestChanges, RequestHead } from './types.js';
import { WebExchange } from './web.js';

export interface CacheMiddleware extends MiddlewareHandler {
  /** Drops pages, on every server that shares the cache. @throws CacheError as `purge` */
  purge(target: PurgeTarget): Promise<void>;
}

/**
 * A shared cache of RFC 9111 in front of all that follows: `app.use(cacheMiddleware({ cache, ttl: 60 }))`, or before the
 * handler of one route. Under `stale-while-revalidate` the one request that refreshes a page waits for it: Hono has one
 * context a request, and it is the handler's until that has ended. `cacheHandler` around `app.fetch` has no such wait.
 * @param options or an HttpCache that several faces share
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
 */
export function cacheMiddleware(options: HttpCacheOptions | HttpCache = {}): CacheMiddleware {
  const policy = options instanceof HttpCache ? options : new HttpCache(options);
  const middleware: MiddlewareHandler = (c, next) => handle(policy, c, next);
  return Object.assign(middleware, { purge: (target: PurgeTarget) => policy.purge(target) });
}

/**
 * `cached` for a handler: `app.get('/stats', cached({ ttl: 60 }, async (c) => c.json(await computeStats())))`. The response that it
 * returns is kept.
 * @returns a handler
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
 */
export function cached<E extends Env, P extends string, I extends Input>(
  options: HttpCacheOptions | HttpCache,
  handler: Handler<E, P, I>,
): MiddlewareHandler<E, P, I> {
  if (typeof handler !== 'function') {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'cached takes options and the handler of a route');
  }
  const policy = options instanceof HttpCache ? options : new HttpCache(options);
  return (c, next) =>
    handle(policy, c, async () => {
      const response = await handler(c, next);
      if (response instanceof Response) c.res = response;
    });
}

async function handle(policy: HttpCache, c: Context, next: () => Promise<void>): Promise<void> {
  const exchange = new HonoExchange(c, next);
  const reply = await policy.handle(exchange);
  if (reply === 'passed') replace(c, exchange.passed!);
  else replace(c, responseOver(exchange.before, reply));
}

/** Hono merges the fields of an earlier response into the one that takes its place. */
function replace(c: Context, response: Response): void {
  c.res = undefined;
  c.res = response;
}

/** Fields that were set before give way to those of the same name, others stay. */
function responseOver(before: Headers, { status, headers, body }: Reply): Response {
  const fields = new Headers(before);
  for (const [name] of headers) fields.delete(name);
  for (const [name, value] of headers) fields.append(name, value);
  return new Response(body as Uint8Array<ArrayBuffer> | undefined, { status, headers: fields });
}

/** A request of Hono's on its way through the policy: `next` goes on along the chain, once. */
class HonoExchange implements Exchange {
  readonly request: RequestHead;
  readonly isRepeatable = false;
  readonly isEarly = false;
  /** What was set before the cache came. */
  readonly before: Headers;
  readonly #web: WebExchange;

  constructor(c: Context, next: () => Promise<void>) {
    const raw = c.req.raw;
    this.before = new Headers(c.res.headers);
    this.#web = new WebExchange(raw, async (changed) => {
      c.req.raw = changed;
      try {
        await next();
      } finally {
        c.req.raw = raw;
      }
      return c.res;
    });
    this.request = this.#web.request;
  }

  get passed(): Response | undefined {
    return this.#web.passed;
  }

  run(changes: RequestChanges, judge: Judge): Promise<Outcome> {
    return this.#web.run(changes, judge);
  }
}
