import { unpack } from '../shared/codec.js';
import { FLAG, OP, STATUS } from '../shared/protocol.js';
import type { WireReader } from '../shared/wire-reader.js';
import type { WireWriter } from '../shared/wire-writer.js';
import type { ClientOp } from './call.js';
import type { NearTier } from './near.js';
import type { PartReader } from './parts.js';

// How values are read that a near tier may keep.

/** With a near tier the value goes through it, which may keep it; with a reader its names are asked for and go there. */
export type FlagsAndKey = readonly [
  flags: number,
  key: string,
  near?: NearTier | undefined,
  reader?: PartReader | undefined,
];

export const NEAR: ClientOp<readonly [near: NearTier, on: boolean, askedMs: number], void> = {
  code: OP.near,
  writes: false,
  fields: 2,
  encode: (w, ns, [, on]) => w.uint(ns).bool(on),
  decode: (r, status, _epoch, [near, on, askedMs]) => {
    if (status === STATUS.miss) return;
    const nowMs = r.number('now');
    const freshUntilMs = r.number('freshUntil');
    if (on) near.turnOn(askedMs, nowMs, freshUntilMs);
  },
};

export function writeFlagsAndKey(w: WireWriter, ns: number, [flags, key, near, reader]: FlagsAndKey): void {
  w.uint(ns)
    .uint(readFlags(flags, near, reader))
    .str(key);
}

/** A near tier keeps nothing of what is read for its names: it would have to keep them too. */
export function readFlags(flags: number, near: NearTier | undefined, reader: PartReader | undefined): number {
  if (reader !== undefined) return flags | FLAG.names;
  return near === undefined ? flags : flags | FLAG.near;
}

export function readValue(
  r: WireReader,
  key: string,
  near: NearTier | undefined,
  reader: PartReader | undefined,
): unknown {
  const bytes = r.bin('value');
  if (reader !== undefined) {
    reader.names(r.strsOrNil('names'));
    return near === undefined ? unpack(bytes) : near.accept(key, bytes, undefined);
  }
  return near === undefined ? unpack(bytes) : near.accept(key, bytes, r.numberOrNil('until'));
}
