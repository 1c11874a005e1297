import type { CacheStatistics } from '../shared/cache.js';
import { unpack } from '../shared/codec.js';
import { CacheError } from '../shared/errors.js';
import { OP, PROTOCOL_VERSION, STATUS } from '../shared/protocol.js';
import type { WireReader } from '../shared/wire-reader.js';
import type { WireWriter } from '../shared/wire-writer.js';
import type { ClientOp } from './call.js';
import type { NearTier } from './near.js';
import { type FlagsAndKey, readFlags, readValue, writeFlagsAndKey } from './near-ops.js';
import type { PartReader } from './parts.js';

// Every op as this side writes and reads it; the layouts stand in shared/protocol.ts.

export interface Opened {
  readonly number: number;
  readonly maxValueBytes: number;
  readonly invalidateFunction: string | undefined;
  /** The database whose log tells of the namespace, if one does. */
  readonly place: string | undefined;
}

export type Tags = readonly string[];
type Store = readonly [key: string, value: Uint8Array, ttlMs: number | undefined, tags: Tags, graceMs: number];

export const HELLO: ClientOp<readonly [version: number, release: string], string> = {
  code: OP.hello,
  writes: false,
  fields: 2,
  encode: (w, _ns, [version, release]) => w.uint(version).str(release),
  decode: (r) => {
    const version = r.uint('version');
    const release = r.str('release');
    if (version !== PROTOCOL_VERSION) {
      throw new CacheError(
        'ERR_PROTOCOL',
        `the daemon speaks protocol ${version} (release ${release}), this client speaks protocol ${PROTOCOL_VERSION}`,
      );
    }
    return r.str('start');
  },
};

export const OPEN: ClientOp<readonly [namespace: string], Opened> = {
  code: OP.open,
  writes: false,
  fields: 1,
  encode: (w, _ns, [namespace]) => w.str(namespace),
  decode: (r) => ({
    number: r.uint('ns'),
    maxValueBytes: r.uint('maxValueBytes'),
    invalidateFunction: r.strOrNil('function'),
    place: r.left > 0 ? r.strOrNil('place') : undefined,
  }),
};

export const GET: ClientOp<FlagsAndKey, unknown> = {
  code: OP.get,
  writes: false,
  fields: 3,
  encode: writeFlagsAndKey,
  decode: (r, status, _epoch, [, key, near, reader]) =>
    status === STATUS.miss ? undefined : readValue(r, key, near, reader),
};

export const GET_MANY: ClientOp<
  readonly [flags: number, keys: readonly string[], near?: NearTier | undefined, reader?: PartReader | undefined],
  unknown[]
> = {
  code: OP.getMany,
  writes: false,
  fields: 3,
  encode: (w, ns, [flags, keys, near, reader]) =>
    w
      .uint(ns)
      .uint(readFlags(flags, near, reader))
      .strs(keys),
  decode: (r, _status, _epoch, [, keys, near, reader]) => {
    if (near === undefined) {
      const unpacked = r.mapBinsOrNils('values', unpack);
      reader?.names(r.strsOrNil('names'));
      return unpacked;
    }
    const values = r.binsOrNils('values');
    reader?.names(r.strsOrNil('names'));
    const untilsMs = reader === undefined ? r.numbersOrNils('untils') : [];
    return values.map((value, i) =>
      value === undefined ? undefined : near.accept(keys[i] as string, value, untilsMs[i]),
    );
  },
};

export const HAS: ClientOp<FlagsAndKey, boolean> = {
  code: OP.has,
  writes: false,
  fields: 3,
  encode: (w, ns, [flags, key]) => w.uint(ns).uint(flags).str(key),
  decode: readBoolean,
};

export const SET: ClientOp<Store, void> = {
  code: OP.set,
  writes: true,
  fields: 6,
  encode: writeStore,
  decode: readNothing,
};

export const SET_MANY: ClientOp<
  readonly [
    keys: readonly string[],
    values: readonly Uint8Array[],
    ttlMs: number | undefined,
    tags: Tags,
    graceMs: number,
  ],
  void
