export { HttpCache } from './engine.js';
export type { HttpCacheOptions } from './options.js';
export { type PurgeTarget, purge } from './purge.js';
export type {
  Exchange,
  HeaderPairs,
  Judge,
  Outcome,
  Reply,
  RequestChanges,
  RequestHead,
  ResponseHead,
  Verdict,
} from './types.js';
export { cacheHandler, type WebHandler } from './web.js';
