/** What stands in place of a password. */
export const REDACTED = '***';

/** A secret shorter than this would blot out ordinary text wherever it happens to occur. */
const SECRET_LENGTH_MIN = 4;

/** `://user:password@`, where a password written without percent-encoding may itself hold `@`, `:` or `/`. */
const URL_PASSWORD = /(:\/\/[^\s:@/?#]*):\S*@/g;
/** `password=…` as in a URL's query or in libpq's keyword form, where it may be quoted. */
const NAMED_PASSWORD = /\b((?:ssl)?password|passwd|pwd)(\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]*)/gi;
const JSON_PASSWORD = /("(?:ssl)?password"\s*:\s*)"(?:[^"\\]|\\.)*"/gi;

/**
 * Takes every password out of a text: of any URL, of `password=…`, and the given secrets wherever they stand.
 * It rather takes out too much than too little.
 * @param secrets passwords known from the configuration, as written and decoded
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  let clean = text
    .replace(URL_PASSWORD, `$1:${REDACTED}@`)
    .replace(NAMED_PASSWORD, `$1$2${REDACTED}`)
    .replace(JSON_PASSWORD, `$1"${REDACTED}"`);
  for (const secret of secrets) {
    if (secret.length >= SECRET_LENGTH_MIN) clean = clean.replaceAll(secret, REDACTED);
  }
  return clean;
}

/** The same for every string within plain data (as JSON.parse gives it), keys included. */
export function redactDeep<T>(data: T, secrets: readonly string[] = []): T {
  return walk(data) as T;

  function walk(value: unknown): unknown {
    if (typeof value === 'string') return redact(value, secrets);
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([key, inner]) => {
      const isSecret = /^(ssl)?password$/i.test(key) && typeof inner === 'string';
      return [redact(key, secrets), isSecret ? REDACTED : walk(inner)];
    });
    return Object.fromEntries(entries);
  }
}

/** The passwords of a database URL and of the environment, longest first, each as it is written and as it is meant. */
export function secretsOf(
  databaseUrl: string | readonly string[] | undefined,
  environment: Readonly<Record<string, string | undefined>>,
) {
  const secrets = new Set<string>();
  const add = (secret: string | null | undefined): void => {
    if (!secret) return;
    secrets.add(secret);
    secrets.add(encodeURIComponent(secret));
    try {
      secrets.add(decodeURIComponent(secret));
    } catch {
      // It was not percent-encoded: as written is all there is.
    }
  };
  add(environment.PGPASSWORD);
  for (const url of databaseUrl === undefined ? [] : [databaseUrl].flat()) {
    add(/:\/\/[^\s:@/?#]*:(.*)@/s.exec(url)?.[1]);
    for (const [, password] of url.matchAll(/[?&](?:ssl)?password=([^&]*)/gi)) add(password);
  }
  return [...secrets].sort((a, b) => b.length - a.length);
}