> = {
  code: OP.setMany,
  writes: true,
  fields: 6,
  encode: (w, ns, [keys, values, ttlMs, tags, graceMs]) =>
    writeTags(writeTtl(w.uint(ns).strs(keys).bins(values), ttlMs), tags).number(graceMs),
  decode: readNothing,
};

export const ADD: ClientOp<Store, boolean> = {
  code: OP.add,
  writes: true,
  fields: 6,
  encode: writeStore,
  decode: readBoolean,
};

export const DELETE: ClientOp<readonly [key: string], boolean> = {
  code: OP.delete,
  writes: true,
  fields: 2,
  encode: (w, ns, [key]) => w.uint(ns).str(key),
  decode: readBoolean,
};

export const DELETE_MANY: ClientOp<readonly [keys: readonly string[]], number> = {
  code: OP.deleteMany,
  writes: true,
  fields: 2,
  encode: (w, ns, [keys]) => w.uint(ns).strs(keys),
  decode: readNumber,
};

export const CLEAR: ClientOp<readonly [], void> = {
  code: OP.clear,
  writes: true,
  fields: 1,
  encode: writeNamespace,
  decode: readNothing,
};

export const COUNT: ClientOp<readonly [], number> = {
  code: OP.count,
  writes: false,
  fields: 1,
  encode: writeNamespace,
  decode: readNumber,
};

export const INCR: ClientOp<readonly [key: string, delta: number, ttlMs: number | undefined], number> = {
  code: OP.incr,
  writes: true,
  fields: 4,
  encode: (w, ns, [key, delta, ttlMs]) => writeTtl(w.uint(ns).str(key).number(delta), ttlMs),
  decode: readNumber,
};

export const TTL: ClientOp<readonly [key: string], number | undefined> = {
  code: OP.ttl,
  writes: false,
  fields: 2,
  encode: (w, ns, [key]) => w.uint(ns).str(key),
  decode: (r, status) => (status === STATUS.miss ? undefined : r.number('ttlMs')),
};

export const EXPIRE: ClientOp<readonly [key: string, ttlMs: number], boolean> = {
  code: OP.expire,
  writes: true,
  fields: 3,
  encode: (w, ns, [key, ttlMs]) => w.uint(ns).str(key).number(ttlMs),
  decode: readBoolean,
};

export const INVALIDATE_TAGS: ClientOp<readonly [tags: Tags], void> = {
  code: OP.invalidateTags,
  writes: true,
  fields: 2,
  encode: (w, ns, [tags]) => w.uint(ns).strs(tags),
  decode: readNothing,
};

export const CLEANUP: ClientOp<readonly [], number> = {
  code: OP.cleanup,
  writes: false,
  fields: 1,
  encode: writeNamespace,
  decode: readNumber,
};

export const SYNC: ClientOp<readonly [], void> = {
  code: OP.sync,
  writes: false,
  fields: 1,
  encode: writeNamespace,
  decode: readNothing,
};

export const STATS: ClientOp<readonly [], CacheStatistics> = {
  code: OP.stats,
  writes: false,
  fields: 1,
  encode: writeNamespace,
  decode: (r) => JSON.parse(r.str('stats')) as CacheStatistics,
};

export const STATUS_OF_DAEMON: ClientOp<readonly [], Record<string, unknown>> = {
  code: OP.status,
  writes: false,
  fields: 0,
  encode: () => {},
  decode: (r) => JSON.parse(r.str('status')) as Record<string, unknown>,
};

function writeNamespace(w: WireWriter, ns: number): void {
  w.uint(ns);
}

function writeStore(w: WireWriter, ns: number, [key, value, ttlMs, tags, graceMs]: Store): void {
  writeTags(writeTtl(w.uint(ns).str(key).bin(value), ttlMs), tags).number(graceMs);
}

export function writeTtl(w: WireWriter, ttlMs: number | undefined): WireWriter {
  return ttlMs === undefined ? w.nil() : w.number(ttlMs);
}

export function writeTags(w: WireWriter, tags: Tags): WireWriter {
  return tags.length === 0 ? w.nil() : w.strs(tags);
}

export function readNothing(): void {}

function readBoolean(r: WireReader): boolean {
  return r.bool('result');
}

function readNumber(r: WireReader): number {
  return r.number('result');
}
