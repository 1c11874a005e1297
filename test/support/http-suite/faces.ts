import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { serve } from '@hono/node-server';
import type express5 from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { cacheMiddleware } from '../../../client/http/express.js';
import { cacheMiddleware as fastifyCache } from '../../../client/http/fastify.js';
import { cacheMiddleware as honoCache } from '../../../client/http/hono.js';
import { cacheHandler } from '../../../client/http/index.js';
import { cacheMiddleware as koaCache } from '../../../client/http/koa.js';
import type { HttpFace, RunningSite, SiteAnswer, SiteHandler } from './site.js';

/** A server on a port that was free. */
export async function listen(listener: RequestListener): Promise<RunningSite> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export function webResponse({ status = 200, headers = {}, body = '' }: SiteAnswer): Response {
  const fields = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const one of [value].flat()) fields.append(name, one);
  }
  const isStream = typeof body !== 'string' && !(body instanceof Uint8Array);
  const content = isStream ? (Readable.toWeb(Readable.from(body)) as ReadableStream) : (body as string);
  return new Response([204, 304].includes(status) ? null : content, { status, headers: fields });
}

/** `cacheHandler`, behind the server of @hono/node-server. */
export const WEB: HttpFace = {
  name: 'http: web-standard handler',
  async start(handler, cache) {
    const handle = cacheHandler(async (request) => {
      const url = request.url.slice(new URL(request.url).origin.length);
      const headers = Object.fromEntries(request.headers);
      return webResponse(await handler({ method: request.method, url, headers }));
    }, cache);
    return serveFetch(handle);
  },
};

/** A fetch handler behind @hono/node-server. */
export async function serveFetch(fetch: (request: Request) => Response | Promise<Response>): Promise<RunningSite> {
  const server = serve({ fetch, port: 0, hostname: '127.0.0.1' });
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      (server as import('node:http').Server).closeAllConnections();
      await closed;
    },
  };
}

/** Through @hono/node-server. */
export const HONO: HttpFace = {
  name: 'http: Hono',
  refreshes: 'itself',
  async start(handler, cache) {
    const app = new Hono();
    app.use(honoCache(cache));
    app.all('*', async (c) => {
      const url = c.req.url.slice(new URL(c.req.url).origin.length);
      return webResponse(await handler({ method: c.req.method, url, headers: c.req.header() }));
    });
    return serveFetch((request) => app.fetch(request));
  },
};

export const KOA: HttpFace = {
  name: 'http: Koa',
  async start(handler, cache) {
    const app = new Koa();
    app.silent = true;
    app.use(koaCache(cache));
    app.use(async (ctx) => {
      const { method, originalUrl: url, headers } = ctx;
      const answer = await handler({ method, url, headers });
      ctx.status = answer.status ?? 200;
      const { body = '' } = answer;
      ctx.body = typeof body === 'string' || body instanceof Uint8Array ? body : Readable.from(body);
      if (body instanceof Uint8Array) ctx.body = Buffer.from(body);
      for (const [field, value] of Object.entries(answer.headers ?? {})) ctx.set(field, value);
    });
    return listen(app.callback());
  },
};

export const FASTIFY: HttpFace = {
  name: 'http: Fastify',
  async start(handler, cache) {
    const app = fastify({ forceCloseConnections: true, exposeHeadRoutes: false });
    app.register(fastifyCache, cache);
    app.addContentTypeParser('*', (_request, payload, done) => {
      payload.resume();
      done(null);
    });
    app.all('*', async (request, reply) => {
      const { method, url, headers } = request;
      const { status = 200, headers: fields = {}, body = '' } = await handler({ method, url, headers });
      reply.code(status).headers(fields);
      return reply.send(typeof body === 'string' || body instanceof Uint8Array ? body : Readable.from(body));
    });
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    return { url, close: () => app.close() };
  },
};

type App = typeof express5;

/** What is common to Express 4 and 5. */
export function expressFace(name: string, express: App): HttpFace {
  return {
    name,
    async start(handler: SiteHandler, cache) {
      const app = express();
      app.disable('etag');
      app.use(cacheMiddleware(cache));
      app.use((req, res, next) => {
        Promise.resolve(handler({ method: req.method, url: req.originalUrl, headers: req.headers })).then(
          ({ status = 200, headers = {}, body = '' }) => {
            res.status(status);
            for (const [field, value] of Object.entries(headers)) res.setHeader(field, value);
            if (typeof body === 'string') res.send(body);
            else if (body instanceof Uint8Array) res.end(body);
            else pipeline(Readable.from(body), res, () => {});
          },
          next,
        );
      });
      return listen(app);
    },
  };
}
