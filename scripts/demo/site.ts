import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Counts } from './counts.js';
import { cityKey } from './model.js';
import type { Pages } from './pages.js';
import type { Writes } from './writes.js';

type Answer = (subject: string) => Promise<unknown>;

/** The HTTP application: method and path to what it answers, undefined for 404. */
function routes(pages: Pages, writes: Writes): Record<string, Answer> {
  return {
    'GET cities': async (id) => {
      const city = await pages.city(Number(id));
      return city && { ...city, views: await pages.countView(city.id) };
    },
    'GET countries': async (code) => {
      const country = await pages.country(code);
      if (country === undefined) return undefined;
      const cached = await pages.cachedMany(country.biggest.map(({ id }) => cityKey(id)));
      return { ...country, alsoInCache: [...cached.keys()] };
    },
    'GET cached': (id) => pages.cachedCity(Number(id)),
    'POST cities': (id) => writes.change(Number(id)),
  };
}

/** Not listening yet. */
export function createSite(pages: Pages, writes: Writes, counts: Counts): Server {
  const answers = routes(pages, writes);
  const index = {
    read: ['GET /cities/2643743', 'GET /countries/GB', 'GET /cached/2643743'],
    write: ['POST /cities/2643743'],
  };
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, collection = '', subject = ''] = (request.url ?? '').split('/');
    const answer = answers[`${request.method} ${collection}`];
    const body = collection === '' ? index : await answer?.(decodeURIComponent(subject));
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? { error: 'not found' }));
  };
  return createServer((request, response) => {
    counts.requests += 1;
    respond(request, response).catch((error: unknown) => {
      counts.failed(error);
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: String(error) }));
    });
  });
}
