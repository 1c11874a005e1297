import { FOREVER_MS } from '../../shared/duration.js';
import { CacheError } from '../../shared/errors.js';
import { LIMIT, NAMESPACE_PATTERN } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Bytes, Names, Namespace } from '../namespace.js';
import type { Session } from '../session.js';

// A client of ours has checked all of this before it sent anything. The daemon checks again: what it trusts goes into a
// table that everybody shares. A wrong argument is answered with its error; only a wrong message closes the connection.

export function readNamespace(session: Session, request: WireReader): Namespace {
  return session.namespace(request.uint('ns'));
}

export function readFlags(request: WireReader): number {
  return request.uint('flags');
}

/** @returns 0 for none, up to Infinity */
export function readGrace(request: WireReader): number {
  return readMeasure(request, 'graceMs');
}

/** A number from 0. */
export function readMeasure(request: WireReader, field: string): number {
  const value = request.number(field);
  if (!(value >= 0)) throw new CacheError('ERR_INVALID_ARGUMENT', `${field} is a number from 0, not ${value}`);
  return value;
}

export function readKey(request: WireReader): string {
  const key = request.str('key');
  if (request.strBytes > LIMIT.keyBytesMax || key.length === 0 || key.includes('\0')) throw invalidKey(key);
  return key;
}

export function readKeys(request: WireReader): string[] {
  const keys = request.strs('keys', LIMIT.keysPerCallMax);
  for (const key of keys) if (!isName(key, LIMIT.keyBytesMax)) throw invalidKey(key);
  return keys;
}

/** A view on the frame: whoever keeps it for long copies it. */
export function readValue(namespace: Namespace, request: WireReader): Bytes {
  const value = request.bin('value');
  checkSize(namespace, value);
  return value;
}

export function readValues(namespace: Namespace, keys: readonly string[], request: WireReader): Bytes[] {
  const values = request.bins('values', LIMIT.keysPerCallMax);
  if (values.length !== keys.length) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `${keys.length} keys and ${values.length} values in one call`);
  }
  for (const value of values) checkSize(namespace, value);
  return values;
}

export function readTtl(request: WireReader): number | undefined {
  const ttlMs = request.numberOrNil('ttlMs');
  return ttlMs === undefined ? undefined : checkedTtl(ttlMs);
}

export function readGivenTtl(request: WireReader): number {
  const ttlMs = request.number('ttlMs');
  return checkedTtl(ttlMs);
}

/** The tags of an entry. */
export function readTags(request: WireReader): readonly string[] {
  const tags = request.strsOrNil('tags', LIMIT.keysPerCallMax);
  if (tags === undefined) return NO_TAGS;
  if (tags.length > LIMIT.tagsPerEntryMax) throw new CacheError('ERR_INVALID_TAG', `${tags.length} tags on one entry`);
  return checkTags(tags);
}

/** What a value inherits from its parts: names as the log spells them, of the kinds that a part can have. */
export function readInheritedNames(namespace: Namespace, request: WireReader): Names {
  // Who knows of no parts leaves the field out.
  const names = (request.left === 0 ? undefined : request.strsOrNil('names')) ?? NO_TAGS;
  if (names.length > LIMIT.inheritedNamesMax) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `${names.length} inherited names on one entry`);
  }
  if (names.length > 0 && namespace.place === undefined) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `nothing can be inherited in the namespace ${namespace.name}`);
  }
  for (const name of names) checkInheritedName(name);
  return names;
}

/** The tags of an invalidation, which may be more than an entry has. */
export function readInvalidatedTags(request: WireReader): readonly string[] {
  return checkTags(request.strs('tags', LIMIT.keysPerCallMax));
}

export function readDelta(request: WireReader): number {
  const delta = request.number('delta');
  if (!Number.isSafeInteger(delta)) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `a counter moves by whole numbers within ±(2^53−1), not by ${delta}`);
  }
  return delta;
}

export function readToken(request: WireReader): number {
  const token = request.number('token');
  if (!Number.isSafeInteger(token) || token < 1)
    throw new CacheError('ERR_INVALID_TOKEN', `${token} was never given out`);
  return token;
}

const NO_TAGS: readonly string[] = [];

function checkTags(tags: readonly string[]): readonly string[] {
  for (const tag of tags) {
    if (!isName(tag, LIMIT.tagBytesMax)) throw new CacheError('ERR_INVALID_TAG', `the tag ${JSON.stringify(tag)}`);
  }
  return tags;
}

function checkInheritedName(name: string): void {
  const [, whole, part, rest = ''] = /^(?:[nma]:([^:]*)|[tp]:([^:]*):(.*))$/s.exec(name) ?? [];
  const isKnown = whole === undefined ? isName(rest, Math.max(LIMIT.keyBytesMax, LIMIT.tagBytesMax)) : true;
  if (isKnown && NAMESPACE_PATTERN.test(whole ?? part ?? '')) return;
  throw new CacheError('ERR_INVALID_ARGUMENT', `${JSON.stringify(name)} is not a name that can be inherited`);
}

/** Our client rounds such times itself; another may not, and Postgres has no interval as long. */
function checkedTtl(ttlMs: number): number {
  if (!(ttlMs > 0)) throw new CacheError('ERR_INVALID_TTL', `a time to live of ${ttlMs} ms`);
  return ttlMs > FOREVER_MS ? Number.POSITIVE_INFINITY : ttlMs;
}

function checkSize(namespace: Namespace, value: Bytes): void {
  if (value.length > namespace.maxValueBytes) {
    throw new CacheError(
      'ERR_VALUE_TOO_LARGE',
      `the value takes ${value.length} bytes, the limit of namespace ${namespace.name} is ${namespace.maxValueBytes}`,
    );
  }
}

function isName(name: string, bytesMax: number): boolean {
  if (name.length === 0 || name.length > bytesMax || name.includes('\0')) return false;
  return name.length * 3 <= bytesMax || Buffer.byteLength(name) <= bytesMax;
}

function invalidKey(key: string): CacheError {
  if (key.length === 0) return new CacheError('ERR_INVALID_KEY', 'the key is empty');
  if (key.includes('\0')) return new CacheError('ERR_INVALID_KEY', 'the key has a NUL character');
  return new CacheError('ERR_INVALID_KEY', `the key takes more than ${LIMIT.keyBytesMax} bytes as it is stored`);
}
