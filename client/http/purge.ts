import type { CacheAdapter } from '../../shared/cache.js';
import { CacheError } from '../../shared/errors.js';
import { given } from '../../shared/key.js';
import { checkOptionNames } from '../../shared/option-names.js';
import { normalHost, urlTag } from './tags.js';

export interface PurgeTarget {
  /** Whole URLs, such as 'https://example.org/a?b=1'; all variants of each are dropped. The scheme makes no difference. */
  urls?: readonly string[];
  /** As in `Surrogate-Key` and `Cache-Tag`. */
  tags?: readonly string[];
}

/**
 * Drops pages, on every server that shares the cache.
 * @param cache the one that the pages are kept in
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TAG, and as `invalidateTags`
 */
export async function purge(cache: CacheAdapter, target: PurgeTarget): Promise<void> {
  await cache.invalidateTags(purgeTags(target));
}

/** The tags of what is to be purged. @throws CacheError ERR_INVALID_ARGUMENT */
export function purgeTags(target: PurgeTarget): string[] {
  if (typeof target !== 'object' || target === null) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `purge takes { urls, tags }, not ${given(target)}`);
  }
  checkOptionNames(target, ['urls', 'tags']);
  const { urls = [], tags = [] } = target;
  return [...tags, ...urls.map(tagOfUrl)];
}

/** The URL is written as it is requested: a fragment goes, and nothing else changes. */
function tagOfUrl(text: string): string {
  const match = /^https?:\/\/([^/?#]+)(\/[^?#]*)?(\?[^#]*)?/i.exec(String(text));
  const host = match === null ? undefined : normalHost(match[1]!);
  if (match === null || host === undefined) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `${given(text)} is not a URL such as 'https://example.org/a?b=1'`);
  }
  return urlTag(host, `${match[2] ?? '/'}${match[3] ?? ''}`);
}
