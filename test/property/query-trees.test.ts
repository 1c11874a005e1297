// gate: cost=2 timeout=240
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CachedPool, cachedPool, watchTables } from '../../client/query/index.js';
import { tagName } from '../../shared/table/names.js';
import { TABLES_NAMESPACE } from '../../shared/table-tags.js';
import { sleep, type TestServer, testServer } from '../support/daemon.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';
import { type Forest, Grove, randomForest, recompute } from '../support/query-trees.js';
import { random } from '../support/random.js';
import { randomTransaction, SHOP_SCHEMA, SHOP_TABLES, type ShopQuery } from '../support/shop.js';

/**
 * Whatever is made of queries knows it: random trees of cached functions, three deep, over random queries, on two servers with
 * near tiers, while plain sessions and both servers' wrappers commit and roll back at random. Once the bound is over,
 * no result differs from what is recomputed. Printed is how many were dropped though they had not changed (most because
 * they read a whole table, of which another row changed), and how many though no commit had named anything that they read.
 */
const ROUNDS = 10;
const FORESTS = 2;
const STALE_BOUND_MS = 200;
/** Of the functions of each level. */
const SIZES = [10, 6, 4];
/** A table without a time of its own: what reads it is not kept, but what is made of that is. */
const UNKEPT = 'orders';

const { seed, next } = random(11);

interface Server {
  readonly server: TestServer;
  readonly raw: pg.Pool;
  readonly pool: CachedPool;
}
interface World {
  db: TestDatabase;
  plain: pg.Pool;
  servers: Server[];
}
const test = suite<World>('query trees at random');

test.before(async (context) => {
  context.db = await testDatabase();
  context.plain = poolOf(context.db.url);
  await context.plain.query(SHOP_SCHEMA);
  await watchTables(context.plain, [...SHOP_TABLES], { rowsMax: 5 });
  context.servers = [];
  for (let at = 0; at < 2; at++) {
    const server = await testServer(context.db.url, {
      staleBoundMs: STALE_BOUND_MS,
      pollIntervalMs: STALE_BOUND_MS / 4,
    });
    const raw = poolOf(context.db.url);
    const tables = Object.fromEntries(SHOP_TABLES.filter((table) => table !== UNKEPT).map((table) => [table, {}]));
    context.servers.push({ server, raw, pool: cachedPool(raw, { cache: server.client({ near: true }), tables }) });
  }
});
test.after(async ({ servers, plain, db }) => {
  for (const { pool, server } of servers ?? []) {
    await pool.end();
    await server.close();
  }
  await plain?.end();
  await db?.close();
});

function poolOf(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 8 });
  pool.on('error', () => {});
  return pool;
}

const WRITERS = ['psql', 'psql', 'first server', 'second server'] as const;
type Writer = (typeof WRITERS)[number];

/** One transaction; statements that meet a constraint fail, and the transaction with them. */
async function commit(context: World, writer: Writer, statements: readonly string[]): Promise<void> {
  const at = writer === 'psql' ? undefined : Number(writer === 'second server');
  const pool = at === undefined ? context.plain : context.servers[at]!.pool;
  const ignore = ({ code }: { code?: string }) => {
    if (!/^(23|25P02|3B001|40P01)/.test(code ?? '')) throw new Error(`seed ${seed}: ${statements.join('; ')}: ${code}`);
  };
  if (statements.length === 1) {
    await pool.query(statements[0]!).catch(ignore);
    return;
  }
  const client = await pool.connect();
  try {
    for (const text of statements) await client.query(text).catch(ignore);
  } finally {
    client.release();
  }
}

/** Reads of both servers while others commit: what these begin to make is what must not be kept. */
async function readMeanwhile(groves: readonly Grove[], forest: Forest): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    await Promise.all(groves.map((grove) => grove.call(next(forest.plans.length))));
  }
}

const tally = { kept: 0, needed: 0, unneeded: 0, unnamed: 0, hits: 0, misses: 0 };

/** The tags in the log of transactions that began after another. */
async function loggedSince({ plain }: World, xid: string): Promise<Set<string>> {
  const sql = 'SELECT DISTINCT name FROM hyper_cache_log WHERE xid::text::bigint >= $1';
  const { rows } = await plain.query<{ name: string }>(sql, [xid]);
  return new Set(rows.map(({ name }) => name));
}

const NEXT_XID = 'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xid';

async function round(
  context: World,
  forest: Forest,
  groves: readonly Grove[],
  before: Map<number, string>,
): Promise<void> {
  const told: string[] = [];
  const { xid } = (await context.plain.query<{ xid: string }>(NEXT_XID)).rows[0]!;
  const work = Array.from({ length: 1 + next(2) }, async () => {
    const writer = WRITERS[next(WRITERS.length)]!;
    const statements = randomTransaction(next);
    told.push(`${writer}: ${statements.join('; ')}`);
    await commit(context, writer, statements);
  });
  await Promise.all([...work, ...(next(2) === 0 ? [readMeanwhile(groves, forest)] : [])]);
  await sleep(STALE_BOUND_MS);
  const rowsOf = async ({ text, values }: ShopQuery) => (await context.plain.query(text, [...values])).rows;
  const logged = await loggedSince(context, xid);
  const runs = groves.map((grove) => [...grove.runs]);
  for (const at of forest.plans.keys()) {
    const expected = JSON.stringify(await recompute(forest, at, rowsOf));
    for (const [host, grove] of groves.entries()) {
      const found = JSON.stringify(await grove.call(at));
      const plan = JSON.stringify(forest.plans[at]);
      assert.is(found, expected, `seed ${seed}, server ${host}, after ${told.join(' | ')}: ${plan}`);
    }
    const isSame = before.get(at) === expected;
    const isFirst = !before.has(at);
    before.set(at, expected);
    if (isFirst) continue;
    const again = groves.some((grove, host) => grove.runs[at]! > runs[host]![at]!);
    if (!again) tally.kept += 1;
    else if (!isSame) tally.needed += 1;
    else {
      tally.unneeded += 1;
      if (!forest.tags[at]!.some((tag) => logged.has(tagName(TABLES_NAMESPACE, tag)))) tally.unnamed += 1;
    }
  }
}

test('after the bound no result differs from what is recomputed', async (context) => {
  for (let n = 0; n < FORESTS; n++) {
    const { classify } = context.servers[0]!.pool;
    const forest = await randomForest(next, SIZES, classify);
    const groves = context.servers.map(({ server, pool }) => {
      return new Grove(forest, pool, server.client({ near: true, namespace: `trees${n}` }));
    });
    const before = new Map<number, string>();
    for (let at = 0; at < ROUNDS; at++) await round(context, forest, groves, before);
  }
  for (const { pool } of context.servers) {
    tally.hits += pool.cacheStats.hits;
    tally.misses += pool.cacheStats.misses;
  }
  const { kept, needed, unneeded, unnamed, hits, misses } = tally;
  const told = `seed ${seed}: ${JSON.stringify(tally)}`;
  assert.ok(kept > 40 && needed + unneeded > 40 && needed > 0 && hits > 10 && unnamed <= unneeded / 10, told);
  const share = (count: number, of: number) => `${((100 * count) / of).toFixed(1)} %`;
  const dropped = needed + unneeded;
  console.log(
    `${unneeded} of ${dropped} dropped results had not changed (${share(unneeded, dropped)}), ${kept} results were kept;`,
  );
  console.log(`dropped without need, no commit having named what they read: ${unnamed} (${share(unnamed, dropped)});`);
  console.log(`queries: ${hits} hits, ${misses} misses`);
});

test.run();
