import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import express, { type Response } from 'express';
import pg from 'pg';
import { cacheMiddleware } from '../../../client/http/express.js';
import { connect } from '../../../client/index.js';
import { cachedPool } from '../../../client/query/index.js';
import { type AppSetup, CALL_TIMEOUT_MS } from '../messages.js';
import { type Answer, Guide } from './pages.js';

/** One server's process: Express, behind the cache; its queries through the cache, too. Nothing in it says what is to be dropped when. */
export interface GuideSetup extends AppSetup {
  readonly countries: readonly string[];
}

const TTL = '1h';

const setup = JSON.parse(process.argv[2] ?? '{}') as GuideSetup;
const plainPool = new pg.Pool({ connectionString: setup.databaseUrl, max: 4 });
plainPool.on('error', () => {}); // the next query says it
const cache = connect({ socket: setup.socket, near: true, timeoutMs: CALL_TIMEOUT_MS });
const pool = cachedPool(plainPool, { cache, tables: { cities: { cacheTtl: TTL }, countries: { cacheTtl: TTL } } });
const guide = new Guide(pool, setup.countries);

const app = express();
app.disable('etag'); // the cache makes one, of the body as it is sent
app.use(cacheMiddleware({ cache, ttl: TTL }));
route('/', () => guide.home());
route('/cities/:id', ({ id }) => guide.city(Number(id)));
route('/countries/:code', ({ code }) => guide.country(code!));
route('/api/cities/:id', ({ id }) => guide.cityApi(Number(id)));
route('/api/countries/:code', ({ code }) => guide.countryApi(code!));

function route(
  path: string,
  answer: (parameters: Record<string, string | undefined>) => Promise<Answer | undefined>,
): void {
  app.get(path, async (req, res) => {
    const found = await answer(req.params as Record<string, string | undefined>);
    await send(res, req.acceptsEncodings('gzip') !== false, found);
  });
}

async function send(res: Response, isZipped: boolean, answer: Answer | undefined): Promise<void> {
  if (answer === undefined) return void res.status(404).type('txt').send('There is no such page\n');
  res.type(answer.type).vary('Accept-Encoding');
  if (!isZipped) return void res.send(answer.body);
  res.set('Content-Encoding', 'gzip').send(await promisify(gzip)(answer.body));
}

process.on('disconnect', () => process.exit(1));
process.on('SIGTERM', () => process.exit(0));
await cache.ready();
const server = createServer(app);
server.listen(setup.port, '127.0.0.1', () =>
  process.send?.({ kind: 'ready', port: (server.address() as AddressInfo).port }),
);
