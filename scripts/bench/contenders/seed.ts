import pg from 'pg';
import type { Addresses, Caller } from '../contenders.js';
import { counterAt, HOT_COUNTER } from '../data.js';
import { inParts, tens } from './parts.js';

const TABLE = 'bench_seed';
const LIFE = "now() + 300 * interval '1 second'";
/** Of the fill, whose rows are to outlive the run. */
const FOREVER = "'infinity'";

const upsert = (expiresAt: string) => `INSERT INTO ${TABLE} (key, value, expires_at) VALUES ($1, $2, ${expiresAt})
  ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, counter = NULL, expires_at = EXCLUDED.expires_at`;

/** The plain statements that pgcached's table began as, prepared, on a plain pool of ten: what one writes without a cache daemon. */
export async function callSeed({ databaseUrl }: Addresses): Promise<Caller> {
  const pool = new pg.Pool({ connectionString: databaseUrl });
  const get = async (key: string) => {
    const { rows } = await pool.query({
      name: 'get',
      text: `SELECT value, counter FROM ${TABLE} WHERE key = $1 AND expires_at > now()`,
      values: [key],
    });
    if (rows.length === 0) throw new Error(`${key} is not there: nothing of this run counts`);
    return rows[0].counter ?? rows[0].value;
  };
  const incr = (key: string) =>
    pool.query({
      name: 'incr',
      text: `INSERT INTO ${TABLE} (key, counter, expires_at) VALUES ($1, 1, ${LIFE})
        ON CONFLICT (key) DO UPDATE SET counter = coalesce(${TABLE}.counter, 0) + 1 RETURNING counter`,
      values: [key],
    });
  return {
    calls: {
      // It has no memory: the table answers a hit, too.
      'get-hit': (index, data) => get(data.keyAt(index)),
      'get-miss': (index, data) => get(data.keyAt(index)),
      set: (index, data) =>
        pool.query({
          name: 'set',
          text: upsert(LIFE),
          values: [data.writtenAt(index), JSON.stringify(data.valueAt(index))],
        }),
      'getMany(10)': async (index, data) => {
        const { rows } = await pool.query({
          name: 'many',
          text: `SELECT key, value, counter FROM ${TABLE} WHERE key = ANY ($1) AND expires_at > now()`,
          values: [data.manyAt(index)],
        });
        return tens(rows);
      },
      incr: (index) => incr(counterAt(index)),
      'incr-hot': () => incr(HOT_COUNTER),
    },
    async fill(data) {
      await pool.query(`
        CREATE UNLOGGED TABLE IF NOT EXISTS ${TABLE} (
          key varchar(255) PRIMARY KEY, value jsonb, counter bigint, expires_at timestamptz NOT NULL);
        CREATE INDEX IF NOT EXISTS ${TABLE}_expires ON ${TABLE} (expires_at)`);
      const store = (key: string, value: object) =>
        pool.query({ name: 'fill', text: upsert(FOREVER), values: [key, JSON.stringify(value)] });
      await inParts(data, (from, keys) => Promise.all(keys.map((key, each) => store(key, data.valueAt(from + each)))));
    },
    close: () => pool.end(),
  };
}
