/**
 * `npm run bench:watch [-- --json]`: what a watched table costs those who write it. Single-row updates and
 * updates of 100 rows by primary key, as pgbench makes them, on a table beside its watched twin, by 1 and 8 writers, with
 * and without NOTIFY; rounds of all of them in turn, medians. The log is trimmed between the rounds, as a daemon would.
 */
import pg from 'pg';
import { watchTables } from '../../shared/table/watch.js';
import { testCluster } from '../test-cluster.js';
import { spreadOf } from './statistics.js';

const ROWS = 100_000;
const WATCH_ROUNDS = 5;
const WATCH_ROUND_MS = 500;
const WRITERS = [1, 8] as const;
const SIZES = [1, 100] as const;
/** The application's table: not watched, watched without NOTIFY, and with it. */
const KINDS = ['plain', 'silent', 'notify'] as const;
type Kind = (typeof KINDS)[number];

interface Result {
  readonly rows: number;
  readonly writers: number;
  readonly kind: Kind;
  readonly perSecond: number;
  readonly low: number;
  readonly high: number;
  /** Its statements a second beside those of the plain table. */
  readonly ratio: number;
}

async function prepare(pool: pg.Pool): Promise<void> {
  for (const kind of KINDS) {
    await pool.query(
      `CREATE TABLE ${kind} (aid int PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor = 80)`,
    );
    await pool.query(`INSERT INTO ${kind} SELECT i, 1, 0, '' FROM generate_series(1, ${ROWS}) AS i`);
  }
  await watchTables(
    pool,
    KINDS.filter((kind) => kind !== 'plain'),
  );
  await pool.query('VACUUM ANALYZE');
}

/** @returns statements a second, by writers of one connection each */
async function round(clients: readonly pg.Client[], kind: Kind, rows: number): Promise<number> {
  const text = `UPDATE ${kind} SET abalance = abalance + 1 WHERE aid >= $1 AND aid < $1 + ${rows}`;
  // Blocks of rows are dealt out among the writers: they wait for the server, not for one another.
  const share = Math.floor(ROWS / clients.length);
  const setting = kind === 'notify' ? 'on' : 'off';
  await Promise.all(clients.map((client) => client.query(`SET pgcached.notify = ${setting}`)));
  const from = performance.now();
  const counts = await Promise.all(
    clients.map(async (client, n) => {
      let count = 0;
      while (performance.now() - from < WATCH_ROUND_MS) {
        const first = n * share + 1 + ((count * 7919) % (share - rows));
        await client.query({ name: `${kind} ${rows}`, text, values: [first] });
        count += 1;
      }
      return count;
    }),
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  return (total * 1000) / (performance.now() - from);
}

async function measure(url: string, writers: number, rows: number, seen: Map<Kind, number[]>): Promise<void> {
  const clients = Array.from({ length: writers }, () => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  try {
    for (let n = 0; n <= WATCH_ROUNDS; n++) {
      for (const kind of KINDS) {
        const perSecond = await round(clients, kind, rows);
        if (n > 0) seen.get(kind)!.push(perSecond); // the first one plans and warms
        await clients[0]!.query('TRUNCATE hyper_cache_log');
      }
    }
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

async function run(url: string): Promise<Result[]> {
  const results: Result[] = [];
  for (const writers of WRITERS) {
    for (const rows of SIZES) {
      const seen = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]));
      await measure(url, writers, rows, seen);
      const plain = spreadOf(seen.get('plain')!)!.median;
      for (const kind of KINDS) {
        const { median, low, high } = spreadOf(seen.get(kind)!)!;
        results.push({ rows, writers, kind, perSecond: median, low, high, ratio: median / plain });
      }
    }
  }
  return results;
}

function table(results: readonly Result[]): string {
  const of = (writers: number, rows: number, kind: Kind) =>
    results.find((one) => one.writers === writers && one.rows === rows && one.kind === kind)!;
  const lines = WRITERS.flatMap((writers) =>
    SIZES.map((rows) => {
      const cells = KINDS.map((kind) => {
        const { perSecond, ratio } = of(writers, rows, kind);
        return `${Math.round(perSecond).toLocaleString('en')}${kind === 'plain' ? '' : ` (${ratio.toFixed(2)})`}`;
      });
      return `| ${writers} | ${rows} | ${cells.join(' | ')} |`;
    }),
  );
  return [
    '| writers | rows a statement | not watched | watched | watched, with NOTIFY |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

const cluster = await testCluster();
const pool = new pg.Pool({ connectionString: cluster.url, max: 2 });
pool.on('error', () => {});
try {
  await prepare(pool);
  const results = await run(cluster.url);
  const asJson = process.argv.includes('--json');
  process.stdout.write(
    asJson
      ? `${JSON.stringify(results, null, 2)}\n`
      : `statements a second, median of ${WATCH_ROUNDS} rounds (beside the table that is not watched)\n\n${table(results)}\n`,
  );
} finally {
  await pool.end();
  await cluster.close();
}
