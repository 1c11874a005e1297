declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';
  export interface LoadOptions {
    readonly url: string | readonly string[];
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
    readonly requests: readonly { readonly path: string }[];
  }
  export interface LoadResult {
    readonly requests: { readonly total: number };
    /** Seconds. */
    readonly duration: number;
    readonly errors: number;
    readonly timeouts: number;
    readonly non2xx: number;
  }
  const autocannon: (options: LoadOptions) => EventEmitter & Promise<LoadResult>;
  export default autocannon;
}
declare module 'apicache' {
  import type { RequestHandler } from 'express';

  interface ApiCache {
    options(options: { readonly redisClient?: unknown }): ApiCache;
    middleware(duration: string): RequestHandler;
    newInstance(): ApiCache;
  }
  const apicache: ApiCache;
  export default apicache;
}
