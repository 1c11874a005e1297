/** What a field of a request is to the cache. */
export type FieldKind =
  /** It says who asks. */
  | 'user'
  /** Handlers and frameworks build links and routes from it: who sends one gets pages of his own. */
  | 'keyed'
  /** With it a GET is not one, or sets a condition that a stored page cannot stand for. */
  | 'passed'
  | 'plain';

/** X-Forwarded-For is not among them, since every client has another: a page that depends on it must say so (docs/http.md). */
const KEYED = new Set([
  ':authority',
  'base-url',
  'cf-visitor',
  'forwarded',
  'front-end-https',
  'x-base-url',
  'x-envoy-original-path',
  'x-forwarded',
  'x-forwarded-host',
  'x-forwarded-path',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-forwarded-protocol',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-forwarded-uri',
  'x-host',
  'x-http-host-override',
  'x-original-host',
  'x-original-uri',
  'x-original-url',
  'x-rewrite-url',
  'x-scheme',
  'x-script-name',
  'x-url-scheme',
]);
const PASSED = new Set([
  'if-match',
  'if-unmodified-since',
  'upgrade',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-method',
]);

/**
 * Words by which a client, or a proxy that has let him in, says who he is: `Authorization`, `X-Api-Key`, `X-Auth-Request-Email`,
 * `Private-Token`, `X-Forwarded-Client-Cert`, and what the next gateway will call it.
 */
const USER =
  /(?:^|[-_])(?:auth\w*|(?:\w+)?token|jwt|oidc|saml|dpop|wsse|(?:\w+)?api[-_]?key|(?:access|subscription|license)[-_]key|session(?:[-_]?id)?|sid|user(?:id|name|info)?|uid|e?mail|login|account|credentials?|secret|passw(?:or)?d|principal|identity|groups|consumer|customer|tenant|cert|certificate|dn)(?:$|[-_])/;
/** What speaks of a user's device or whereabouts, and is there for everybody. */
const NO_USER = /user-(?:agent|ip|country|region|city)/g;

/** Kinds of the names that were met; names come from clients, so only so many are remembered. */
const KINDS_MAX = 1000;
const KNOWN_NAME_LENGTH_MAX = 100;
const kinds = new Map<string, FieldKind>();

/** @param name in lower case */
export function fieldKind(name: string): FieldKind {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  const kind = kindOf(name);
  if (kinds.size < KINDS_MAX && name.length <= KNOWN_NAME_LENGTH_MAX) kinds.set(name, kind);
  return kind;
}

function kindOf(name: string): FieldKind {
  if (KEYED.has(name)) return 'keyed';
  if (PASSED.has(name)) return 'passed';
  return USER.test(name.slice(0, KNOWN_NAME_LENGTH_MAX).replace(NO_USER, '')) ? 'user' : 'plain';
}
