/** What each framework has of its own: `cached` on a handler, the order of middleware and hooks, ways past the framework. */
import { gzipSync } from 'node:zlib';
import express from 'express';
import fastify, { type FastifyInstance } from 'fastify';
import { Hono } from 'hono';
import { compress } from 'hono/compress';
import Koa from 'koa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cached as cachedExpress, cacheMiddleware as expressCache } from '../../client/http/express.js';
import { cached as cachedFastify, cacheHook, cacheMiddleware as fastifyCache } from '../../client/http/fastify.js';
import { cached as cachedHono, cacheMiddleware as honoCache } from '../../client/http/hono.js';
import { cached as cachedKoa, cacheMiddleware as koaCache } from '../../client/http/koa.js';
import { LocMemCache } from '../../client/index.js';
import { throwsCode } from '../support/errors.js';
import { newPolicy, PAGE, using } from '../support/http-frameworks.js';
import { listen, serveFetch } from '../support/http-suite/faces.js';
import type { RunningSite } from '../support/http-suite/site.js';

const test = suite('http: frameworks');

async function listenFastify(app: FastifyInstance): Promise<RunningSite> {
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() };
}

const options = () => ({ cache: new LocMemCache(), ttl: 60 });

test('cached on a handler: Express', async () => {
  let runs = 0;
  const app = express();
  app.get(
    '/value',
    cachedExpress(options(), async () => ({ runs: ++runs })),
  );
  app.get(
    '/sent',
    cachedExpress(options(), (_req: express.Request, res: express.Response) => res.status(203).json({ runs: ++runs })),
  );
  await using(listen(app), async (get) => {
    assert.equal([(await get('/value')).text, (await get('/value')).text], ['{"runs":1}', '{"runs":1}']);
    await get('/sent');
    const { status, text, cache } = await get('/sent');
    assert.equal([status, text, cache], [203, '{"runs":2}', 'HIT']);
  });
});

test('cached on a handler: Fastify', async () => {
  let runs = 0;
  const app = fastify({ forceCloseConnections: true });
  app.get(
    '/value',
    cachedFastify(options(), async () => ({ runs: ++runs })),
  );
  app.get(
    '/sync',
    cachedFastify(options(), () => `run ${++runs}`),
  );
  app.get<{ Params: { id: string } }>(
    '/sent/:id',
    cachedFastify(options(), async (request, reply) =>
      reply.code(203).send({ id: (request.params as { id: string }).id, runs: ++runs }),
    ),
  );
  app.get(
    '/fails',
    cachedFastify(options(), async () => {
      throw Object.assign(new Error('not for you'), { statusCode: 418 });
    }),
  );
  await using(listenFastify(app), async (get) => {
    assert.equal([(await get('/value')).text, (await get('/value')).text], ['{"runs":1}', '{"runs":1}']);
    assert.equal([(await get('/sync')).text, (await get('/sync')).text], ['run 2', 'run 2']);
    await get('/sent/7');
    const { status, text, cache, headers } = await get('/sent/7');
    assert.equal([status, text, cache], [203, '{"id":"7","runs":3}', 'HIT']);
    assert.is(headers.get('content-type'), 'application/json; charset=utf-8');
    assert.is((await get('/fails')).status, 418);
  });
});

test('cached on a handler: Hono', async () => {
  let runs = 0;
  const app = new Hono();
  app.get(
    '/value/:id',
    cachedHono(options(), async (c) => c.json({ id: c.req.param('id'), runs: ++runs }, 203)),
  );
  app.get(
    '/fails',
    cachedHono(options(), () => {
      throw new Error('not now');
    }),
  );
  app.onError((error, c) => c.text(error.message, 503));
  await using(serveFetch(app.fetch), async (get) => {
    await get('/value/7');
    const { status, text, cache } = await get('/value/7');
    assert.equal([status, text, cache], [203, '{"id":"7","runs":1}', 'HIT']);
    const failed = await get('/fails');
    assert.equal([failed.status, failed.text], [503, 'not now']);
  });
});

