import caching from '@fastify/caching';
import { type FastifyInstance, fastify } from 'fastify';
import { Redis } from 'ioredis';
import type pg from 'pg';
import { cacheMiddleware } from '../../client/http/fastify.js';
import { connect } from '../../client/index.js';
import { CONSTANT_PAGE, PAGE_TTL_SECONDS, renderCategory } from './page.js';
import type { Site } from './site.js';

const HTML = 'text/html; charset=utf-8';

/** The page on Fastify, with a contender of this framework before it. */
export async function fastifySite(name: string, site: Site, pool: pg.Pool): Promise<FastifyInstance> {
  const app = fastify();
  if (name.startsWith('pgcached')) {
    const cache = connect({ socket: site.socket, near: name === 'pgcached-near' });
    await app.register(cacheMiddleware, { cache, ttl: PAGE_TTL_SECONDS });
  }
  if (name === 'caching-redis') await withCaching(app, site.redisSocket!);
  app.get<{ Params: { id: string } }>('/categories/:id', async (request, reply) => {
    reply.type(HTML);
    if (name === 'constant') return CONSTANT_PAGE;
    const render = () => renderCategory(pool, Number(request.params.id));
    return name === 'caching-redis' ? kept(app, request.url, render) : render();
  });
  return app;
}

/** What abstract-cache calls a client, as far as it is used: over Redis, JSON as in abstract-cache-redis. */
function redisStore(redis: Redis) {
  const nameOf = ({ id, segment }: Key) => `${segment}:${id}`;
  return {
    get(key: Key, done: (error: unknown, found?: Item | null) => void) {
      redis.get(nameOf(key)).then((text) => done(null, text === null ? null : (JSON.parse(text) as Item)), done);
    },
    set(key: Key, item: unknown, ttl: number, done: (error?: unknown) => void) {
      redis.set(nameOf(key), JSON.stringify({ item, stored: Date.now(), ttl }), 'PX', ttl).then(() => done(), done);
    },
  };
}
interface Key {
  readonly id: string;
  readonly segment: string;
}
interface Item {
  readonly item: unknown;
}

/**
 * The plugin by itself keeps no pages: it sets Cache-Control, and remembers ETags so as to answer 304. What it offers to keep
 * pages on the server is `app.cache`, for handlers to ask, as `kept` does.
 */
async function withCaching(app: FastifyInstance, redisSocket: string): Promise<void> {
  const cache = redisStore(new Redis({ path: redisSocket }));
  await app.register(caching, { privacy: 'public', expiresIn: PAGE_TTL_SECONDS, cache: cache as never }); // its types ask for promises too, which nothing calls here
}

async function kept(app: FastifyInstance, url: string, render: () => Promise<string>): Promise<string> {
  const { cache } = app as unknown as { cache: ReturnType<typeof redisStore> };
  const key = { id: url, segment: 'pages' };
  const found = await new Promise<Item | null | undefined>((resolve, reject) => {
    cache.get(key, (error, item) => (error ? reject(error) : resolve(item)));
  });
  if (found?.item !== undefined) return found.item as string;
  const page = await render();
  await new Promise<void>((resolve, reject) => {
    cache.set(key, page, PAGE_TTL_SECONDS * 1000, (error) => (error ? reject(error) : resolve()));
  });
  return page;
}
