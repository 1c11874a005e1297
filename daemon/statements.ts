import pg from 'pg';
import { BINARY_ARRAYS } from '../shared/table/binary.js';
import { type ClusterLeaseId, releaseClusterLease, takeClusterLease } from '../shared/table/cluster-lease.js';
import { failingPlainly, failureOf, MISSING_OBJECT, neverSent } from '../shared/table/failure.js';
import { type Fill, type FillResult, offerFills } from '../shared/table/fill.js';
import { countConnections, incarnate, type LookResult, look, notify } from '../shared/table/look.js';
import { migrateCore, migrateSpace, type Schema } from '../shared/table/migrate.js';
import type { SpaceNames } from '../shared/table/names.js';
import type { PoolLike, TextQueryable } from '../shared/table/queryable.js';
import { countEntries, type ReadResult, readEntries, readSmallEntries, readTtls } from '../shared/table/read.js';
import { beginTopology, MOVE_TIMEOUT_MS, readTopology, type Topology } from '../shared/table/topology.js';
import { trim, trimState } from '../shared/table/trim.js';
import { type WriteBatch, type WriteResult, writeBatch } from '../shared/table/write.js';
import { LISTENER_NAME } from './connection-options.js';
import { LeanPool } from './lean-pool.js';
import type { Packed } from './packed.js';
import type { Space, StatementSettings } from './tasks.js';

/** How long connections that are just being made may hold up the end. */
const CLOSE_MS = 1_000;

/**
 * A prepared statement keeps its plan, and one made while the table was empty reads the whole of it for a few keys until
 * the next ANALYZE. Where there is no index a scan still happens, but servers before 18 take it for so dear that they
 * compile it.
 */
const PLANNING = 'SET enable_seqscan = off; SET jit = off';

/** Connections for each kind of statement. */
export interface PoolSizes {
  readonly reads: number;
  readonly writes: number;
  readonly looks: number;
}

/**
 * The statements of one thread: it owns connections to Postgres and does the slow part of every statement, rows, JSON and
 * packing. Looks and wake-ups have connections of their own, and so have writes, so that none waits for a slow statement of
 * another kind. Everything rejects with a DatabaseFailure.
 */
export class Statements {
  readonly #settings: StatementSettings;
  readonly #prepare: boolean;
  readonly #pools: readonly pg.Pool[];
  readonly #held: readonly LeanPool[];
  readonly #busy = new Set<pg.PoolClient>();
  /** For reads of rows and batches of writes, which are the most. */
  readonly #readDb: TextQueryable;
  readonly #batchDb: TextQueryable;
  readonly #lookRows: TextQueryable;
  readonly #db: PoolLike;
  readonly #writeDb: PoolLike;
  readonly #lookDb: PoolLike;
  readonly #moveDb: PoolLike;
  readonly #spaces = new Map<string, Promise<SpaceNames>>();
  #schema: Promise<Schema> | undefined;
  #notice: string | undefined;

  constructor(settings: StatementSettings, sizes: PoolSizes) {
    this.#settings = settings;
    this.#prepare = !settings.pooler;
    const reads = this.#newPool(sizes.reads);
    const writes = this.#newPool(sizes.writes);
    const looks = this.#newPool(sizes.looks);
    this.#pools = [reads, writes, looks];
    const held = [new LeanPool(reads), new LeanPool(writes), new LeanPool(looks)] as const;
    this.#held = held;
    this.#readDb = held[0];
    this.#batchDb = held[1];
    this.#lookRows = { rows: (statement) => held[2].rows(statement, settings.lookTimeoutMs) };
    this.#db = failingPlainly(held[0]);
    this.#writeDb = failingPlainly(held[1]);
    this.#lookDb = failingPlainly(held[2], settings.lookTimeoutMs);
    this.#moveDb = failingPlainly(held[0], MOVE_TIMEOUT_MS + 1000);
  }

  /** What there is to say once, if anything. */
  takeNotice(): string | undefined {
    const notice = this.#notice;
    this.#notice = undefined;
    return notice;
  }

