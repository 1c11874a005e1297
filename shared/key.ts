/// <reference lib="es2024.string" />
import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { CacheError } from './errors.js';
import { LIMIT } from './protocol.js';

/**
 * A digest key is a readable prefix, this mark, and 43 characters of base64url: 256 bits. A key that ends in what looks
 * like it is digested itself, however short it is, so that nobody can write a key that meets the digest of another.
 */
const DIGEST_MARK = '~sha256~';
const DIGEST_TAIL_LENGTH = DIGEST_MARK.length + 43;

/** Up to this many UTF-16 units a key needs at most three times as many bytes, and no counting. */
const SURELY_SHORT_LENGTH = Math.floor(LIMIT.keyBytesMax / 3);

/**
 * The key as every tier stores it: itself where it is well-formed and has at most 255 bytes of UTF-8, else a readable
 * prefix and a SHA-256 digest. Two different keys never get the same (up to collisions of SHA-256). To be applied once:
 * the stored form of a digest key is another key's name.
 *
 * @param key as the caller wrote it
 * @returns 1 to 255 bytes of well-formed UTF-8 without NUL
 * @throws CacheError ERR_INVALID_KEY where it is not a string, is empty, holds a NUL, or exceeds LIMIT.rawKeyBytesMax
 */
export function storedKey(key: unknown): string {
  if (typeof key !== 'string') throw new CacheError('ERR_INVALID_KEY', `${given(key)} is not a string`);
  if (key.length === 0) throw new CacheError('ERR_INVALID_KEY', 'the key is empty');
  if (key.length > LIMIT.rawKeyBytesMax) throw tooLong();
  if (key.includes('\0')) throw new CacheError('ERR_INVALID_KEY', `${given(key)} holds a NUL character`);
  if (!key.isWellFormed()) return digestKey(key);
  const bytes = key.length <= SURELY_SHORT_LENGTH ? 0 : Buffer.byteLength(key);
  if (bytes > LIMIT.keyBytesMax || looksLikeDigest(key)) return digestKey(key);
  return key;
}

/**
 * Whether a stored key of these characters can only be the key of the same characters: what is shorter than the tail of a
 * digest is no digest. A tier that holds only stored keys may then be asked before the key is checked.
 */
export function isStoredAsItIs(key: unknown): key is string {
  return typeof key === 'string' && key.length < DIGEST_TAIL_LENGTH;
}

function looksLikeDigest(key: string): boolean {
  return key.length >= DIGEST_TAIL_LENGTH && key.startsWith(DIGEST_MARK, key.length - DIGEST_TAIL_LENGTH);
}

/**
 * The digest is of the UTF-8 bytes, which any language can compute. Lone surrogates have none (each would become
 * U+FFFD): such a key is digested as 0xff, a byte that UTF-8 never has, and its UTF-16 units.
 */
function digestKey(key: string): string {
  if (Buffer.byteLength(key) > LIMIT.rawKeyBytesMax) throw tooLong();
  const hash = createHash('sha256');
  if (key.isWellFormed()) hash.update(key, 'utf8');
  else hash.update(Buffer.of(0xff)).update(key, 'utf16le');
  const prefix = truncate(key.toWellFormed(), LIMIT.keyBytesMax - DIGEST_TAIL_LENGTH);
  return `${prefix}${DIGEST_MARK}${hash.digest('base64url')}`;
}

/** The longest beginning of whole characters that fits. */
function truncate(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

function tooLong(): CacheError {
  return new CacheError('ERR_INVALID_KEY', `the key is longer than ${LIMIT.rawKeyBytesMax} bytes`);
}

/**
 * Checks tags, and leaves out the ones that are given twice.
 *
 * @param tags any iterable of strings but a string; undefined for none
 * @param countMax how many different tags there may be
 * @throws CacheError ERR_INVALID_TAG for anything else, for more than `countMax`, and for a tag that is empty, longer
 *   than 255 bytes of UTF-8, or holds a NUL or a lone surrogate
 */
export function checkTags(tags: unknown, countMax: number = LIMIT.tagsPerEntryMax): string[] {
  if (tags === undefined) return [];
  if (!isIterable(tags)) throw new CacheError('ERR_INVALID_TAG', `${given(tags)} is not an array of tags`);
  if (Array.isArray(tags) && tags.length === 1) return [checkTag(tags[0])];
  const checked = new Set<string>();
  for (const tag of tags) {
    checked.add(checkTag(tag));
    if (checked.size > countMax) throw new CacheError('ERR_INVALID_TAG', `there are more than ${countMax} tags`);
  }
  return [...checked];
}

function checkTag(tag: unknown): string {
  if (typeof tag !== 'string') throw new CacheError('ERR_INVALID_TAG', `${given(tag)} is not a string`);
  if (tag === '') throw new CacheError('ERR_INVALID_TAG', 'a tag is empty');
  if (tag.includes('\0')) throw new CacheError('ERR_INVALID_TAG', `${given(tag)} holds a NUL character`);
  if (!tag.isWellFormed()) throw new CacheError('ERR_INVALID_TAG', `${given(tag)} holds a lone surrogate`);
  if (tag.length * 3 > LIMIT.tagBytesMax && Buffer.byteLength(tag) > LIMIT.tagBytesMax) {
    throw new CacheError('ERR_INVALID_TAG', `${given(tag)} is longer than ${LIMIT.tagBytesMax} bytes`);
  }
  return tag;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

/** What was given, as a short text for a message. */
export function given(value: unknown): string {
  const text = inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 60 });
  return text.length <= 90 ? text : `${text.slice(0, 89)}…`;
}
