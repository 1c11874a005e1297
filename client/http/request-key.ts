import { createHash } from 'node:crypto';
import { type Directives, parseCacheControl } from './cache-control.js';
import type { CheckedHttpOptions } from './options.js';
import type { Asker } from './storable.js';
import { normalHost, urlTag } from './tags.js';
import type { RequestHead } from './types.js';
import { selectedBy } from './vary.js';

/** Longer ones pass by: they are rarely pages, and would be digests as keys. */
const URL_LENGTH_MAX = 8192;

/**
 * Fields that handlers and frameworks build links and routes from: who sends one gets pages of his own. X-Forwarded-For is
 * not among them, since every client has another: a page that depends on it must say so (docs/http.md).
 */
const KEYED = [
  'forwarded',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-host',
  'x-original-host',
  'x-original-url',
  'x-rewrite-url',
];
/** Fields by which a client, or a proxy that has let him in, says who he is: each counts as Authorization does. */
export const CREDENTIALS = [
  'authorization',
  'proxy-authorization',
  'cf-access-jwt-assertion',
  'remote-user',
  'x-access-token',
  'x-amzn-oidc-data',
  'x-amzn-oidc-identity',
  'x-api-key',
  'x-auth-request-email',
  'x-auth-request-user',
  'x-auth-token',
  'x-client-cert',
  'x-forwarded-client-cert',
  'x-forwarded-email',
  'x-forwarded-user',
  'x-goog-iap-jwt-assertion',
  'x-ms-client-principal',
  'x-remote-user',
  'x-ssl-client-cert',
  'x-user-id',
];
/** Fields by which a GET is not one, and conditions that a stored page cannot stand for. */
const PASSED_BY = [
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'upgrade',
  'if-match',
  'if-unmodified-since',
];

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
  if (!url.startsWith('/') || url.length > URL_LENGTH_MAX) return 'request';
  if (PASSED_BY.some((name) => headers[name] !== undefined)) return 'request';
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) return 'request';
  const host = normalHost(request.host);
  if (host === undefined) return 'request';
  if (options.isExcluded(request)) return 'excluded';
  const directives = directivesOf(headers);
  if (directives.has('no-store')) return 'request';

  const hasAuthorization = CREDENTIALS.some((name) => headers[name] !== undefined);
  const hasCookie = headers.cookie !== undefined;
  const isUser = options.userKey !== undefined && (hasAuthorization || hasCookie);
  const user = isUser ? userOf(request, options.userKey) : '';
  const own = options.key === undefined ? undefined : options.key(request);
  if (user === undefined || (options.key !== undefined && own === undefined)) return 'excluded';

  const names = options.varyHeaders;
  const keyed = options.key === undefined ? KEYED.filter((name) => headers[name] !== undefined) : [];
  const parts = [own ?? `${host}${url}`, selectedBy(request, names), selectedBy(request, keyed)];
  const key = `http:${user === '' ? '' : digest(user)}:${parts[1]}:${parts[2]}:${own === undefined ? 'u' : 'k'}:${parts[0]}`;
  const query = url.indexOf('?');
  return {
    key,
    route: query === -1 ? url : url.slice(0, query),
    urlTag: urlTag(host, url),
    asker: {
      hasAuthorization: hasAuthorization && !isUser,
      hasCookie: hasCookie && !isUser && !names.includes('cookie'),
    },
    directives,
    request,
  };
}

/** Who asks, as far as the option says: by all that he says, or by what its function makes of it. */
function userOf(request: RequestHead, userKey: NonNullable<CheckedHttpOptions['userKey']>): string | undefined {
  if (userKey !== 'all') return userKey(request);
  return JSON.stringify([...CREDENTIALS, 'cookie'].map((name) => request.headers[name] ?? null));
}

/** HTTP/1.0's Pragma counts where there is no Cache-Control (RFC 9111 §5.4). */
function directivesOf(headers: RequestHead['headers']): Directives {
  const control = headers['cache-control'];
  if (control !== undefined) return parseCacheControl(control);
  const pragma = parseCacheControl(headers.pragma);
  return pragma.has('no-cache') ? parseCacheControl('no-cache') : parseCacheControl(undefined);
}

const digest = (text: string) => createHash('sha256').update(text).digest('base64url');
