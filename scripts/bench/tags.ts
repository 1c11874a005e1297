/** `npm run bench:tags`: what tags cost a read, from the table and from memory, with an empty log and with a long one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { connect } from '../../client/index.js';
import { startPostgres } from '../../daemon/embedded.js';
import { startDaemon } from '../../daemon/index.js';
import { migrateCore, migrateSpace } from '../../shared/table/migrate.js';
import { readEntries } from '../../shared/table/read.js';
import { cpuUsOf } from './cpu.js';
import { spreadOf } from './statistics.js';

const TAG_COUNTS = [0, 1, 5];
const LOG_ROWS = 100_000;
const KEYS = 100;
const TAG_ROUNDS = 9;
const TABLE_READS = 300;
const HITS = 20_000;
const HITS_IN_FLIGHT = 100;

const folder = mkdtempSync(join(tmpdir(), 'pgcached-bench-'));
const postgres = await startPostgres({ dataDir: folder, onParentDeath: 'immediate', removeOnParentDeath: [folder] });
const socket = join(folder, 'd', 's.sock');
// Nothing is trimmed while it is measured.
const daemon = await startDaemon({
  databaseUrl: postgres.url,
  socket,
  stateDir: join(folder, 'state'),
  logLevel: 'error',
  trimIntervalMs: 3_600_000,
});
const cache = connect({ socket, timeoutMs: 30_000 });
const pool = new pg.Pool({ connectionString: postgres.url, max: 1 });
// The server ends connections when it stops, also one that is closing.
pool.on('error', () => {});
const schema = await migrateCore(pool, { table: 'hyper_cache', logged: false });
const space = await migrateSpace(pool, schema, 'default');
const backend = (await pool.query('SELECT pg_backend_pid() AS pid')).rows[0].pid as number;

const keyOf = (tags: number, at: number) => `with ${tags} tags: ${at % KEYS}`;
for (const tags of TAG_COUNTS) {
  const names = Array.from({ length: tags }, (_, at) => `tag ${at}`);
  for (let at = 0; at < KEYS; at++)
    await cache.set(keyOf(tags, at), { id: at, text: 'x'.repeat(150) }, { ttl: 3600, tags: names });
}

interface Cost {
  readonly wallUs: number;
  readonly cpuUs: number;
}

/** One read after the other, each a statement of its own; the CPU time is that of the backend. */
async function tableReads(tags: number): Promise<Cost> {
  const [startMs, startUs] = [performance.now(), cpuUsOf([backend]) ?? Number.NaN];
  for (let at = 0; at < TABLE_READS; at++) {
    const { found } = await readEntries(pool, schema, space, [keyOf(tags, at)], true);
    if (found.length !== 1) throw new Error('the entry is gone');
  }
  const cpuUs = (cpuUsOf([backend]) ?? Number.NaN) - startUs;
  return { wallUs: ((performance.now() - startMs) * 1000) / TABLE_READS, cpuUs: cpuUs / TABLE_READS };
}

/** Many in flight; the CPU time is that of client and daemon together, which are one process here. */
async function memoryHits(tags: number): Promise<Cost> {
  for (let at = 0; at < KEYS; at++) await cache.get(keyOf(tags, at));
  const [startMs, start] = [performance.now(), process.cpuUsage()];
  for (let done = 0; done < HITS; done += HITS_IN_FLIGHT) {
    await Promise.all(Array.from({ length: HITS_IN_FLIGHT }, (_, at) => cache.get(keyOf(tags, at))));
  }
  const { user, system } = process.cpuUsage(start);
  return { wallUs: ((performance.now() - startMs) * 1000) / HITS, cpuUs: (user + system) / HITS };
}

/** The counts take turns, so that what else runs on the machine meets all of them. */
async function measure(read: (tags: number) => Promise<Cost>): Promise<Map<number, Cost[]>> {
  const costs = new Map<number, Cost[]>(TAG_COUNTS.map((tags) => [tags, []]));
  for (const tags of TAG_COUNTS) await read(tags);
  for (let round = 0; round < TAG_ROUNDS; round++)
    for (const tags of TAG_COUNTS) costs.get(tags)?.push(await read(tags));
  return costs;
}

const medianOf = (values: readonly number[]) => spreadOf(values)?.median ?? Number.NaN;

async function report(what: string, rows: number, read: (tags: number) => Promise<Cost>): Promise<void> {
  const costs = await measure(read);
  const none = medianOf(costs.get(0)?.map(({ cpuUs }) => cpuUs) ?? []);
  for (const [tags, all] of costs) {
    const [wallUs, cpuUs] = [medianOf(all.map((cost) => cost.wallUs)), medianOf(all.map((cost) => cost.cpuUs))];
    const cells = [
      what,
      rows.toLocaleString('en'),
      tags,
      wallUs.toFixed(1),
      cpuUs.toFixed(1),
      (cpuUs / none).toFixed(2),
    ];
    process.stdout.write(`| ${cells.join(' | ')} |\n`);
  }
}

process.stdout.write(`median of ${TAG_ROUNDS} rounds, in which the counts of tags took turns\n\n`);
process.stdout.write(
  '| read | rows in the log | tags | µs | CPU µs | CPU beside no tags |\n|---|---:|---:|---:|---:|---:|\n',
);
for (const rows of [0, LOG_ROWS]) {
  // Committed after the entries, so that none of the rows is below their bases; of other tags, in as many transactions as chunks.
  for (let from = 0; from < rows; from += 1000) {
    await pool.query(
      `INSERT INTO hyper_cache_log (name) SELECT 't:default:other ' || i FROM generate_series(${from}, ${from + 999}) AS i`,
    );
  }
  if (rows === 0) await pool.query('DELETE FROM hyper_cache_log');
  await pool.query('VACUUM ANALYZE hyper_cache_log, hyper_cache');
  // The daemon drops its memory where more was logged than a look brings.
  await cache.has(keyOf(0, 0));
  await report('table', rows, tableReads);
  await report('memory', rows, memoryHits);
}

await cache.close();
await daemon.close();
await pool.end();
await postgres.stop('fast');
rmSync(folder, { recursive: true, force: true });
