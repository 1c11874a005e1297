import type {
  CompiledQuery,
  DatabaseConnection,
  Dialect,
  Driver,
  KyselyPlugin,
  PluginTransformQueryArgs,
  PostgresDialectConfig,
  QueryResult,
  TransactionSettings,
} from 'kysely';
import type { Ttl } from '../../shared/cache.js';
import { CacheError } from '../../shared/errors.js';
import { behind, type CachedPool, cachedResult } from './cached-pool.js';
import { checkQueryCache, type QueryCacheOptions, queryCall } from './request.js';
import type { QueryRunner } from './runner.js';

type Asked = QueryCacheOptions | boolean;
type SavepointArgs = Parameters<NonNullable<Driver['savepoint']>>;

/** What was asked of queries by `withCache`, by the node that they are compiled from. */
const asked = new WeakMap<object, Asked>();

/**
 * Lets queries ask for the cache: `query.$call(withCache('5m'))`, or all queries of an instance: `withCache('5m')(db)`. What is
 * said last counts. It is of no effect on writes, on what is streamed, inside transactions, and without `cachedDialect`.
 * @param cache how long, in seconds or as '5m'; or options as `pool.query` takes them; false for not at all; `defaultTtl` where it is missing
 * @returns a function from a query, or a Kysely instance, to another of the same type
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL, ERR_INVALID_TAG
 */
export function withCache(cache: Ttl | Asked = true) {
  const options: Asked = typeof cache === 'object' || typeof cache === 'boolean' ? cache : { ttl: cache };
  checkQueryCache(options);
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }: PluginTransformQueryArgs) => {
      // A node of its own: the query that this one was made from shares the other with it.
      const own = { ...node };
      asked.set(own, options);
      return own;
    },
    transformResult: async ({ result }) => result,
  };
  return <Query extends { withPlugin(plugin: KyselyPlugin): unknown }>(query: Query): Query =>
    query.withPlugin(plugin) as Query;
}

/** Of the options of PostgresDialect. */
export type CachedDialectConfig = Pick<PostgresDialectConfig, 'cursor'>;

/**
 * A dialect of Kysely whose queries are answered as those of `pool.query` are: from the cache where their tables have a
 * `cacheTtl` or the query asks for it by `withCache`, until a commit changes what they read. Transactions, streams, writes and
 * all that is not cached run on connections of the same pool, so that its writes are heard of.
 * @param pool of `cachedPool`
 * @param PostgresDialect Kysely's own
 * @param config `cursor`, for streams. The hooks for connections are refused, since what is read for the cache runs on
 *   connections that the pool itself takes: what a connection needs is set by the pool (`options`, `pool.on('connect')`)
 * @throws CacheError ERR_INVALID_ARGUMENT
 */
export function cachedDialect(
  pool: CachedPool,
  PostgresDialect: new (config: PostgresDialectConfig) => Dialect,
  config: CachedDialectConfig = {},
): Dialect {
  const { runner } = behind(pool);
  if (typeof PostgresDialect !== 'function') {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'cachedDialect takes a pool and the class PostgresDialect of Kysely');
  }
  const other = Object.keys(config).find((name) => name !== 'cursor');
  if (other !== undefined) {
    const problem = `${other} of PostgresDialect: set what connections need by the pool (options, pool.on('connect'))`;
    throw new CacheError('ERR_INVALID_ARGUMENT', problem);
  }
  const own = new PostgresDialect({ ...config, pool });
  return {
    createDriver: () => new CachedDriver(own.createDriver(), runner),
    createQueryCompiler: () => own.createQueryCompiler(),
    createAdapter: () => own.createAdapter(),
    createIntrospector: (db) => own.createIntrospector(db),
  };
}

class CachedDriver implements Driver {
  readonly #driver: Driver;
  readonly #runner: QueryRunner;

  constructor(driver: Driver, runner: QueryRunner) {
    this.#driver = driver;
    this.#runner = runner;
  }

  init(): Promise<void> {
    return this.#driver.init();
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return new CachedConnection(this.#driver, this.#runner);
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    await this.#driver.beginTransaction(await reserved(connection), settings);
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await this.#driver.commitTransaction(await reserved(connection));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await this.#driver.rollbackTransaction(await reserved(connection));
  }

  async savepoint(connection: DatabaseConnection, ...[name, compile]: Rest): Promise<void> {
    await this.#driver.savepoint?.(await reserved(connection), name, compile);
  }

  async rollbackToSavepoint(connection: DatabaseConnection, ...[name, compile]: Rest): Promise<void> {
    await this.#driver.rollbackToSavepoint?.(await reserved(connection), name, compile);
  }

  async releaseSavepoint(connection: DatabaseConnection, ...[name, compile]: Rest): Promise<void> {
    await this.#driver.releaseSavepoint?.(await reserved(connection), name, compile);
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await (connection as CachedConnection).release();
  }

  destroy(): Promise<void> {
    return this.#driver.destroy();
  }
}

type Rest = [name: SavepointArgs[1], compile: SavepointArgs[2]];

const reserved = (connection: DatabaseConnection) => (connection as CachedConnection).reserved();

/**
 * A connection that takes one of the pool's with the first statement that is not cached, and keeps it from then on: what a
 * session or a transaction did before may count in what comes after, so nothing is cached there. Kysely asks one thing at a
 * time of a connection.
 */
class CachedConnection implements DatabaseConnection {
  readonly #driver: Driver;
  readonly #runner: QueryRunner;
  #reserved: Promise<DatabaseConnection> | undefined;

  constructor(driver: Driver, runner: QueryRunner) {
    this.#driver = driver;
    this.#runner = runner;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#reserved === undefined) {
      const { sql: text, parameters, query: node } = query;
      const call = queryCall([{ text, values: [...parameters], cache: asked.get(node) }]);
      const result = await cachedResult(this.#runner, call);
      if (result !== undefined) return { rows: result.rows as Row[] };
    }
    return (await this.reserved()).executeQuery<Row>(query);
  }

  async *streamQuery<Row>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<Row>> {
    yield* (await this.reserved()).streamQuery<Row>(query, chunkSize);
  }

  reserved(): Promise<DatabaseConnection> {
    this.#reserved ??= this.#driver.acquireConnection();
    return this.#reserved;
  }

  async release(): Promise<void> {
    // One that could not be had is not given back; its caller was told.
    const connection = await this.#reserved?.catch(() => undefined);
    if (connection !== undefined) await this.#driver.releaseConnection(connection);
  }
}