test('cached on a handler: Koa', async () => {
  let runs = 0;
  const app = new Koa();
  app.silent = true;
  app.use(async (ctx, next) => (ctx.path === '/value' ? value(ctx, next) : next()));
  app.use(cachedKoa(options(), (ctx: Koa.Context) => ctx.throw(ctx.path === '/fails' ? 418 : 404)));
  const value = cachedKoa(options(), async (ctx: Koa.Context) => {
    ctx.status = 203;
    ctx.body = { runs: ++runs };
  });
  await using(listen(app.callback()), async (get) => {
    await get('/value');
    const { status, text, cache, headers } = await get('/value');
    assert.equal([status, text, cache], [203, '{"runs":1}', 'HIT']);
    assert.is(headers.get('content-type'), 'application/json; charset=utf-8');
    assert.is((await get('/fails')).status, 418);
  });
});

test('cached wants a handler, and known options', () => {
  for (const cached of [cachedExpress, cachedFastify, cachedHono, cachedKoa] as ((...args: unknown[]) => unknown)[]) {
    throwsCode('ERR_INVALID_ARGUMENT', () => cached({}));
    throwsCode('ERR_INVALID_ARGUMENT', () => cached({ tll: 1 }, () => {}));
  }
});

test('a route’s cache behind that of the application', async () => {
  const missing = { status: 404, text: 'no' };
  const e = express();
  e.use(expressCache(newPolicy()));
  e.get(
    '/',
    cachedExpress(options(), (_req: express.Request, res: express.Response) => res.status(404).send('no')),
  );
  const f = fastify({ forceCloseConnections: true });
  f.register(fastifyCache, newPolicy());
  f.get(
    '/',
    cachedFastify(options(), async (_request, reply) => reply.code(404).send('no')),
  );
  const h = new Hono();
  h.use(honoCache(newPolicy()));
  h.get(
    '/',
    cachedHono(options(), (c) => c.text('no', 404)),
  );
  const k = new Koa();
  k.use(koaCache(newPolicy()));
  k.use(
    cachedKoa(options(), (ctx: Koa.Context) => {
      ctx.body = 'no';
      ctx.status = 404;
    }),
  );
  for (const site of [listen(e), listenFastify(f), serveFetch(h.fetch), listen(k.callback())]) {
    await using(site, async (get) => {
      for (let i = 0; i < 2; i++) {
        const { status, text } = await get('/');
        assert.equal({ status, text }, missing);
      }
    });
  }
});

test('Fastify: the plugin covers the instance that registers it, hooks before it are heard on hits too', async () => {
  const app = fastify({ forceCloseConnections: true });
  let runs = 0;
  let responses = 0;
  const policy = newPolicy();
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('x-before', 'yes');
    if (runs === 2) reply.header('x-later', 'yes');
  });
  app.addHook('onResponse', async () => {
    responses++;
  });
  app.register(fastifyCache, policy);
  app.addHook('onSend', async (request, reply, payload) => {
    if (request.headers['accept-encoding'] === undefined || typeof payload !== 'string') return payload;
    reply.header('vary', 'accept-encoding');
    if (!request.headers['accept-encoding'].includes('gzip')) return payload;
    reply.header('content-encoding', 'gzip').removeHeader('content-length');
    return gzipSync(payload);
  });
  app.get(
    '/',
    { schema: { response: { 200: { type: 'object', properties: { runs: { type: 'number' } } } } } },
    async () => ({
      runs: ++runs,
      hidden: PAGE,
    }),
  );
  await using(listenFastify(app), async (get) => {
    for (const [encoding, cache] of [
      ['gzip', 'MISS'],
      ['br', 'MISS'],
      ['gzip', 'HIT'],
      ['br', 'HIT'],
    ] as const) {
      const answer = await get('/', { 'accept-encoding': encoding });
      assert.equal([answer.cache, answer.text], [cache, `{"runs":${encoding === 'gzip' ? 1 : 2}}`]);
      assert.is(answer.headers.get('content-encoding'), encoding === 'gzip' ? 'gzip' : null);
      assert.is(answer.headers.get('x-before'), 'yes');
      assert.is(answer.headers.get('x-later'), cache === 'HIT' ? 'yes' : null, 'set for this request alone');
    }
    assert.is(responses, 4);
    assert.is((await get('/none')).status, 404);
  });
});

