import { randomUUID } from 'node:crypto';
import { pack, unpack } from '../shared/codec.js';
import { CacheError, problemOf } from '../shared/errors.js';

/** What a call is rejected with whose answer breaks the protocol: a write may have taken effect. */
export function illegible(path: string, isWrite: boolean, cause: CacheError): CacheError {
  const problem = `the daemon at ${path} gave an answer that cannot be read: ${cause.message}`;
  return new CacheError(isWrite ? 'ERR_UNKNOWN_OUTCOME' : 'ERR_UNAVAILABLE', problem, cause);
}

/** What a load threw, on its way to all who wait for it: through the daemon, which does not look into it. */
interface Parcel {
  readonly process: string;
  readonly number: number;
  readonly thrown: unknown;
  /** The load asked that its value is not stored: those who wait have to load for themselves. */
  readonly skipped: boolean;
}

/** Thrown errors kept for those of this process who wait: they get the very object, with its class. */
const KEPT_MAX = 256;
const PROCESS = randomUUID();
const kept = new Map<number, unknown>();
let count = 0;

/** Rejects those who wait for a load whose value is not to be shared. */
export class LoadSkipped {}

/** Packs what a load threw. What cannot be packed travels as its text. */
export function packThrown(thrown: unknown): Uint8Array {
  const number = ++count;
  kept.set(number, thrown);
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT_MAX) break;
    kept.delete(oldest);
  }
  const parcel: Parcel = { process: PROCESS, number, thrown, skipped: false };
  try {
    return pack(parcel);
  } catch {
    return pack({ ...parcel, thrown: asText(thrown) });
  }
}

export function packSkipped(): Uint8Array {
  return pack({ process: PROCESS, number: 0, thrown: null, skipped: true } satisfies Parcel);
}

/** What one who waited for a load is rejected with: what the load threw, if it threw in this process. */
export function loadError(packed: Uint8Array): unknown {
  let parcel: Parcel;
  try {
    parcel = unpack(packed) as Parcel;
  } catch (error) {
    return new CacheError('ERR_LOAD_FAILED', 'what the load threw cannot be read', error);
  }
  if (parcel?.skipped === true) return new LoadSkipped();
  if (parcel?.process === PROCESS && kept.has(parcel.number)) return kept.get(parcel.number);
  const thrown = parcel?.thrown;
  return new CacheError('ERR_LOAD_FAILED', thrown instanceof Error ? thrown.message : asText(thrown).message, thrown);
}

/** What an error of the socket means for who looks for a daemon. */
const MEANING: Readonly<Record<string, string>> = {
  ENOENT: 'no daemon has its socket there',
  ECONNREFUSED: 'a socket is there, but its daemon is gone',
  EACCES: "this user may not use it: join the socket's group, or see socketMode",
};

/** Why there is no connection, in words. @param cause undefined where the other side closed it without a word */
export function whyAway(cause: unknown): string {
  if (!(cause instanceof Error)) return 'the daemon closed it';
  const meaning = MEANING[(cause as NodeJS.ErrnoException).code ?? ''];
  return meaning === undefined ? problemOf(cause) : `${cause.message} (${meaning})`;
}

function asText(thrown: unknown): Error {
  try {
    return thrown instanceof Error ? new Error(`${thrown.name}: ${thrown.message}`) : new Error(String(thrown));
  } catch {
    return new Error('something that has no text was thrown');
  }
}
