import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { watchTables } from '../../shared/table/watch.js';
import { type PostgresProxy, postgresProxy } from '../postgres-proxy.js';
import { type TestCluster, testCluster } from '../test-cluster.js';
import { ACCOUNTS_SCHEMA } from './accounts.js';
import { type Crash, type History, nowUs, parseHistory } from './history.js';
import { ACCOUNTS, LIVES_PER_ROUND, SLOTS, sourceKeys } from './keys.js';
import { Looks } from './looks.js';
import { Client, Daemon } from './processes.js';
import type { Random } from './random.js';
import { SOURCE_TABLE } from './source.js';

const HOSTS = 2;
/** The clients that hide outages: one on each host, with a near tier and without. */
const DEGRADING: ReadonlySet<number> = new Set([5, 6]);
const RESTART_LIMIT_MS = 30_000;

/** Two hosts, each a daemon and four clients, and the Postgres that they share, through a proxy for the daemons. */
export class World {
  readonly cluster: TestCluster;
  readonly proxy: PostgresProxy;
  readonly folder = mkdtempSync(join(tmpdir(), 'pgcached-nemesis-'));
  readonly daemons: Daemon[] = [];
  clients: Client[] = [];
  /** Processes that ended though nobody meant them to. */
  readonly failures: string[] = [];
  #lives: number[] = Array.from({ length: SLOTS }, () => 0);
  #past: Client[] = [];
  #crashes: Crash[] = [];
  #round = 0;
  readonly #random: Random;
  readonly #looks: Looks;

  private constructor(cluster: TestCluster, proxy: PostgresProxy, random: Random) {
    this.cluster = cluster;
    this.proxy = proxy;
    this.#random = random;
    this.#looks = new Looks(Array.from({ length: HOSTS }, (_, host) => Daemon.socketOf(this.folder, host)));
  }

  static async open(random: Random): Promise<World> {
    // The source's commits have to survive the crashes, so they are waited for.
    const cluster = await testCluster({ synchronous_commit: 'on' });
    const world = new World(cluster, await postgresProxy(cluster.url), random);
    await world.sql(SOURCE_TABLE);
    await world.sql(ACCOUNTS_SCHEMA);
    await watchAccounts(cluster.url);
    for (let host = 0; host < HOSTS; host++) world.startDaemon(host);
    return world;
  }

  #failed = (what: string): void => {
    this.failures.push(what);
  };

  startDaemon(host: number): void {
    this.daemons[host] = new Daemon(this.folder, host, this.proxy.url, this.#failed);
  }

  /** Keys of its own for each round: what was checked can be forgotten. */
  async startRound(): Promise<void> {
    this.#round += 1;
    await this.sql('INSERT INTO nemesis_source SELECT name, 1 FROM unnest($1::text[]) AS name', [
      sourceKeys(this.#round),
    ]);
    this.#looks.take();
    this.#crashes = [];
    this.#past = [];
    this.#lives = this.#lives.map(() => this.#round * LIVES_PER_ROUND);
    for (let slot = 0; slot < SLOTS; slot++) this.startClient(slot);
  }

  /** A new life of the client in that slot; it has new keys of its own, and all are told. */
  startClient(slot: number): void {
    const life = ++this.#lives[slot]!;
    const host = slot % HOSTS;
    const name = `${slot}.${life}`;
    const file = join(this.folder, `history-${name}`);
    writeFileSync(file, ''); // it may be killed before it can make it
    const client = new Client(
      {
        process: name,
        slot,
        life,
        near: slot % (2 * HOSTS) < HOSTS,
        degrades: DEGRADING.has(slot),
        round: this.#round,
        seed: this.#random.below(2 ** 31),
        socket: Daemon.socketOf(this.folder, host),
        databaseUrl: this.cluster.url,
        file,
        lives: this.#lives,
      },
      host,
      join(this.folder, 'clients.log'),
      this.#failed,
    );
    if (this.clients[slot]?.isGone) this.#past.push(this.clients[slot]!);
    this.clients[slot] = client;
    for (const other of this.clients) other?.tell({ lives: this.#lives });
  }

  /** All clients end their loops and read everything once more. */
  async endRound(): Promise<History> {
    for (const client of this.clients) client.tell({ finish: true });
    await Promise.all(this.clients.map((client) => Promise.race([client.finished, client.gone])));
    for (const { actor, last } of this.clients) {
      if (last.recovered !== true)
        this.failures.push(`client ${actor.process} could not read after the faults had ended`);
    }
    await Promise.all(this.clients.map((client) => client.end('SIGTERM')));
    const parts = [...this.#past, ...this.clients].map(({ setup, actor }) => {
      return parseHistory(readFileSync(setup.file, 'utf8'), actor);
    });
    this.#past = [...this.#past, ...this.clients];
    this.clients = [];
    return {
      writes: parts.flatMap(({ writes }) => writes),
      reads: parts.flatMap(({ reads }) => reads),
      crashes: this.#crashes,
      looks: this.#looks.take(),
    };
  }

  /** The files of a round in which nothing was found; others are kept, to be looked into. */
  forgetRound(): void {
    for (const { setup } of this.#past) rmSync(setup.file);
  }

  get operations(): number {
    return [...this.#past, ...this.clients].reduce((sum, { last }) => sum + last.operations, 0);
  }

  /** @param strike kills Postgres, or a part of it; resolves when it can be reached again */
  async crash(strike: () => Promise<void> | void): Promise<void> {
    const start = nowUs();
    await strike();
    await sleep(20); // a postmaster that has not yet noticed would still answer
    const endMs = performance.now() + RESTART_LIMIT_MS;
    for (;;) {
      try {
        await this.sql('SELECT 1');
        break;
      } catch (error) {
        if (performance.now() > endMs) throw error;
        await sleep(10);
      }
    }
    this.#crashes.push({ start, end: nowUs() });
  }

  async sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.cluster.url, query_timeout: 5_000 });
    client.on('error', () => {}); // the query's own rejection tells
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      client.end().catch(() => {});
    }
  }

  async close(keep: boolean): Promise<void> {
    const all = [...this.clients, ...this.daemons];
    for (const victim of all) victim.signal('SIGCONT');
    await Promise.all(all.map((victim) => victim.end('SIGKILL')));
    await this.#looks.close();
    await this.proxy.close();
    await this.cluster.close();
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A statement on all of them counts as one of the whole table. */
async function watchAccounts(url: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on('error', () => {});
  await watchTables(pool, ['nemesis_accounts'], { rowsMax: ACCOUNTS / 2 });
  await pool.end();
}
