import { LRUCache } from 'lru-cache';
import type { Caller } from '../contenders.js';

const MAX = 20_000;

/** What is in reach of one process alone: no server, no other process, no coherence. */
export async function callLruCache(): Promise<Caller> {
  const cache = new LRUCache<string, object>({ max: MAX });
  return {
    calls: { peek: (index, data) => cache.get(data.nearKeyAt(index)) },
    async warm(data) {
      for (const [index, key] of data.nearKeys.entries()) cache.set(key, data.valueAt(index));
    },
    async close() {},
  };
}
