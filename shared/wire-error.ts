import { toUSVString } from 'node:util';
import { CacheError, ERROR_CODES, problemOf } from './errors.js';
import type { WireReader } from './wire-reader.js';
import type { WireWriter } from './wire-writer.js';

/** An error as both sides write it: the code by its number, and what was wrong. The advice is the reader's own. */
export function writeError(writer: WireWriter, error: CacheError): WireWriter {
  return writer.uint(ERROR_CODES.indexOf(error.code)).str(toUSVString(problemOf(error)));
}

/** A code that only a later release knows reads as ERR_INTERNAL. */
export function readError(reader: WireReader, cause?: unknown): CacheError {
  const code = ERROR_CODES[reader.uint('error code')] ?? 'ERR_INTERNAL';
  return new CacheError(code, reader.str('error message'), cause);
}
