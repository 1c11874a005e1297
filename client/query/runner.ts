import type pg from 'pg';
import type { GetOrSetOptions, LoadContext } from '../../shared/cache.js';
import { CacheError } from '../../shared/errors.js';
import { tagName, wholeNames } from '../../shared/table/names.js';
import { manyRowsTag, rowId, rowTag, TABLES_NAMESPACE, tableTag } from '../../shared/table-tags.js';
import { dependOn, isInheriting, loseParts } from '../parts.js';
import { isInTransaction } from '../transaction.js';
import { Adaptive, type JudgedCall } from './adaptive.js';
import { type Classified, knownFacts } from './classifier.js';
import { Gate, type Passage } from './gate.js';
import { Learned } from './learned.js';
import type { CheckedPoolOptions } from './options.js';
import { directQuery, driverQuery, isProven, keyOf } from './query-key.js';
import { bytesOf, type RawResult, rawResult, resultOf } from './raw-result.js';
import { checkQueryCache, type QueryCacheOptions, type QueryRequest } from './request.js';
import { type DriverClient, isIdle, knownSession } from './session.js';
import { CacheStats } from './stats.js';
import { Strays } from './strays.js';
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

/** A query's own run. */
interface Run {
  /** How many writes of this pool had been acknowledged when it began. */
  readonly begunAt: number;
  /** What it took; NaN where that tells nothing of what it takes. */
  readonly ms: number;
}

/** Runs queries of one pool through the cache. */
export class QueryRunner {
  readonly gate: Gate;
  readonly stats = new CacheStats();
  readonly #pool: pg.Pool;
  readonly #options: CheckedPoolOptions;
  readonly #learned: Learned;
  /** undefined where what is to be cached is cached, whether it pays or not. */
  readonly #adaptive: Adaptive | undefined;
  readonly #unwatched: UnwatchedTables;
  /** Tables that were cached here, as SQL names them. */
  readonly #cachedTables = new Set<string>();
  readonly #strays: Strays;
  /** Writes of this pool that were acknowledged. */
  #writes = 0;
  /** Results of this process. */
  readonly #runs = new WeakMap<RawResult, Run>();

  /** @throws CacheError ERR_INVALID_ARGUMENT */
  constructor(pool: pg.Pool, options: CheckedPoolOptions) {
    this.#pool = pool;
    this.#options = options;
    this.gate = new Gate(pool, options.cache, options.onWarning);
    this.#learned = new Learned(pool, this.gate, options);
    if (options.adaptive) this.#adaptive = new Adaptive(pool, () => this.gate.seeCommits());
    this.#unwatched = new UnwatchedTables(options.onWarning);
    for (const name of options.tableTtlMs.keys()) this.#cachedTables.add(nameInSql(name));
    this.#strays = new Strays(pool);
  }

