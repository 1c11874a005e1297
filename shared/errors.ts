/**
 * Every error a caller can meet, in one table: the code, and what to do about it. The table is the source for the
 * documentation; `CacheError` is the only error class that crosses an interface of this project.
 */
export const ERROR_ADVICE = {
  ERR_INVALID_KEY: 'use a non-empty string without NUL characters as the key',
  ERR_INVALID_TTL: "use a positive number of seconds, Infinity, or a duration such as '5m'",
  ERR_INVALID_VALUE: 'cache data only: no functions, symbols or undefined; null is a value',
  ERR_VALUE_TOO_LARGE: 'cache something smaller, or raise maxValueBytes',
  ERR_INVALID_TAG: 'use up to 64 non-empty strings of up to 255 bytes without NUL characters as tags',
  ERR_INVALID_ARGUMENT:
    'change the argument that the message names; docs/cache.md in the package has each call with its options',
  ERR_INVALID_NAMESPACE: 'use 1 to 32 characters of a-z, 0-9 and _, starting with a letter',
  ERR_INVALID_CONFIG: 'run pgcached --help for the options and their ranges',
  ERR_INVALID_TOKEN:
    'drop the value and call getOrSet again: a lease is filled once, by the connection that it was given to',
  ERR_NOT_A_COUNTER: 'delete the key first, or count under another key',
  ERR_COUNTER_OVERFLOW:
    'set the counter anew, or count in smaller steps: it stays within ±(2^53−1), and was left as it was',
  ERR_UNAVAILABLE:
    'start the daemon (npx pgcached dev, or pgcached daemon) and give its socket path to the client: connect({ socket }), or PGCACHED_SOCKET',
  ERR_TIMEOUT: 'raise timeoutMs, or find out what keeps the daemon busy (pgcached doctor)',
  ERR_UNKNOWN_OUTCOME: 'read the key, or write it again: the write may or may not have taken effect',
  ERR_CLOSED: 'connect() again: this client was closed',
  ERR_OVERLOADED: 'send fewer requests at once: the message names the limit that was reached',
  ERR_PROTOCOL: 'install the same release for client and daemon, and restart both',
  ERR_DATABASE: 'check Postgres (pgcached doctor)',
  ERR_LOAD_FAILED:
    'mend what the load threw in another process (the message and the cause tell it), and call again: nothing was stored',
  ERR_ALREADY_RUNNING: 'stop the other daemon first, or use another socket',
  ERR_SOCKET: 'name a short absolute path in a folder of your own: PGCACHED_SOCKET, connect({ socket }), --socket',
  ERR_INTERNAL: 'please report this with the message',
  ERR_TAGS_NOT_AVAILABLE: "give the namespace placement: 'whole', which keeps it on one database, or leave tags out",
} as const;

export type ErrorCode = keyof typeof ERROR_ADVICE;

/** The codes in a fixed order: the position is the number on the wire. Append only. */
export const ERROR_CODES = Object.keys(ERROR_ADVICE) as readonly ErrorCode[];

/**
 * The one error class of this project.
 * @property code one of {@link ERROR_ADVICE}
 * @property cause the underlying error, if there is one
 */
export class CacheError extends Error {
  readonly code: ErrorCode;

  /**
   * @param code from the table
   * @param problem what was wrong, in a few words; the advice of the code is added to it
   * @param cause the underlying error
   */
  constructor(code: ErrorCode, problem: string, cause?: unknown) {
    super(`${problem} [${code}]: ${ERROR_ADVICE[code]}`, cause === undefined ? undefined : { cause });
    this.name = 'CacheError';
    this.code = code;
  }
}

/** What was wrong, without the advice: for who makes an error of another, and its advice anew. */
export function problemOf(error: Error): string {
  if (!(error instanceof CacheError)) return error.message;
  const advice = ` [${error.code}]: ${ERROR_ADVICE[error.code]}`;
  return error.message.endsWith(advice) ? error.message.slice(0, -advice.length) : error.message;
}
