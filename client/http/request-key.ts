import { createHash } from 'node:crypto';
import { type Directives, parseCacheControl } from './cache-control.js';
import type { CheckedHttpOptions } from './options.js';
import { fieldKind } from './request-fields.js';
import type { Asker } from './storable.js';
import { normalHost, urlTag } from './tags.js';
import type { RequestHead } from './types.js';
import { selectedBy } from './vary.js';

/** Longer ones pass by: they are rarely pages, and would be digests as keys. */
const URL_LENGTH_MAX = 8192;
/** Nothing that ends a path: a fragment is not sent by clients, and handlers differ in what they make of it. */
const URL_START = /^\/[^#]*$/;

/** What is known of a request before anything is looked up. */
export interface Plan {
  /** Of the first page of the URL; its variants have keys of their own. */
  readonly key: string;
  readonly route: string;
  readonly urlTag: string;
  readonly asker: Asker;
  readonly directives: Directives;
  readonly request: RequestHead;
}

/** @returns how to look a page up, or in a word why it is not to be */
export function planOf(request: RequestHead, options: CheckedHttpOptions): Plan | string {
  const { method, url, headers } = request;
  if (method !== 'GET' && method !== 'HEAD') return 'method';
  if (url.length > URL_LENGTH_MAX || !URL_START.test(url)) return 'request';
  const users: string[] = [];
  const keyed: string[] = [];
  for (const name of Object.keys(headers)) {
    const kind = fieldKind(name);
    if (kind === 'plain' || headers[name] === undefined) continue;
    if (kind === 'passed') return 'request';
    (kind === 'user' ? users : keyed).push(name);
  }
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) return 'request';
  const host = normalHost(request.host);
  if (host === undefined) return 'request';
  if (options.isExcluded(request)) return 'excluded';
  const directives = directivesOf(headers);
  if (directives.has('no-store')) return 'request';

  const hasCookie = headers.cookie !== undefined;
  const isUser = options.userKey !== undefined && (users.length > 0 || hasCookie);
  const user = isUser ? userOf(request, users, options.userKey) : undefined;
  const own = options.key?.(request);
  // Whatever is no string names nobody, and nothing.
  if ((isUser && typeof user !== 'string') || (options.key !== undefined && typeof own !== 'string')) return 'excluded';

  const names = options.varyHeaders;
  const varied = `${user === undefined ? '' : digest(user)}:${selectedBy(request, names)}`;
  const query = url.indexOf('?');
  return {
    key: `http:${prefixOf(options)}${varied}:${own === undefined ? `${placeOf(request, keyed)}:u:${request.host}${url}` : `:k:${own}`}`,
    route: query === -1 ? url : url.slice(0, query),
    urlTag: urlTag(host, url),
    asker: {
      hasAuthorization: users.length > 0 && !isUser,
      hasCookie: hasCookie && !isUser && !names.includes('cookie'),
    },
    directives,
    request,
  };
}

/** Told by its length from what follows. */
const prefixOf = ({ keyPrefix }: CheckedHttpOptions) =>
  keyPrefix === undefined ? '' : `p${keyPrefix.length}:${keyPrefix}:`;

/** What a handler sees of where it is, besides Host, path and query; in most requests nothing. */
function placeOf(request: RequestHead, keyed: readonly string[]): string {
  const { origin = '' } = request;
  const said = keyed.length === 0 ? '' : selectedBy(request, [...keyed].sort());
  return origin === '' ? said : digest(`${said} ${origin}`);
}

/** Who asks, as far as the option says: by all that he says, or by what its function makes of it. */
function userOf(
  request: RequestHead,
  users: readonly string[],
  userKey: NonNullable<CheckedHttpOptions['userKey']>,
): string | undefined {
  if (userKey !== 'all') return userKey(request);
  return JSON.stringify([...users, 'cookie'].sort().map((name) => [name, request.headers[name] ?? null]));
}

/** HTTP/1.0's Pragma counts where there is no Cache-Control (RFC 9111 §5.4). */
function directivesOf(headers: RequestHead['headers']): Directives {
  const control = headers['cache-control'];
  if (control !== undefined) return parseCacheControl(control);
  const pragma = parseCacheControl(headers.pragma);
  return pragma.has('no-cache') ? parseCacheControl('no-cache') : parseCacheControl(undefined);
}

const digest = (text: string) => createHash('sha256').update(text).digest('base64url');

/** Users apart from all others: what is not to be shared among the ones may well be among the others. */
export const passingKey = (key: string, { asker }: Plan) =>
  `${asker.hasAuthorization || asker.hasCookie ? 'u' : ''}${key}`;