  /** The tables that this pool caches, as far as they are known by now. */
  cachedTables(): readonly string[] {
    return [...this.#cachedTables];
  }

  /** What the catalog said counts no more. What is being found out now is thrown away too: it may be from before. */
  forgetCatalog(): void {
    this.#learned.forget();
  }

  /** Something was run on the connection that may have changed its session. */
  mayDiffer(client: DriverClient): void {
    this.#strays.add(client);
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
    return this.#learned.classify({ text, parameters }, admission);
  }

  /**
   * A result from the cache, or of the query's own run, which is then cached.
   * @returns undefined where it is not to be cached; `onBypass` was told
   * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL, ERR_INVALID_TAG for what was asked of the cache
   */
  async run(request: QueryRequest): Promise<pg.QueryResult | undefined> {
    checkQueryCache(request.cache);
    const isJudged = this.#isJudged(request);
    const known = isJudged ? this.#adaptive?.find(request) : undefined;
    if (known !== undefined && !isInheriting() && this.#adaptive?.isDirect(known))
      return this.#direct(known, () => this.#pool.query(directQuery(request)));
    const admitted = await this.#admit(request);
    if (typeof admitted === 'string') {
      this.stats.bypasses += 1;
      this.#options.onBypass({ text: request.text, reason: admitted });
      // Nobody would tell what is made of it that its tables have changed.
      loseParts();
      return undefined;
    }
    const { ttl } = admitted.options;
    const call = isJudged && ttl !== undefined ? (known ?? this.#adaptive?.call(request)) : undefined;
    const isDirect = call !== undefined && this.#adaptive?.isDirect(call) === true;
    const uncached = async () => this.#made(await this.#execute(admitted, undefined), admitted);
    if (isDirect) return this.#direct(call, uncached);
    return ttl === undefined ? uncached() : this.#cached(admitted, call);
  }

  /** Whether it has to be worth being cached: who asks for it himself is not argued with. */
  #isJudged({ text, cache }: QueryRequest): boolean {
    return cache === undefined && !isInTransaction() && knownFacts(text).keepsSession;
  }

  async #direct(call: JudgedCall, run: () => Promise<pg.QueryResult>): Promise<pg.QueryResult> {
    this.stats.bypasses += 1;
    this.stats.direct += 1;
    return this.#adaptive!.direct(call, run);
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
    if (this.#strays.any && !(await this.#strays.runsAsProven(passage.session)))
      return "the session of the pool's connection is not as that of others (SET, temporary tables, a transaction)";
    const classified = await this.#learned.classify({ text, parameters }, passage).catch((error: Error) => ({
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

  async #cached(admitted: Admitted, call: JudgedCall | undefined): Promise<pg.QueryResult> {
    const { request, passage, options } = admitted;
    if (call !== undefined) await this.#adaptive?.seeDirectRuns(call);
    const askedAt = this.#writes;
    const watch = this.#adaptive?.stopwatch();
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
    let isAnswered = true;
    try {
      result = await this.#options.cache.getOrSet<RawResult>(keyOf(request, passage.session), load, options);
    } catch (error) {
      isAnswered = false;
      result = await this.#instead(error, own, admitted);
    }
    const isHit = own.result === undefined;
    if (call !== undefined && isAnswered) {
      const ownMs = isHit ? undefined : this.#runs.get(own.result!)?.ms;
      const reason = this.#adaptive?.took(call, watch?.() ?? Number.NaN, ownMs);
      if (reason !== undefined) this.#options.onBypass({ text: request.text, reason });
    }
    // While the daemon is away calls share a run in this process: one that began before a write is no answer after it.
    if ((this.#runs.get(result)?.begunAt ?? askedAt) < askedAt) result = await this.#execute(admitted, undefined);
    if (isHit) this.stats.hits += 1;
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
    const isCurrent = this.#learned.isCurrent(classified);
    const watch = this.#adaptive?.stopwatch();
    let ms = Number.NaN;
    const { isSame, result } = await withClient(this.#pool, async (client) => {
      const isKnown = knownSession(client) !== undefined;
      const isSame = await isProven(client, passage.session);
      const result = rawResult(await client.query(driverQuery(request)));
      if (isKnown && watch !== undefined) ms = watch();
      await this.#unwatched.look(client, classified.tables, this.gate.knownFunction);
      return { isSame, result };
    });
    this.#runs.set(result, { begunAt, ms });
    const isFollowed = this.#follow(passage, classified, isSame, isSame && (await isCurrent));
    if (!isFollowed || bytesOf(result) > this.#options.maxResultBytes) context?.skip();
    else if (context !== undefined) this.stats.sets += 1;
    return result;
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
    const classified = await this.#learned
      .classify(request, admission, (work) => work(client))
      .catch((error: Error) => ({ bypass: error.message }));
    if (classified.bypass !== undefined) return loseParts();
    const isSame = await isProven(client, admission.session);
    this.#follow(admission, classified, isSame, isSame && (await this.#learned.isCurrent(classified)));
  }
}
