import { CacheError } from '../../shared/errors.js';
import { checkTags, storedKey } from '../../shared/key.js';
import { LIMIT } from '../../shared/protocol.js';
import { field } from './fields.js';
import type { HeaderPairs } from './types.js';

/** The policy's own tag takes one place. */
const TAGS_MAX = LIMIT.tagsPerEntryMax - 1;

/**
 * The tags of `Surrogate-Key` (parted by spaces) and `Cache-Tag` (by commas).
 * @returns undefined where they cannot all be kept: a purge would miss the page
 */
export function tagsOf(headers: HeaderPairs): string[] | undefined {
  // Several fields are joined by commas; a comma may as well be part of a tag, which is then kept both ways.
  const words = (field(headers, 'surrogate-key') ?? '').split(/\s+/);
  const surrogate = words.flatMap((word) => [withoutEdges(word), ...word.split(',')]).filter((tag) => tag !== '');
  const cacheTags = (field(headers, 'cache-tag') ?? '').split(',').map((tag) => tag.trim());
  try {
    return checkTags([...surrogate, ...cacheTags.filter((tag) => tag !== '')], TAGS_MAX);
  } catch (error) {
    if (error instanceof CacheError) return undefined;
    throw error;
  }
}

/** Without the commas at both ends. */
function withoutEdges(word: string): string {
  let from = 0;
  let to = word.length;
  while (from < to && word[from] === ',') from++;
  while (to > from && word[to - 1] === ',') to--;
  return word.slice(from, to);
}

/**
 * The tag of all that is kept of one URL: every variant, and every key of a `key` function.
 * @param url path and query, as they are sent
 */
export function urlTag(host: string, url: string): string {
  return storedKey(`url:${host}${url}`);
}

const PORTS = /:(?:80|443)?$/;
const HOST = /^(?:[a-z0-9_\-.]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/;

/** @returns the host in one spelling, or undefined for what is none */
export function normalHost(host: string): string | undefined {
  const lower = host.toLowerCase();
  if (lower.length > 255 || !HOST.test(lower)) return lower === '' ? '' : undefined;
  return lower.replace(PORTS, '').replace(/\.$/, '');
}

/** The targets of Location and Content-Location, of the same host alone (RFC 9111 §4.4). @returns their tags */
export function targetTags(host: string, url: string, headers: HeaderPairs): string[] {
  const base = `http://${host === '' ? 'localhost' : host}`;
  return ['location', 'content-location'].flatMap((name) => {
    const value = field(headers, name);
    if (value === undefined) return [];
    const from = `${base}${url}`;
    if (!URL.canParse(value, from)) return [];
    const target = new URL(value, from);
    if (normalHost(target.host) !== normalHost(new URL(base).host)) return [];
    return [urlTag(host, `${target.pathname}${target.search}`)];
  });
}