test('Fastify: options of the plugin are checked, and those of register are not taken for its own', async () => {
  const wrong = fastify();
  wrong.register(fastifyCache, { tll: 60 } as never);
  await wrong.ready().then(
    () => assert.unreachable(),
    (error) => assert.is(error.code, 'ERR_INVALID_ARGUMENT'),
  );
  const app = fastify({ forceCloseConnections: true });
  app.register(fastifyCache, { ...options(), prefix: '/below' });
  app.get('/', async () => 'page');
  await using(listenFastify(app), async (get) => {
    await get('/');
    assert.is((await get('/')).cache, 'HIT');
  });
});

test('Fastify: cacheHook as the last preHandler comes after who may ask', async () => {
  const app = fastify({ forceCloseConnections: true });
  const pages = cacheHook(options());
  app.get(
    '/',
    {
      preHandler: [
        async (request, reply) => {
          if (request.headers['x-member'] === undefined) return reply.code(403).send('no');
        },
        pages,
      ],
    },
    async () => 'for members',
  );
  await using(listenFastify(app), async (get) => {
    const member = { 'x-member': '1' };
    assert.equal([(await get('/', member)).cache, (await get('/', member)).cache], ['MISS', 'HIT']);
    assert.is((await get('/')).status, 403);
    await pages.purge({ urls: ['http://elsewhere.example/'] });
    assert.is((await get('/', member)).cache, 'HIT');
  });
});

test('Hono: compression behind the cache is stored once a coding, before it works on every reply', async () => {
  for (const order of ['behind', 'before']) {
    const app = new Hono();
    if (order === 'before') app.use(compress());
    app.use((c, next) => {
      c.header('x-before', 'yes');
      return next();
    });
    app.use(honoCache(newPolicy()));
    if (order === 'behind') app.use(compress());
    app.get('/', (c) => c.text(PAGE));
    await using(serveFetch(app.fetch), async (get) => {
      const expected = order === 'behind' ? ['MISS', 'MISS', 'HIT', 'HIT'] : ['MISS', 'HIT', 'HIT', 'HIT'];
      for (const [i, encoding] of ['gzip', 'identity', 'gzip', 'identity'].entries()) {
        const { text, cache, headers } = await get('/', { 'accept-encoding': encoding });
        assert.equal([text === PAGE, cache], [true, expected[i]], `${order} ${i}`);
        assert.is(headers.get('content-encoding'), encoding === 'gzip' ? 'gzip' : null);
        assert.is(headers.get('x-before'), 'yes');
      }
    });
  }
});

test('Koa: what stands before the cache sees every page, what stands behind it is part of the page', async () => {
  let count = 0;
  const gzip: Koa.Middleware = async (ctx, next) => {
    await next();
    ctx.vary('accept-encoding');
    if (typeof ctx.body !== 'string' || ctx.acceptsEncodings('gzip', 'identity') !== 'gzip') return;
    ctx.body = gzipSync(ctx.body);
    ctx.set('content-encoding', 'gzip');
  };
  const app = new Koa();
  app.use(async (ctx, next) => {
    await next();
    ctx.set('x-count', String(++count));
    ctx.cookies.set('seen', String(count));
  });
  app.use(koaCache(newPolicy()));
  app.use(gzip);
  app.use((ctx) => {
    ctx.body = PAGE;
  });
  await using(listen(app.callback()), async (get) => {
    for (const [i, encoding] of ['gzip', 'identity', 'gzip', 'identity'].entries()) {
      const { text, cache, headers } = await get('/', { 'accept-encoding': encoding });
      assert.equal([text === PAGE, cache], [true, i < 2 ? 'MISS' : 'HIT']);
      assert.is(headers.get('content-encoding'), encoding === 'gzip' ? 'gzip' : null);
      assert.equal(
        [headers.get('x-count'), headers.get('set-cookie')],
        [String(i + 1), `seen=${i + 1}; path=/; httponly`],
      );
    }
  });
});

