import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { watchTables } from '../../../client/query/index.js';
import { OPTIONS } from '../../../daemon/options.js';
import { Children } from '../children.js';
import type { Place } from '../cities.js';
import type { FromApp } from '../messages.js';
import { type DemoServer, Ground, startServers } from '../servers.js';
import type { GuideSetup } from './app.js';
import { Crawler, Sights } from './crawler.js';
import { type Editable, type Edits, editUntil, openSession } from './editor.js';
import { Judge, rowsOf } from './judge.js';
import { CITIES_LISTED, shownCountries } from './pages.js';
import { RoundRobin } from './proxy.js';
import { type GuideSummary, guideLine, summarizeGuide } from './summary.js';

const APP = fileURLToPath(new URL('./app.js', import.meta.url));
const TABS = 4;
/** What the browsers accept: of each page there is a variant for either. */
const BROWSERS = ['gzip', ''];
const EDIT_PAUSE_MS = 200;
const LINE_EVERY_MS = 1000;
const BOUND_MS = OPTIONS.staleBoundMs.default;

type Said = (text: string, found?: GuideSummary) => void;

/**
 * The course of `npm run demo -- --site`. Leaves nothing behind, however it ends.
 * @param halt ends it early; its reason is what is thrown
 * @throws what went wrong: a process that ended, the reason of `halt`
 */
export async function runGuide(
  { seconds, port }: { seconds: number; port: number },
  said: Said,
  halt: AbortController,
): Promise<GuideSummary> {
  const children = new Children((error) => halt.abort(error));
  const halted = new Promise<never>((_, reject) => {
    halt.signal.addEventListener('abort', () => reject(halt.signal.reason), { once: true });
  });
  halted.catch(() => {});
  const preparing = Ground.prepare();
  let servers: DemoServer[] = [];
  let proxy: RoundRobin | undefined;
  try {
    said('starting a Postgres and loading the cities');
    const ground = await Promise.race([preparing, halted]);
    const countries = shownCountries(await Promise.race([ground.load(), halted]));
    said('starting two daemons, and a web server on each');
    servers = startServers(ground, children);
    await Promise.race([Promise.all(servers.map(({ client }) => client.ready())), halted]);
    const shown = await prepareTables(ground.url, countries);
    const ports = servers.map(({ name, socket }) => {
      const setup: GuideSetup = { databaseUrl: ground.url, socket, port: 0, countries };
      return listening(children.app(`the web server of ${name}`, setup, APP));
    });
    proxy = new RoundRobin(await Promise.race([Promise.all(ports), halted]));
    const proxyPort = await proxy.listen(port);
    said(`http://127.0.0.1:${proxyPort}/ ${shown.length} cities of ${countries.length} countries; reading and editing`);
    return await Promise.race([perform(seconds, proxy, proxyPort, ground.url, shown, said, halt.signal), halted]);
  } finally {
    halt.abort(new Error('the demo has ended'));
    proxy?.close();
    await Promise.all(servers.map(({ client }) => client.close()));
    await children.end();
    const ground = await preparing.catch(() => undefined);
    await ground?.remove();
  }
}

async function listening(child: ReturnType<Children['app']>): Promise<number> {
  const [message] = (await once(child, 'message')) as [FromApp];
  if (message.kind !== 'ready') throw new Error(`a web server said ${message.kind} before it was ready`);
  return message.port;
}

/** From here on every commit that changes a city or a country counts. @returns the cities that the pages show */
async function prepareTables(url: string, countries: readonly string[]): Promise<(Place & { readonly row: string })[]> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on('error', () => {}); // the query under way rejects by itself
  try {
    await pool.query('CREATE INDEX ON cities (population DESC, id)');
    await watchTables(pool, ['cities', 'countries']);
    const { rows } = await pool.query<Place & { row: string }>(SHOWN, [countries]);
    return rows;
  } finally {
    await pool.end();
  }
}

/** The rows that are edited, and as what pages name them. */
const SHOWN = `
  SELECT city.id, code AS country, format('"row":"cities:%s:%s:%s" "row":"countries:%s:%s:0"', city.id, city.version, population,
    code, countries.version) AS row
  FROM countries, LATERAL (
    SELECT id, version, population FROM cities WHERE country = code ORDER BY population DESC, id LIMIT ${CITIES_LISTED}
  ) AS city WHERE code = ANY ($1)`;

async function perform(
  seconds: number,
  proxy: RoundRobin,
  port: number,
  databaseUrl: string,
  shown: Editable & readonly { readonly row: string }[],
  said: Said,
  halt: AbortSignal,
): Promise<GuideSummary> {
  const judge = new Judge(BOUND_MS);
  for (const { row } of shown) for (const one of rowsOf(row)) judge.know(one);
  const sights = new Sights();
  const edits: Edits = { commits: 0, rollbacks: 0 };
  const session = await openSession(databaseUrl);
  const crawlers = BROWSERS.map((encodings) => new Crawler(port, encodings, TABS, judge, sights));
  await Promise.all(crawlers.map((crawler) => crawler.crawl(halt))); // the cache is cold
  const beganMs = performance.now();
  const now = (): GuideSummary => {
    const elapsedS = Math.min(seconds, (performance.now() - beganMs) / 1000);
    return summarizeGuide(elapsedS, BOUND_MS, session.name, proxy.given, sights, edits, judge);
  };
  const end = AbortSignal.any([halt, AbortSignal.timeout(seconds * 1000)]);
  const show = async (): Promise<void> => {
    for (; !end.aborted; await sleep(LINE_EVERY_MS)) said(guideLine(now()), now());
  };
  try {
    const reading = crawlers.map((crawler) => crawler.crawlUntil(end));
    await Promise.all([...reading, editUntil(end, session, shown, judge, edits, EDIT_PAUSE_MS), show()]);
    // When all is quiet and the bound has passed, each page is read once more.
    await sleep(BOUND_MS);
    await Promise.all(crawlers.map((crawler) => crawler.crawl(halt)));
    return now();
  } finally {
    for (const crawler of crawlers) crawler.close();
    await session.end();
  }
}
