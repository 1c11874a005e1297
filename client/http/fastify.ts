import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify';
import { CacheError } from '../../shared/errors.js';
import { HttpCache } from './engine.js';
import { isAborted, NodeExchange } from './node.js';
import type { HttpCacheOptions } from './options.js';
import type { PurgeTarget } from './purge.js';

type Done = (error?: Error) => void;

/** A hook for `onRequest`, or for a later stage before the handler. */
export interface CacheHook {
  (request: FastifyRequest, reply: FastifyReply, done: Done): void;
  /** Drops pages, on every server that shares the cache. @throws CacheError as `purge` */
  purge(target: PurgeTarget): Promise<void>;
}

/**
 * A shared cache of RFC 9111 for the routes of one instance and what is below it, as a plugin:
 * `app.register(cacheMiddleware, { cache, ttl: 60 })`. Its options are those of an HttpCache, or one that several faces share.
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL, out of `register`
 */
export const cacheMiddleware: FastifyPluginCallback<HttpCacheOptions | HttpCache> = Object.assign(
  (app: FastifyInstance, options: HttpCacheOptions | HttpCache, done: Done) => {
    try {
      app.addHook('onRequest', cacheHook(ownOptions(options)));
    } catch (error) {
      return done(error as Error);
    }
    done();
  },
  {
    // The hook is for the instance that registers it, not for one of the plugin's own.
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'pgcached',
    [Symbol.for('plugin-meta')]: { name: 'pgcached', fastify: '5.x' },
  },
);

/**
 * The cache for single routes: `app.get('/stats', { onRequest: cacheHook({ ttl: 60 }) }, handler)`; as the last of the
 * `preHandler` hooks it comes after those that say who may ask.
 * @param options or an HttpCache that several faces share
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
 */
export function cacheHook(options: HttpCacheOptions | HttpCache = {}): CacheHook {
  const policy = options instanceof HttpCache ? options : new HttpCache(options);
  const hook = (request: FastifyRequest, reply: FastifyReply, done: Done) => handle(policy, request, reply, done);
  return Object.assign(hook, { purge: (target: PurgeTarget) => policy.purge(target) });
}

/**
 * `cached` for a handler: `app.get('/stats', cached({ ttl: 60 }, async (request) => computeStats()))`. What it returns is kept, as it
 * is sent, or what it gives to `reply.send`.
 * @returns a handler
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
 */
export function cached<Req extends FastifyRequest, Rep extends FastifyReply>(
  options: HttpCacheOptions | HttpCache,
  handler: (this: FastifyInstance, request: Req, reply: Rep) => unknown,
): (this: FastifyInstance, request: Req, reply: Rep) => void {
  if (typeof handler !== 'function') {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'cached takes options and the handler of a route');
  }
  const policy = options instanceof HttpCache ? options : new HttpCache(options);
  return function answer(request, reply) {
    handle(policy, request, reply, (error) => {
      if (error !== undefined) return void reply.send(error);
      void settle(async () => handler.call(this, request, reply), reply);
    });
  };
}

async function settle(run: () => Promise<unknown>, reply: FastifyReply): Promise<void> {
  try {
    const value = await run();
    if (value !== undefined && !reply.sent) reply.send(value);
  } catch (error) {
    reply.send(error);
  }
}

function handle(policy: HttpCache, request: FastifyRequest, reply: FastifyReply, done: Done): void {
  let isRun = false;
  const exchange = new NodeExchange(request.raw, reply.raw, () => {
    isRun = true;
    done();
  });
  policy.handle(exchange).then(
    (answer) => {
      if (answer === 'passed') return;
      if (!isRun) giveFields(reply);
      exchange.send(answer);
    },
    (error) => {
      if (isAborted(error) || isRun) request.raw.socket.destroy();
      else done(error as Error);
    },
  );
}

/** Fastify is told that it is not to answer; what hooks have set before goes out with the page. */
function giveFields(reply: FastifyReply): void {
  reply.hijack();
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value);
  }
}

/** Without those that Fastify's `register` itself takes. */
function ownOptions(options: HttpCacheOptions | HttpCache): HttpCacheOptions | HttpCache {
  if (options instanceof HttpCache) return options;
  const {
    prefix: _,
    logLevel: __,
    logSerializers: ___,
    ...own
  } = options as HttpCacheOptions & Record<string, unknown>;
  return own;
}
