const SCHEMES = ['postgres:', 'postgresql:', 'socket:'];
/** A comma may also stand within a URL: only one that another URL follows divides two. */
const BETWEEN_URLS = /,(?=\s*(?:postgres(?:ql)?|socket):)/;

/**
 * Reads `databaseUrl`: one URL, or several as an array or with commas between them. No error shows any part of a URL,
 * since any part may turn out to be of a password.
 */
export function readDatabases(raw: unknown): string | readonly string[] {
  const urls = (Array.isArray(raw) ? raw : [raw]).flatMap((item: unknown) => {
    if (typeof item !== 'string') throw new Error('must be a URL, or several');
    return item.split(BETWEEN_URLS).map((url) => url.trim());
  });
  for (const url of urls) checkUrl(url);
  const [first] = urls;
  if (first === undefined) throw new Error('must be a URL');
  return urls.length === 1 ? first : Object.freeze(urls);
}

function checkUrl(text: string): void {
  const url = parseUrl(text);
  if (url === undefined || !SCHEMES.includes(url.protocol)) {
    throw new Error('must be a URL such as postgres://user@host:5432/database (a password needs percent-encoding)');
  }
  const host = url.searchParams.get('host') ?? url.hostname;
  if (host.includes(',')) throw new Error('names several hosts: give the one that is the primary');
}

/** Understands an empty host after credentials (`postgres://user@/database?host=/run/postgresql`), as libpq does. */
export function parseUrl(text: string): URL | undefined {
  for (const candidate of [text, text.replace('@/', '@localhost/')]) {
    try {
      return new URL(candidate);
    } catch {
      // The next way to read it, or none.
    }
  }
  return undefined;
}

/** Whether a URL carries a password, in whatever place. */
export function hasPassword(text: string): boolean {
  const url = parseUrl(text);
  return url !== undefined && (url.password !== '' || url.searchParams.has('password'));
}
