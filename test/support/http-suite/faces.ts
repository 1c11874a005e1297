import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { serve } from '@hono/node-server';
import type express5 from 'express';
import { cacheMiddleware } from '../../../client/http/express.js';
import { cacheHandler } from '../../../client/http/index.js';
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
    const server = serve({ fetch: handle, port: 0, hostname: '127.0.0.1' });
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
