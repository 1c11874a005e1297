import { CacheableMemory } from '@cacheable/memory';
import { createLRU } from 'lru.min';
import { LRUCache } from 'lru-cache';
import QuickLRU from 'quick-lru';
import { coarseClock } from '../../client/backends/coarse-clock.js';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { Lru } from '../../shared/lru.js';

/** What is measured of each: every `set` gives the entry five minutes, where the cache knows expiry. */
export interface Contender {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  delete(key: string): void;
}

const TTL_S = 300;
const TTL_MS = TTL_S * 1000;

export const CONTENDERS: Readonly<Record<string, (maxEntries: number) => Contender>> = {
  /** As a tier uses it: a coarse clock, as lru-cache has one inside. */
  'pgcached Lru': (maxEntries) => {
    const lru = new Lru<unknown>({ maxEntries });
    const { read } = coarseClock();
    return {
      get: (key) => lru.get(key, read()),
      set: (key, value) => {
        const nowMs = read();
        lru.set(key, value, 0, nowMs + TTL_MS, nowMs);
      },
      delete: (key) => void lru.delete(key, read()),
    };
  },
  /** The whole backend: keys and TTL checked, counted, tags and loads in flight looked after. */
  LocMemCache: (maxEntries) => {
    const cache = new LocMemCache({ maxSize: maxEntries });
    return {
      get: (key) => cache.get(key),
      set: (key, value) => cache.set(key, value, TTL_S),
      delete: (key) => void cache.delete(key),
    };
  },
  'lru-cache, ttl': (max) => {
    const cache = new LRUCache<string, object>({ max, ttl: TTL_MS });
    return {
      get: (key) => cache.get(key),
      set: (key, value) => void cache.set(key, value as object),
      delete: (key) => void cache.delete(key),
    };
  },
  'quick-lru, maxAge': (maxSize) => {
    const cache = new QuickLRU<string, unknown>({ maxSize, maxAge: TTL_MS });
    return {
      get: (key) => cache.get(key),
      set: (key, value) => void cache.set(key, value),
      delete: (key) => void cache.delete(key),
    };
  },
  'lru.min (no ttl)': (max) => {
    const cache = createLRU<string, unknown>({ max });
    return {
      get: (key) => cache.get(key),
      set: (key, value) => cache.set(key, value),
      delete: (key) => void cache.delete(key),
    };
  },
  '@cacheable/memory': (lruSize) => {
    const cache = new CacheableMemory({ lruSize, ttl: TTL_MS, useClone: false, checkInterval: 0 });
    return {
      get: (key) => cache.get(key),
      set: (key, value) => cache.set(key, value),
      delete: (key) => cache.delete(key),
    };
  },
};
