import apicache from 'apicache';
import express from 'express';
import { Redis } from 'ioredis';
import type pg from 'pg';
import { cacheMiddleware } from '../../client/http/express.js';
import { connect } from '../../client/index.js';
import { CONSTANT_PAGE, PAGE_TTL_SECONDS, renderCategory } from './page.js';
import type { Site } from './site.js';

/** The page on Express, with a contender of this framework before it. */
export function expressSite(name: string, { socket, redisSocket }: Site, pool: pg.Pool): express.Express {
  const app = express();
  app.disable('x-powered-by');
  if (name.startsWith('pgcached')) {
    const cache = connect({ socket, near: name === 'pgcached-near' });
    app.use(cacheMiddleware({ cache, ttl: PAGE_TTL_SECONDS }));
  }
  if (name === 'apicache') app.use(apicache.middleware('1 hour'));
  if (name === 'apicache-redis') {
    // It calls with callbacks and looks at `connected`, as clients of Redis were when it was written; ioredis still takes callbacks.
    const redisClient = Object.assign(new Redis({ path: redisSocket! }), { connected: true });
    app.use(apicache.newInstance().options({ redisClient }).middleware('1 hour'));
  }
  const constant = Buffer.from(CONSTANT_PAGE);
  app.get('/categories/:id', async (req, res) => {
    if (name === 'constant-end') res.setHeader('content-type', 'text/html; charset=utf-8').end(constant);
    else if (name === 'constant') res.send(CONSTANT_PAGE);
    else res.send(await renderCategory(pool, Number(req.params.id)));
  });
  return app;
}
