import { HttpCache, type HttpCacheOptions } from '../../client/http/index.js';
import { LocMemCache } from '../../client/index.js';
import type { RunningSite } from './http-suite/site.js';

/** Long enough to be worth compressing. */
export const PAGE = 'a page '.repeat(300);

export interface Fetched {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  readonly cache: string | null;
}

/** A cache of its own. */
export function newPolicy(options: HttpCacheOptions = {}): HttpCache {
  return new HttpCache({ cache: new LocMemCache(), ttl: 60, ...options });
}

/** Hands a site to a test, and closes it. */
export async function using(
  starting: Promise<RunningSite>,
  check: (get: (path: string, headers?: Record<string, string>) => Promise<Fetched>) => Promise<void>,
): Promise<void> {
  const site = await starting;
  try {
    await check(async (path, headers = {}) => {
      const response = await fetch(`${site.url}${path}`, { headers });
      const text = await response.text();
      return { status: response.status, text, headers: response.headers, cache: response.headers.get('x-cache') };
    });
  } finally {
    await site.close();
  }
}
