import { toUSVString } from 'node:util';
import { CacheError, ERROR_ADVICE, ERROR_CODES } from './errors.js';
import type { WireReader } from './wire-reader.js';
import type { WireWriter } from './wire-writer.js';

/** An error as both sides write it: the code by its number, and what was wrong. The advice is the reader's own. */
export function writeError(writer: WireWriter, error: CacheError): WireWriter {
  const advice = ` [${error.code}]: ${ERROR_ADVICE[error.code]}`;
  const problem = error.message.endsWith(advice) ? error.message.slice(0, -advice.length) : error.message;
  return writer.uint(ERROR_CODES.indexOf(error.code)).str(toUSVString(problem));
}

/** A code that only a later release knows reads as ERR_INTERNAL. */
export function readError(reader: WireReader, cause?: unknown): CacheError {
  const code = ERROR_CODES[reader.uint('error code')] ?? 'ERR_INTERNAL';
  return new CacheError(code, reader.str('error message'), cause);
}
