import type pg from 'pg';
import type { GetOrSetOptions, LoadContext } from '../../shared/cache.js';
import { CacheError } from '../../shared/errors.js';
import { tagName, wholeNames } from '../../shared/table/names.js';
import { manyRowsTag, rowId, rowTag, TABLES_NAMESPACE, tableTag } from '../../shared/table-tags.js';
import { dependOn, isInheriting, loseParts } from '../parts.js';
import { isInTransaction } from '../transaction.js';
import type { AskCatalog } from './catalog.js';
import { CatalogEpoch } from './catalog-epoch.js';
import { type Classified, Classifier, knownFacts } from './classifier.js';
import { Gate, type OnConnection, type Passage } from './gate.js';
import type { CheckedPoolOptions } from './options.js';
import { driverQuery, isProven, keyOf } from './query-key.js';
import { bytesOf, type RawResult, rawResult, resultOf } from './raw-result.js';
import { checkQueryCache, type QueryCacheOptions, type QueryRequest } from './request.js';
import { type DriverClient, forgetSession, isIdle, type Session } from './session.js';
import { CacheStats } from './stats.js';
import { nameInSql, quotedTable, tableNamed, ttlOf } from './table-ttl.js';
import { UnwatchedTables } from './warnings.js';
import { withClient } from './with-client.js';

type Known = Extract<Classified, { readonly bypass: undefined }>;

interface Admitted {
  readonly request: QueryRequest;
  readonly passage: Passage;
  readonly classified: Known;
  readonly options: GetOrSetOptions;
}

/** Runs queries of one pool through the cache. */
export class QueryRunner {
  readonly gate: Gate;
  readonly stats = new CacheStats();
  readonly #pool: pg.Pool;
  readonly #options: CheckedPoolOptions;
  readonly #epochs: CatalogEpoch;
  readonly #unwatched: UnwatchedTables;
  #classifier: Classifier;
  /** What the classifier knows was learned in this session's sight, while the catalog's epoch was this. */
  #learned: { settings: string; epoch: string } | undefined;
  /** Tables that were cached here, as SQL names them. */
  readonly #cachedTables = new Set<string>();
  /** Connections whose session may differ from that which was proven. */
  readonly #different = new Set<DriverClient>();
  readonly #learnedIn = new WeakMap<Classified, string>();
  /** Writes of this pool that were acknowledged. */
  #writes = 0;
  /** How many there were when a result of this process was begun. */
  readonly #begunAt = new WeakMap<object, number>();

