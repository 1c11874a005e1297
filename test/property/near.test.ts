import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type PgCachedClient } from '../../client/index.js';
import { sleep, type TestServer, testServer } from '../support/daemon.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';
import { random as randomNumbers } from '../support/random.js';

/** Random writes and reads on two servers, through four near tiers: nobody reads what it must not. */
const test = suite<{ db: TestDatabase; servers: TestServer[]; clients: PgCachedClient[] }>('near races');

const STALE_BOUND_MS = 1000;
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5'];
const RUN_MS = 5000;
/** The bound is of when things happened, ours of when this process, which does all of it, came to notice them. */
const NOTICED_LATE_MS = 500;

test.before(async (context) => {
  context.db = await testDatabase();
  // One server evicts all the time.
  const options = [{}, { maxEntries: 4 }];
  const common = { staleBoundMs: STALE_BOUND_MS, pollIntervalMs: 100 };
  context.servers = await Promise.all(options.map((own) => testServer(context.db.url, { ...common, ...own })));
  context.clients = context.servers.flatMap(({ daemon }) => {
    // Another spelling of the path makes another connection, as another process would have.
    const paths = [daemon.socketPath, daemon.socketPath.replace(/\/([^/]*)$/, '/./$1')];
    return paths.map((socket, i) => connect({ socket, timeoutMs: 20_000, near: i === 0 ? true : { maxEntries: 3 } }));
  });
  await Promise.all(context.clients.map((client) => client.ready()));
});

test.after(async ({ clients, servers, db }) => {
  await Promise.all((clients ?? []).map((client) => client.close()));
  await Promise.all((servers ?? []).map((server) => server.close()));
  await db?.close();
});

/** The changes of one key, made one after the other by anybody: by number, when it was known to be done. */
class History {
  readonly doneMs: number[] = [0];
  #turn: Promise<unknown> = Promise.resolve();

  change(write: (number: number) => Promise<unknown>): Promise<number> {
    const done = this.#turn.then(async () => {
      const number = this.doneMs.length;
      await write(number);
      this.doneMs.push(performance.now());
      return number;
    });
    this.#turn = done;
    return done;
  }
}

test('read your writes, monotonic reads, bounded staleness', async ({ clients }) => {
  const { seed, next } = randomNumbers(Date.now() % 1_000_000);
  const random = () => next(1_000_000) / 1_000_000;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const histories = new Map(KEYS.map((key) => [key, new History()]));
  const counts = { reads: 0, peeks: 0, nearHits: 0, writes: 0 };
  const until = performance.now() + RUN_MS;

  /** One reader or writer of a process; several share what the process has seen (`floor`, by key). */
  async function actor(client: PgCachedClient, floor: Map<string, number>): Promise<void> {
    const check = (key: string, value: unknown, askedMs: number, least: number, how: string) => {
      if (value === undefined) return;
      const { n } = value as { n: number };
      assert.ok(n >= least, `seed ${seed}: ${how} of ${key} gave ${n} after ${least} had been seen`);
      const nextMs = histories.get(key)?.doneMs[n + 1] ?? Number.POSITIVE_INFINITY;
      const oldMs = askedMs - nextMs;
      assert.ok(oldMs < STALE_BOUND_MS + NOTICED_LATE_MS, `seed ${seed}: ${how} of ${key} was stale for ${oldMs} ms`);
      floor.set(key, Math.max(n, floor.get(key) ?? 0));
    };
    while (performance.now() < until) {
      const key = pick(KEYS);
      const askedMs = performance.now();
      const least = floor.get(key) ?? 0;
      const what = random();
      if (what < 0.4) {
        check(key, client.peek(key), askedMs, least, 'peek');
        counts.peeks += 1;
        await sleep(0);
      } else if (what < 0.75) {
        check(key, await client.get(key), askedMs, least, 'get');
        counts.reads += 1;
      } else if (what < 0.85) {
        const leasts = new Map(floor);
        const found = await client.getMany(KEYS);
        for (const [each, value] of found) check(each, value, askedMs, leasts.get(each) ?? 0, 'getMany');
      } else {
        const number = await histories.get(key)?.change((n) => {
          if (what < 0.95) return client.set(key, { n }, { tags: [`t-${key}`] });
          return what < 0.975 ? client.delete(key) : client.invalidateTags([`t-${key}`]);
        });
        counts.writes += 1;
        // Also the end of a delete: nothing older may be seen after it.
        floor.set(key, Math.max(number ?? 0, floor.get(key) ?? 0));
        check(key, client.peek(key), performance.now(), floor.get(key) ?? 0, 'peek after a write');
      }
    }
  }

  await Promise.all(
    clients.flatMap((client) => {
      const floor = new Map<string, number>();
      return [actor(client, floor), actor(client, floor), actor(client, floor)];
    }),
  );
  for (const client of clients) counts.nearHits += (await client.stats()).tiers.near?.hits ?? 0;
  assert.ok(counts.writes > 50 && counts.nearHits > 100, `too little happened: ${JSON.stringify(counts)}`);
});

test.run();