  look(last: string | undefined, rowsMax: number): Promise<LookResult> {
    const options = { rowsMax, prepare: this.#prepare };
    return this.#knowing(async () => look(this.#lookRows, await this.#core(), last, options));
  }

  incarnate(): Promise<boolean> {
    return this.#knowing(async () => incarnate(this.#db, await this.#core()));
  }

  notify(from: string): Promise<void> {
    return this.#knowing(async () => notify(this.#lookRows, await this.#core(), from, this.#prepare));
  }

  read(space: Space, keys: readonly string[]): Promise<ReadResult> {
    return this.#knowing(async () =>
      readEntries(this.#readDb, await this.#core(), await this.#tableOf(space), keys, this.#prepare, true),
    );
  }

  countListeners(): Promise<number> {
    return this.#knowing(() => countConnections(this.#lookDb, LISTENER_NAME));
  }

  /** @returns undefined where a value takes up more than `valueBytesMax` in the table */
  readSmall(space: Space, keys: readonly string[], valueBytesMax: number): Promise<ReadResult<Packed> | undefined> {
    const options = { prepare: this.#prepare, valueBytesMax };
    return this.#knowing(async () =>
      readSmallEntries(this.#readDb, await this.#core(), await this.#tableOf(space), keys, options),
    );
  }

  write(space: Space, batch: WriteBatch): Promise<WriteResult> {
    const options = { storage: space.storage, prepare: this.#prepare, arrays: BINARY_ARRAYS };
    return this.#knowing(async () => writeBatch(this.#batchDb, await this.#tableOf(space), batch, options));
  }

  fill(space: Space, fills: readonly Fill[]): Promise<FillResult> {
    const { lockTimeoutMs } = this.#settings;
    const options = { storage: space.storage, prepare: this.#prepare, arrays: BINARY_ARRAYS, lockTimeoutMs };
    return this.#knowing(async () => offerFills(this.#batchDb, await this.#tableOf(space), fills, options));
  }

  takeLease(id: ClusterLeaseId, forMs: number): Promise<boolean> {
    return this.#knowing(async () => takeClusterLease(this.#writeDb, await this.#core(), id, forMs));
  }

  releaseLease(id: ClusterLeaseId): Promise<void> {
    return this.#knowing(async () => releaseClusterLease(this.#writeDb, await this.#core(), id));
  }

  ttls(space: Space, keys: readonly string[]): Promise<Map<string, number>> {
    return this.#knowing(async () => readTtls(this.#db, await this.#core(), await this.#tableOf(space), keys));
  }

  count(space: Space): Promise<number> {
    return this.#knowing(async () => countEntries(this.#db, await this.#core(), await this.#tableOf(space)));
  }

  cleanup(space: Space): Promise<number> {
    return this.#knowing(async () => {
      const schema = await this.#core();
      const names = await this.#tableOf(space);
      const state = await trimState(this.#db, schema);
      if (state === undefined) return 0;
      const floor = state.snapshot.split(':')[0] as string;
      return trim(this.#db, schema, { floor, incarnation: state.incarnation, onlySpaces: [names] });
    });
  }

  trim(floor: string, incarnation: string, everyMs: number): Promise<number> {
    return this.#knowing(async () => {
      const schema = await this.#core();
      const state = await trimState(this.#db, schema);
      // Another daemon did it a moment ago.
      if (state === undefined || state.ms_ago < everyMs) return 0;
      return trim(this.#db, schema, { floor, incarnation });
    });
  }

  readTopology(): Promise<Topology | undefined> {
    return this.#knowing(async () => readTopology(this.#db, await this.#core()));
  }

  beginTopology(before: Topology | undefined, from: string | undefined, topology: Topology): Promise<boolean> {
    return this.#knowing(async () => beginTopology(this.#moveDb, await this.#core(), before, from, topology));
  }

  /** What is under way fails: nobody waits for it any more. */
  async close(): Promise<void> {
    for (const held of this.#held) held.close();
    const ended = this.#pools.map((pool) => pool.end().catch(() => {}));
    for (const client of this.#busy) void client.end().catch(() => {});
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([Promise.all(ended), patience]);
    clearTimeout(timer);
  }

  #newPool(size: number): pg.Pool {
    const pool = new pg.Pool({
      ...this.#settings.connection,
      max: size,
      idleTimeoutMillis: 60_000,
      // What is not prepared is planned for the table as it is, and through a pooler a SET would be somebody else's.
      ...(this.#prepare && { onConnect: (client) => client.query(PLANNING) }),
    });
    // An idle connection that dies is taken out by the pool; without a listener its error would end the process.
    pool.on('error', () => {});
    pool.on('acquire', (client) => this.#busy.add(client));
    pool.on('release', (_, client) => this.#busy.delete(client));
    return pool;
  }

  /** Runs a statement; where it misses a table or a function, the next one sees to them again. */
  async #knowing<T>(statement: () => Promise<T>): Promise<T> {
    try {
      return await statement();
    } catch (error) {
      const failure = failureOf(error);
      if (MISSING_OBJECT.has(failure.sqlState ?? '')) this.#forget();
      throw failure;
    }
  }

  /** Makes the tables on first use, and again if they are found missing; a failure is not remembered. */
  #core(): Promise<Schema> {
    if (this.#schema === undefined) {
      this.#schema = migrateCore(this.#db, this.#settings).then(
        (made) => {
          const because = made.loggedBecause;
          if (because !== undefined) this.#notice = `regular tables in place of UNLOGGED ones: ${because}`;
          return made;
        },
        (error) => Promise.reject(neverSent(error)),
      );
      this.#schema.catch(() => this.#forget());
    }
    return this.#schema;
  }

  async #tableOf(space: Space): Promise<SpaceNames> {
    const schema = await this.#core();
    let names = this.#spaces.get(space.namespace);
    if (names === undefined) {
      names = migrateSpace(this.#db, schema, space.namespace, space.table).catch((error) => {
        return Promise.reject(neverSent(error));
      });
      this.#spaces.set(space.namespace, names);
      names.catch(() => this.#spaces.delete(space.namespace));
    }
    return names;
  }

  #forget(): void {
    this.#schema = undefined;
    this.#spaces.clear();
  }
}
