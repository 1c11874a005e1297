import pg from 'pg';
import type { Addresses, Caller } from '../contenders.js';
import { counterAt, HOT_COUNTER, KEYS, keyAt, manyAt, valueAt } from '../workloads.js';

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
      'get-hit': (index) => get(keyAt(index)),
      'get-miss': (index) => get(keyAt(index)),
      set: (index) =>
        pool.query({ name: 'set', text: upsert(FOREVER), values: [keyAt(index), JSON.stringify(valueAt(index))] }),
      'getMany(10)': (index) =>
        pool.query({
          name: 'many',
          text: `SELECT key, value, counter FROM ${TABLE} WHERE key = ANY ($1) AND expires_at > now()`,
          values: [manyAt(index)],
        }),
      incr: (index) => incr(counterAt(index)),
      'incr-hot': () => incr(HOT_COUNTER),
    },
    async fill() {
      await pool.query(`
        CREATE UNLOGGED TABLE IF NOT EXISTS ${TABLE} (
          key varchar(255) PRIMARY KEY, value jsonb, counter bigint, expires_at timestamptz NOT NULL);
        CREATE INDEX IF NOT EXISTS ${TABLE}_expires ON ${TABLE} (expires_at)`);
      for (let index = 0; index < KEYS; index++) {
        await pool.query({
          name: 'fill',
          text: upsert(FOREVER),
          values: [keyAt(index), JSON.stringify(valueAt(index))],
        });
      }
    },
    close: () => pool.end(),
  };
}