  /** @throws CacheError ERR_INVALID_ARGUMENT */
  constructor(pool: pg.Pool, options: CheckedPoolOptions) {
    this.#pool = pool;
    this.#options = options;
    this.gate = new Gate(pool, options.cache, options.onWarning);
    this.#unwatched = new UnwatchedTables(options.onWarning);
    this.#classifier = new Classifier(options.catalogTtlMs);
    this.#epochs = new CatalogEpoch(options.cache);
    for (const name of options.tableTtlMs.keys()) this.#cachedTables.add(nameInSql(name));
    pool.on('remove', (client) => this.#different.delete(client as DriverClient));
  }

  /** The tables that this pool caches, as far as they are known by now. */
  cachedTables(): readonly string[] {
    return [...this.#cachedTables];
  }

  /** What the catalog said counts no more. What is being found out now is thrown away too: it may be from before. */
  forgetCatalog(): void {
    this.#classifier = new Classifier(this.#options.catalogTtlMs);
    this.#learned = undefined;
  }

  /** Something was run on the connection that may have changed its session. */
  mayDiffer(client: DriverClient): void {
    forgetSession(client);
    this.#different.add(client);
  }

  /** Something was written through the pool and is committed, or may be: later reads are not to be older. */
  async wrote(): Promise<void> {
    this.#writes += 1;
    await this.gate.seeCommits();
  }

  /** @param table 'products' or 'shop.products' */
  async invalidateTable(table: string): Promise<void> {
    const name = tableNamed(table);
    this.stats.invalidations += 1;
    this.stats.tableInvalidations += 1;
    await this.gate.tables.invalidateTags([tableTag(name), manyRowsTag(name)]);
    await this.wrote();
  }

  /** @param key the primary key's values, in its order */
  async invalidateRow(table: string, key: readonly (string | number | bigint)[]): Promise<void> {
    const name = tableNamed(table);
    this.stats.invalidations += 1;
    this.stats.rowInvalidations += 1;
    await this.gate.tables.invalidateTags([tableTag(name), rowTag(name, rowId(key.map(String)))]);
    await this.wrote();
  }

  async invalidateAll(): Promise<void> {
    this.stats.invalidations += 1;
    await this.gate.tables.clear();
    // The epoch is over: what is learned from here on may be kept at once.
    this.forgetCatalog();
    await this.wrote();
  }

  /**
   * Which tables and rows a query reads, or why that can't be known.
   * @param parameters what it is sent with
   */
  async classify({ text, parameters = [] }: Pick<QueryRequest, 'text' | 'parameters'>): Promise<Classified> {
    const admission = await this.gate.admission();
    if (admission.bypass !== undefined) return admission;
    return this.#classify({ text, parameters }, admission, this.#asking(admission.session));
  }

  async #classify(
    { text, parameters = [] }: Pick<QueryRequest, 'text' | 'parameters'>,
    { session, place }: Passage,
    ask: AskCatalog,
  ): Promise<Classified> {
    if (this.#learned?.settings !== session.settings) {
      const epoch = await this.#epochs.current(place);
      if (epoch === undefined) return { bypass: 'the cache stores nothing for now' };
      // Names mean something else in another session, and what others changed was heard of.
      this.forgetCatalog();
      this.#learned = { settings: session.settings, epoch };
    }
    const learned = this.#learned;
    const classified = await this.#classifier.classify(text, parameters, ask);
    if (classified.bypass === undefined) this.#learnedIn.set(classified, learned.epoch);
    return classified;
  }

  /**
   * A result from the cache, or of the query's own run, which is then cached.
   * @returns undefined where it is not to be cached; `onBypass` was told
   * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL, ERR_INVALID_TAG for what was asked of the cache
   */
  async run(request: QueryRequest): Promise<pg.QueryResult | undefined> {
    checkQueryCache(request.cache);
    const admitted = await this.#admit(request);
    if (typeof admitted !== 'string') return this.#cached(admitted);
    this.stats.bypasses += 1;
    this.#options.onBypass({ text: request.text, reason: admitted });
    // Nobody would tell what is made of it that its tables have changed.
    loseParts();
    return undefined;
  }

  async #admit(request: QueryRequest): Promise<Admitted | string> {
    const { text, cache } = request;
    if (isInTransaction()) return 'it runs inside withTransaction';
    // What is made of it is to die with its tables also where it is not kept itself.
    if (cache === false && !isInheriting()) return 'it was asked not to be';
    const { bypass } = knownFacts(text);
    if (bypass !== undefined) return bypass;
    const isAsked = cache !== undefined && cache !== false;
    if (!isAsked && this.#options.tableTtlMs.size === 0 && !isInheriting()) return 'no table has a cacheTtl';
    const passage = await this.gate.admission();
    if (passage.bypass !== undefined) return passage.bypass;
    const { parameters = [] } = request;
    if (this.#different.size > 0 && !(await this.#runsAsProven(passage.session)))
      return "the session of the pool's connection is not as that of others (SET, temporary tables, a transaction)";
    const asking = this.#asking(passage.session);
    const classified = await this.#classify({ text, parameters }, passage, asking).catch((error: Error) => ({
      bypass: error.message,
    }));
    if (classified.bypass !== undefined) return classified.bypass;
    const own: QueryCacheOptions = typeof cache === 'object' ? cache : {};
    const ofTables = () => (cache === false ? undefined : ttlOf(classified.named, this.#options.tableTtlMs));
    const ttl = isAsked ? (own.ttl ?? this.#options.defaultTtlMs / 1000) : ofTables();
    if (ttl === undefined && !isInheriting()) return 'not all of its tables have a cacheTtl';
    const { tags, grace, beta, coalesce } = own;
    const given = { tags, grace, beta, coalesce };
    const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    if (ttl !== undefined) for (const one of classified.related) this.#cachedTables.add(quotedTable(one));
    return {
      request,
      passage,
      classified,
      options: { ...options, inherit: true, ...(ttl === undefined ? {} : { ttl }) },
    };
  }

  async #cached(admitted: Admitted): Promise<pg.QueryResult> {
    const { request, passage, options } = admitted;
    if (options.ttl === undefined) return this.#made(await this.#execute(admitted, undefined), admitted);
    const askedAt = this.#writes;
    const own: { result?: RawResult; error?: unknown } = {};
    const load = async (context: LoadContext) => {
      try {
        own.result = await this.#execute(admitted, context);
        return own.result;
      } catch (error) {
        own.error = error;
        throw error;
      }
    };
    let result: RawResult;
    try {
      result = await this.#options.cache.getOrSet<RawResult>(keyOf(request, passage.session), load, options);
    } catch (error) {
      result = await this.#instead(error, own, admitted);
    }
    // While the daemon is away calls share a run in this process: one that began before a write is no answer after it.
    if ((this.#begunAt.get(result) ?? askedAt) < askedAt) result = await this.#execute(admitted, undefined);
    if (own.result === undefined) this.stats.hits += 1;
    else this.stats.misses += 1;
    return this.#made(result, admitted);
  }

  /** The query's own error as the driver threw it; somebody else's may have been of his connection: then it is run here. */
  async #instead(error: unknown, own: { result?: RawResult; error?: unknown }, admitted: Admitted): Promise<RawResult> {
    if (own.error !== undefined) throw own.error;
    if (own.result !== undefined) return own.result;
    // Of a client that asked to be told (`onUnavailable: 'throw'`). One that was closed was not: queries outlive their cache.
    if (error instanceof CacheError && ['ERR_UNAVAILABLE', 'ERR_TIMEOUT'].includes(error.code)) throw error;
    return this.#execute(admitted, undefined);
  }

  #made(result: RawResult, { request, passage }: Admitted): pg.QueryResult {
    return resultOf(result, request.rowMode, request.types ?? passage.session.types);
  }

  /** Runs the query on a connection of the pool, and lets the load that runs here depend on what it reads. */
  async #execute({ request, passage, classified }: Admitted, context: LoadContext | undefined): Promise<RawResult> {
    const begunAt = this.#writes;
    // Asked while the query runs, but of a load that has begun: its lease hears of all that comes after the answer.
    const isCurrent = this.#epochs.holds(this.#learnedIn.get(classified));
    const { isSame, result } = await withClient(this.#pool, async (client) => {
      const isSame = await isProven(client, passage.session);
      const result = rawResult(await client.query(driverQuery(request)));
      await this.#unwatched.look(client, classified.tables, this.gate.knownFunction);
      return { isSame, result };
    });
    const isFollowed = this.#follow(passage, classified, isSame, isSame && (await isCurrent));
    if (!isFollowed || bytesOf(result) > this.#options.maxResultBytes) context?.skip();
    else if (context !== undefined) this.stats.sets += 1;
    this.#begunAt.set(result, begunAt);
    return result;
  }

