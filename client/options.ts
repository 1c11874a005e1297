import { isAbsolute, join } from 'node:path';
import { CacheError } from '../shared/errors.js';
import { checkOptionNames } from '../shared/option-names.js';
import { DEFAULT_NAMESPACE, DEFAULT_TIMEOUT_MS, LIMIT, NAMESPACE_PATTERN } from '../shared/protocol.js';
import type { NearLimits } from './near.js';

export interface ConnectOptions {
  /**
   * Path of the daemon's Unix socket. Where it is missing: PGCACHED_SOCKET, else $XDG_RUNTIME_DIR/pgcached/pgcached.sock,
   * else /run/pgcached/pgcached.sock.
   */
  socket?: string;
  /** The namespace that all calls of the client are about; 'default' where it is missing. */
  namespace?: string;
  /** What calls do when the daemon or Postgres is away: see docs/cache.md. 'degrade' where it is missing. */
  onUnavailable?: 'degrade' | 'throw';
  /**
   * Keep copies of values in this process as well, and read them without a message: see docs/near.md. true for the
   * default limits: 10,000 entries and 32 MiB of packed values. Off where it is missing.
   */
  near?: boolean | NearOptions;
  /** Deadline of every call, in milliseconds from 1; 5000 where it is missing. */
  timeoutMs?: number;
}

/** Limits of the near tier; those of the first client of a process and namespace hold for all of them. */
export interface NearOptions {
  /** From 1 to 100,000; 10,000 where it is missing. */
  maxEntries?: number;
  /** Of packed values and keys; 32 MiB where it is missing. */
  maxBytes?: number;
}

export type CheckedConnectOptions = Readonly<Required<Omit<ConnectOptions, 'near'>>> & {
  readonly near: NearLimits | undefined;
};

const NEAR_DEFAULTS: NearLimits = { maxEntries: 10_000, maxBytes: 32 * 1024 * 1024 };

const ofConnect: Readonly<Record<keyof ConnectOptions, true>> = {
  socket: true,
  namespace: true,
  near: true,
  onUnavailable: true,
  timeoutMs: true,
};
const CONNECT_OPTIONS = Object.keys(ofConnect);
const NEAR_OPTIONS = Object.keys(NEAR_DEFAULTS);

/** What a Node timer can hold. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_NAMESPACE, ERR_SOCKET */
export function checkConnectOptions(
  options: ConnectOptions,
  env: Readonly<Record<string, string | undefined>>,
): CheckedConnectOptions {
  if (typeof options !== 'object' || options === null) {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'connect takes an object of options, such as { socket: path }');
  }
  checkOptionNames(options, CONNECT_OPTIONS, 'connect');
  const { namespace = DEFAULT_NAMESPACE, onUnavailable = 'degrade', timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  if (typeof namespace !== 'string' || !NAMESPACE_PATTERN.test(namespace)) {
    throw new CacheError('ERR_INVALID_NAMESPACE', `${JSON.stringify(namespace)} is not a name for a namespace`);
  }
  if (onUnavailable !== 'degrade' && onUnavailable !== 'throw') {
    throw new CacheError(
      'ERR_INVALID_ARGUMENT',
      `onUnavailable is 'degrade' or 'throw', not ${JSON.stringify(onUnavailable)}`,
    );
  }
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 1) || timeoutMs > TIMEOUT_MS_MAX) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `timeoutMs is a number from 1 to ${TIMEOUT_MS_MAX}, not ${timeoutMs}`);
  }
  return {
    socket: socketPath(options.socket, env),
    namespace,
    near: nearLimits(options.near),
    onUnavailable,
    timeoutMs,
  };
}

/** @throws CacheError ERR_INVALID_ARGUMENT */
function nearLimits(near: boolean | NearOptions | undefined): NearLimits | undefined {
  if (near === undefined || near === false) return undefined;
  if (near !== true && (typeof near !== 'object' || near === null)) {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'near is true, false, or { maxEntries, maxBytes }');
  }
  if (near !== true) checkOptionNames(near, NEAR_OPTIONS, 'near');
  const { maxEntries = NEAR_DEFAULTS.maxEntries, maxBytes = NEAR_DEFAULTS.maxBytes } = near === true ? {} : near;
  if (!Number.isInteger(maxEntries) || maxEntries < 1 || maxEntries > LIMIT.nearKeysMax) {
    const problem = `near.maxEntries is a whole number from 1 to ${LIMIT.nearKeysMax}, not ${maxEntries}`;
    throw new CacheError('ERR_INVALID_ARGUMENT', problem);
  }
  if (typeof maxBytes !== 'number' || !(maxBytes > 0)) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `near.maxBytes is a positive number, not ${maxBytes}`);
  }
  return { maxEntries, maxBytes };
}

/** @throws CacheError ERR_SOCKET for a path that no Unix socket can have */
export function socketPath(given: string | undefined, env: Readonly<Record<string, string | undefined>>): string {
  const path = given ?? (env.PGCACHED_SOCKET || standardPath(env.XDG_RUNTIME_DIR));
  if (typeof path !== 'string' || !isAbsolute(path) || path.includes('\0')) {
    throw new CacheError('ERR_SOCKET', `the socket path ${JSON.stringify(path)} is not absolute`);
  }
  const bytes = Buffer.byteLength(path);
  if (bytes > LIMIT.socketPathBytesMax) {
    throw new CacheError(
      'ERR_SOCKET',
      `the socket path takes ${bytes} bytes, the limit is ${LIMIT.socketPathBytesMax}`,
    );
  }
  return path;
}

function standardPath(runtimeFolder: string | undefined): string {
  return join(runtimeFolder ? runtimeFolder : '/run', 'pgcached', 'pgcached.sock');
}
