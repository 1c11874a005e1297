/**
 * A process of `npm run scale`: `node follower-process.js <orders as JSON>`. Follows the log as so many daemons would: the
 * project's own Follower and Listener, each with a connection of its own; memory is left out. Answers every message with
 * what was done so far.
 */
import pg from 'pg';
import { systemClock } from '../../daemon/clock.js';
import { LISTENER_NAME } from '../../daemon/connection-options.js';
import { Crowd } from '../../daemon/crowd.js';
import { Follower } from '../../daemon/follower.js';
import { Listener } from '../../daemon/listener.js';
import { OPTIONS } from '../../daemon/options.js';
import { incarnate, look } from '../../shared/table/look.js';
import { migrateCore } from '../../shared/table/migrate.js';

export interface FollowOrders {
  readonly databaseUrl: string;
  readonly followers: number;
  /** In all processes together. A daemon counts them at each check of its listener. */
  readonly all: number;
}

export interface Followed {
  readonly looks: number;
  readonly rows: number;
  /** From when a look was sent to its answer, all added up. */
  readonly lookMs: number;
  /** Backends in Postgres. */
  readonly backends: readonly number[];
}

const ROWS_MAX = 10_000;

const { databaseUrl, followers, all } = JSON.parse(process.argv[2]!) as FollowOrders;
const done = { looks: 0, rows: 0, lookMs: 0 };
const backends: number[] = [];
const crowd = new Crowd();
crowd.listeners = all;

const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 });
const schema = await migrateCore(pool, { table: 'hyper_cache', logged: false });
await pool.end();

async function follow(number: number): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  backends.push(rows[0]!.pid);
  const follower = new Follower({
    database: {
      async look(last) {
        const sentMs = performance.now();
        const result = await look(client, schema, last, { rowsMax: ROWS_MAX, prepare: true });
        done.looks++;
        done.rows += result.rows?.length ?? 0;
        done.lookMs += performance.now() - sentMs;
        return result;
      },
      incarnate: () => incarnate(client, schema),
    },
    clock: systemClock,
    staleBoundMs: OPTIONS.staleBoundMs.default,
    pollIntervalMs: OPTIONS.pollIntervalMs.default,
    gapMs: () => crowd.lookGapMs,
    apply() {},
    reset() {},
    onSight() {},
  });
  let isHearing = false;
  await new Promise<void>((resolve) => {
    new Listener({
      connection: { connectionString: databaseUrl, application_name: LISTENER_NAME },
      channel: 'hyper_cache',
      daemonId: `${process.pid} ${number}`,
      clock: systemClock,
      onWake: () => follower.wake(),
      onHearing: (deaf) => {
        if (deaf === undefined && !isHearing) resolve();
        isHearing ||= deaf === undefined;
      },
    }).start();
  });
  follower.wake();
}

for (let number = 0; number < followers; number++) await follow(number);
process.send?.('ready');
process.on('message', () => process.send?.({ ...done, backends } satisfies Followed));
process.on('disconnect', () => process.exit());