  /** Whether a query that ran now would run in the session that was proven: it takes the connection that it would be given. */
  #runsAsProven(session: Session): Promise<boolean> {
    return withClient(this.#pool, async (client) => {
      const isSame = await isProven(client, session);
      if (isSame) this.#different.delete(client);
      return isSame;
    });
  }

  /** What is read becomes part of what is made of it; or that is not to be kept, where it can't be known. @returns whether it can */
  #follow({ place }: Passage, { tags }: Known, isSame: boolean, isCurrent: boolean): boolean {
    if (isSame && isCurrent) {
      dependOn(place, [...wholeNames(TABLES_NAMESPACE), ...tags.map((tag) => tagName(TABLES_NAMESPACE, tag))]);
      return true;
    }
    if (isSame) this.forgetCatalog();
    else this.gate.reset();
    loseParts();
    return false;
  }

  /** The same for a query that the caller runs himself, on a connection that he has checked out. */
  async follow(client: DriverClient, request: QueryRequest): Promise<void> {
    if (!isInheriting()) return;
    if (!isIdle(client) || knownFacts(request.text).read === undefined) return loseParts();
    const admission = await this.gate.admissionOn(client);
    if (admission.bypass !== undefined) return loseParts();
    const asking = this.#asking(admission.session, (work) => work(client));
    const classified = await this.#classify(request, admission, asking).catch((error: Error) => ({
      bypass: error.message,
    }));
    if (classified.bypass !== undefined) return loseParts();
    const isSame = await isProven(client, admission.session);
    this.#follow(admission, classified, isSame, isSame && (await this.#epochs.holds(this.#learnedIn.get(classified))));
  }

  /** Asks on a connection of the same session, whose names mean the same. */
  #asking(session: Session, onConnection: OnConnection = (work) => withClient(this.#pool, work)): AskCatalog {
    return (text, values) =>
      onConnection(async (client) => {
        if (!(await isProven(client, session))) {
          this.gate.reset();
          throw new CacheError('ERR_DATABASE', "the pool's connections differ in their settings");
        }
        const { rows } = await client.query({ text, values });
        return rows as Record<string, unknown>[];
      });
  }
}
