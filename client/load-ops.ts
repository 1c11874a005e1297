import { unpack } from '../shared/codec.js';
import { FLAG, OP, STATUS } from '../shared/protocol.js';
import type { WireReader } from '../shared/wire-reader.js';
import type { ClientOp } from './call.js';
import { loadError } from './failures.js';
import type { NearTier } from './near.js';
import { readFlags, readValue } from './near-ops.js';
import { readNothing, type Tags, writeTags, writeTtl } from './ops.js';
import type { PartReader } from './parts.js';

// The ops of loads, as this side writes and reads them; the layouts stand in shared/protocol.ts.

/** What a load request came to; an error of the load is the error of the call. */
export type LoadAnswer =
  | { readonly kind: 'value'; readonly value: unknown }
  /** The load is the caller's. A value that is current is the answer meanwhile; one that is not has expired within its grace. */
  | {
      readonly kind: 'load';
      readonly token: number;
      readonly epoch: number;
      readonly value: unknown;
      readonly isCurrent: boolean;
    }
  /** A value under grace; `error` is what the load threw, undefined where there was none. */
  | { readonly kind: 'stale'; readonly value: unknown; readonly error: unknown }
  | { readonly kind: 'nothing' };

export const LOAD: ClientOp<
  readonly [
    flags: number,
    key: string,
    near: NearTier | undefined,
    reader: PartReader | undefined,
    graceMs: number,
    beta: number,
  ],
  LoadAnswer
> = {
  code: OP.load,
  writes: false,
  patient: true,
  fields: 5,
  encode: (w, ns, [flags, key, near, reader, graceMs, beta]) =>
    w
      .uint(ns)
      .uint(readFlags(flags, near, reader))
      .str(key)
      .number(graceMs)
      .number(beta),
  decode: (r, status, epoch, [, key, near, reader]) => {
    if (status === STATUS.ok) return { kind: 'value', value: readValue(r, key, near, reader) };
    return readLoadAnswer(r, status, epoch, key, near, reader);
  },
};

/** Not a write in our sense: a value that may or may not have been stored is a value that was offered. */
export const FILL: ClientOp<
  readonly [
    flags: number,
    token: number,
    value: Uint8Array,
    ttlMs: number | undefined,
    tags: Tags,
    graceMs: number,
    deltaMs: number,
    names: readonly string[],
    key: string,
    near: NearTier | undefined,
    reader: PartReader | undefined,
  ],
  LoadAnswer
> = {
  code: OP.fill,
  writes: false,
  patient: true,
  fields: 9,
  encode: (w, ns, [flags, token, value, ttlMs, tags, graceMs, deltaMs, names, , , reader]) => {
    const asked = reader === undefined ? flags : flags | FLAG.names;
    writeTags(writeTtl(w.uint(ns).uint(asked).number(token).bin(value), ttlMs), tags)
      .number(graceMs)
      .number(deltaMs);
    writeTags(w, names);
  },
  decode: (r, status, epoch, [, , , , , , , , key, near, reader]) =>
    readLoadAnswer(r, status, epoch, key, near, reader),
};

/** What there is at once for a caller whose load failed or is slow. */
export const STALE: ClientOp<
  readonly [key: string, near: NearTier | undefined, reader: PartReader | undefined, graceMs: number],
  LoadAnswer
> = {
  code: OP.stale,
  writes: false,
  fields: 4,
  encode: (w, ns, [key, , reader, graceMs]) =>
    w
      .uint(ns)
      .uint(reader === undefined ? 0 : FLAG.names)
      .str(key)
      .number(graceMs),
  decode: (r, status, epoch, [key, near, reader]) => readLoadAnswer(r, status, epoch, key, near, reader),
};

export const ABANDON: ClientOp<readonly [flags: number, token: number, error: Uint8Array | undefined], void> = {
  code: OP.abandon,
  writes: false,
  fields: 4,
  encode: (w, ns, [flags, token, error]) => {
    w.uint(ns).uint(flags).number(token);
    if (error === undefined) w.nil();
    else w.bin(error);
  },
  decode: readNothing,
};

/** The values here are not for the near tier to keep; it only sees to it that they are given out as its own are. */
function readLoadAnswer(
  r: WireReader,
  status: number,
  epoch: number,
  key: string,
  near: NearTier | undefined,
  reader: PartReader | undefined,
): LoadAnswer {
  const open = (bytes: Uint8Array) => (near === undefined ? unpack(bytes) : near.accept(key, bytes, undefined));
  if (status === STATUS.load) {
    const token = r.number('token');
    const bytes = r.binOrNil('value');
    const value = bytes === undefined ? undefined : open(bytes);
    const isCurrent = r.bool('current');
    reader?.names(r.strsOrNil('names'));
    return { kind: 'load', token, epoch, value, isCurrent };
  }
  if (status === STATUS.stale) {
    const value = open(r.bin('value'));
    const error = r.binOrNil('error');
    reader?.names(r.strsOrNil('names'));
    return { kind: 'stale', value, error: error === undefined ? undefined : loadError(error) };
  }
  if (status === STATUS.miss) return { kind: 'nothing' };
  const value = open(r.bin('value'));
  reader?.names(r.strsOrNil('names'));
  return { kind: 'value', value };
}
