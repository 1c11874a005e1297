import type { Cache, CacheAdapter, GetOrSetOptions, SyncCache, Ttl } from '../shared/cache.js';

/** A cache, a function that returns one (asked at each call), or the name of a registered one. */
export type CacheChoice = CacheAdapter | (() => CacheAdapter) | string;

export interface CachedOptions<
  C extends CacheChoice | undefined = CacheChoice | undefined,
  A extends unknown[] = never[],
> extends Omit<GetOrSetOptions, 'tags'> {
  /** How long a result lives: seconds, or a duration such as '5m'. Default 300. */
  ttl?: Ttl;
  /** What the keys begin with. Default: the function's name, or `Class.method`; a function without a name needs one. */
  keyPrefix?: string;
  /** Where the results are kept. Default: what `getCache()` returns at the time of the call. */
  cache?: C;
  /**
   * What identifies a call, where its arguments do not: a string is used as it is, a list is written as arguments
   * would be. Called with the `this` and the arguments of the call.
   */
  key?: (...args: A) => string | readonly unknown[];
  /** Names by which `invalidateTags` drops the results. */
  tags?: readonly string[] | ((...args: A) => readonly string[]);
  /** As in `getOrSet`, like all that is not named here; but 'auto' where it is missing and the cache is a client of the daemon. */
  inherit?: boolean | 'auto';
}

export type AnyFunction = (...args: never[]) => unknown;

/** Whether a choice of cache is known to answer with values, with promises, or only at run time. */
export type KindOf<C> = [C] extends [() => infer Made] ? KindOfAdapter<Made> : KindOfAdapter<C>;
type KindOfAdapter<A> = [A] extends [SyncCache] ? 'sync' : [A] extends [Cache] ? 'async' : 'unknown';
type Kind = 'sync' | 'async' | 'unknown';

type Answer<T, K> = K extends 'sync' ? T : K extends 'async' ? Promise<Awaited<T>> : T | Promise<Awaited<T>>;

/** The wrapped function: as it was where that holds, else with a promise as its result. */
type CachedCall<F extends AnyFunction, K> = [ReturnType<F>] extends [PromiseLike<unknown>]
  ? F
  : K extends 'sync'
    ? F
    : (this: ThisParameterType<F>, ...args: Parameters<F>) => Answer<ReturnType<F>, K>;

export interface CachedExtras<F extends AnyFunction, K> {
  /** Drops the result for these arguments. @returns whether there was one */
  invalidate(...args: Parameters<F>): Answer<boolean, K>;
  /** The key of the result for these arguments. */
  key(...args: Parameters<F>): string;
}

export type CachedFunction<F extends AnyFunction, K> = CachedCall<F, K> & CachedExtras<F, K>;

/** A method whose type stays true under this kind of cache: any with a synchronous one, else one that returns promises. */
type Decoratable<K> = (...args: never[]) => K extends 'sync' ? unknown : PromiseLike<unknown>;

/** What `cached(options)` returns: to be called with a function, or put before a method in either style of decorators. */
export interface CachedDecorator<K extends Kind> {
  <F extends AnyFunction>(fn: F): CachedFunction<F, K>;
  <This, F extends Decoratable<K>>(method: F, context: ClassMethodDecoratorContext<This>): F;
  <F extends Decoratable<K>>(
    target: object,
    property: string | symbol,
    descriptor: TypedPropertyDescriptor<F>,
  ): TypedPropertyDescriptor<F>;
}
