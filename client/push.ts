import type { CacheError } from '../shared/errors.js';
import { PUSH } from '../shared/protocol.js';
import { readError } from '../shared/wire-error.js';
import type { WireReader } from '../shared/wire-reader.js';

/** What the daemon says unasked. */
export type Push =
  | { readonly kind: 'goodbye'; readonly error: CacheError }
  /** Near copies of these keys, or (undefined) of all, are not current any more. */
  | { readonly kind: 'drop'; readonly ns: number; readonly keys: readonly string[] | undefined }
  | { readonly kind: 'fresh'; readonly ns: number; readonly untilMs: number }
  | { readonly kind: 'unknown' };

export function readPush(reader: WireReader): Push {
  switch (reader.uint('push')) {
    case PUSH.goodbye:
      return { kind: 'goodbye', error: readError(reader) };
    case PUSH.drop:
      return { kind: 'drop', ns: reader.uint('ns'), keys: reader.strsOrNil('keys') };
    case PUSH.fresh:
      return { kind: 'fresh', ns: reader.uint('ns'), untilMs: reader.number('freshUntil') };
    default:
      return { kind: 'unknown' };
  }
}