test('Koa: a cookie set behind the cache keeps the page out, also where cookies were read before', async () => {
  const app = new Koa();
  app.use((ctx, next) => {
    ctx.state.seen = ctx.cookies.get('seen');
    return next();
  });
  app.use(koaCache(newPolicy()));
  app.use((ctx) => {
    ctx.cookies.set('session', 'of one user');
    ctx.body = 'page';
  });
  await using(listen(app.callback()), async (get) => {
    for (let i = 0; i < 2; i++) {
      const { cache, headers } = await get('/');
      assert.equal([cache, headers.get('set-cookie')], ['MISS', 'session=of one user; path=/; httponly']);
    }
  });
});

test('Koa: a handler that listens to ctx.res hears of its end', async () => {
  let ends = 0;
  const app = new Koa();
  app.use(koaCache(newPolicy()));
  app.use((ctx) => {
    ctx.res.once('close', () => ends++);
    if (ctx.path === '/private') ctx.set('cache-control', 'private');
    ctx.body = 'page';
  });
  await using(listen(app.callback()), async (get) => {
    for (const path of ['/', '/', '/private']) await get(path);
    for (let i = 0; i < 100 && ends < 2; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.is(ends, 2);
  });
});

test('Koa: bodies of every kind, a status alone, and what is written to ctx.res itself', async () => {
  const app = new Koa();
  app.silent = true;
  const bodies: Record<string, () => unknown> = {
    '/json': () => ({ a: 1 }),
    '/buffer': () => Buffer.from('buffer'),
    '/blob': () => new Blob(['blob'], { type: 'text/x-blob' }),
    '/web': () => new Response('web', { headers: { 'x-web': 'yes' } }).body,
    '/response': () => new Response('response', { headers: { 'x-web': 'yes' } }),
    '/null': () => null,
  };
  app.use(async (ctx, next) => {
    await next();
    if (ctx.status === 404 && ctx.body === undefined) ctx.body = 'custom 404';
  });
  app.use(koaCache(newPolicy()));
  app.use((ctx) => {
    const body = bodies[ctx.path];
    if (body !== undefined) ctx.body = body();
    else if (ctx.path === '/status') {
      ctx.status = 410;
      ctx.set('cache-control', 'max-age=60');
    } else if (ctx.path === '/direct' || ctx.path === '/late') {
      ctx.respond = false;
      const answer = () => {
        ctx.res.writeHead(203, { 'x-own': 'yes' });
        ctx.res.write('writ');
        ctx.res.end('ten');
      };
      if (ctx.path === '/direct') answer();
      else setTimeout(answer, 20);
    }
  });
  await using(listen(app.callback()), async (get) => {
    const texts = { '/json': '{"a":1}', '/buffer': 'buffer', '/blob': 'blob', '/web': 'web', '/response': 'response' };
    for (const [path, text] of Object.entries(texts)) {
      const [first, second] = [await get(path), await get(path)];
      assert.equal([first.text, second.text, first.cache, second.cache], [text, text, 'MISS', 'HIT'], path);
      assert.is(second.headers.get('content-type'), first.headers.get('content-type'));
    }
    assert.is((await get('/null')).status, 204);
    for (const cache of ['MISS', 'HIT']) {
      const gone = await get('/status');
      assert.equal([gone.status, gone.text, gone.cache], [410, 'Gone', cache]);
    }
    for (const path of ['/direct', '/late']) {
      for (const cache of ['MISS', 'HIT']) {
        const { status, text, headers, ...direct } = await get(path);
        assert.equal([status, text, headers.get('x-own'), direct.cache], [203, 'written', 'yes', cache], path);
      }
    }
    assert.is((await get('/none')).text, 'custom 404');
  });
});

test.run();
