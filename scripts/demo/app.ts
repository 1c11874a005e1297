import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connect } from '../../client/index.js';
import { Checker } from './checker.js';
import { Counts } from './counts.js';
import {
  type AppSetup,
  CALL_TIMEOUT_MS,
  type CallName,
  type Calls,
  type FromApp,
  nowNs,
  type ToApp,
} from './messages.js';
import { Pages } from './pages.js';
import { createSite } from './site.js';
import { Writes } from './writes.js';

/**
 * One application process: a site on HTTP, a client of its server's daemon, a checker of everything that it reads. The
 * demo talks to it over the channel that it was started with; when that closes, it ends.
 */
const FIGURES_EVERY_MS = 500;
const UNTIL_LIMIT_NS = 15e9;
const UNTIL_PAUSE_MS = 1;
const FINISH_KEYS_PER_READ = 500;

const setup = JSON.parse(process.argv[2] ?? '{}') as AppSetup;
const tell = (message: FromApp): void => void process.send?.(message);

const pool = new pg.Pool({ connectionString: setup.databaseUrl, max: 4 });
pool.on('error', (error) => counts.failed(error));
const cache = connect({ socket: setup.socket, timeoutMs: CALL_TIMEOUT_MS, onUnavailable: 'throw' });
const checker = new Checker();
const counts = new Counts();
const pages = new Pages(cache, pool, checker, counts);
const writes = new Writes(cache, pool, counts, (done) => {
  for (const { key, version, atNs } of done) checker.demand(key, version, atNs, 'host');
  tell({ kind: 'acknowledged', writes: done });
});
const site = createSite(pages, writes, counts);

const calls: { [Name in CallName]: (ask: Calls[Name]['ask']) => Promise<Calls[Name]['answer']> } = {
  async warm({ city }) {
    const page = await pages.watchedCity(city);
    if (page === undefined) throw new Error(`there is no city ${city}`);
    return { version: page.version };
  },
  async until({ city, above }) {
    for (const end = nowNs() + UNTIL_LIMIT_NS; nowNs() < end; await sleep(UNTIL_PAUSE_MS)) {
      const page = await pages.watchedCity(city);
      if (page !== undefined && page.version > above) return { version: page.version, seenNs: nowNs() };
    }
    return undefined;
  },
  async write({ city }) {
    const written = await writes.change(city);
    if (written === undefined) throw new Error(`there is no city ${city}`);
    return written;
  },
  async flush() {
    return null;
  },
  async measure() {
    for (const latency of Object.values(counts.latency)) latency.forget();
    return null;
  },
  async finish() {
    const keys = checker.demandedKeys();
    for (let from = 0; from < keys.length; from += FINISH_KEYS_PER_READ) {
      await pages.cachedMany(keys.slice(from, from + FINISH_KEYS_PER_READ));
    }
    return { figures: counts.figures(checker), increments: [...counts.increments] };
  },
};

async function answer(id: number, name: CallName, ask: never): Promise<void> {
  try {
    tell({ kind: 'answer', id, answer: await calls[name](ask) });
  } catch (error) {
    tell({ kind: 'failed', id, problem: String(error) });
  }
}

process.on('message', (message: ToApp) => {
  if (message.kind === 'call') void answer(message.id, message.name, message.ask as never);
  else for (const { key, version, fromNs, reason } of message.demands) checker.demand(key, version, fromNs, reason);
});
process.on('disconnect', () => process.exit(1));
process.on('SIGTERM', () => process.exit(0));

await cache.ready();
await new Promise<void>((resolve, reject) => {
  site.once('error', reject).listen(setup.port, '127.0.0.1', resolve);
});
setInterval(() => tell({ kind: 'figures', figures: counts.figures(checker) }), FIGURES_EVERY_MS);
tell({ kind: 'ready', port: (site.address() as AddressInfo).port });
