import { CacheError } from '../shared/errors.js';
import type { WriteItem } from '../shared/table/write.js';

/** Callers of one namespace that may wait, each for itself or for a write that was merged; beyond it they are refused. */
export const WAITING_CALLS_MAX = 100_000;
const WAITING_BYTES_MAX = 512 * 1024 * 1024;
export const BATCH_ITEMS_MAX = 1_000;
export const BATCH_BYTES_MAX = 16 * 1024 * 1024;
/** A value that keeps so many more bytes alive than its own, those of its frame, is copied where many wait. */
const PINNED_BYTES_MAX = 1024;
/** While so few wait, a value may keep what was read from the socket at once alive: together these are 16 MiB at most. */
const UNCOPIED_CALLS_MAX = 256;
const UNCOPIED_CHUNK_BYTES_MAX = 64 * 1024;

/** What one caller of a merged write is told. */
export interface Waiter {
  /** An increment's share, to work out the caller's own running value. */
  readonly delta: number;
  resolve(result: WriteOutcome): void;
  reject(error: CacheError): void;
}

/** `done`: whether it took effect, as add, delete and expire report it. */
export interface WriteOutcome {
  readonly done: boolean;
  readonly counter: number | undefined;
}

/** One item of the stream and those who wait for it: several where sets or increments of one key were merged. */
export interface PendingWrite {
  item: WriteItem;
  readonly waiters: Waiter[];
  /** No batch may take it before this instant: its key was locked by somebody else. */
  notBeforeMs: number;
  /** When it was asked, for the limit on how long it may be held up. */
  readonly askedMs: number;
  /** An increment that must go by itself, since merged it would overflow. */
  readonly alone: boolean;
  /** Another call may still be merged into it. */
  isOpen: boolean;
  /** What waits behind it of the same key. */
  next: PendingWrite | undefined;
}

export interface PendingInvalidation {
  readonly names: readonly string[];
  readonly waiter: Waiter;
}

export type Batch =
  | { readonly kind: 'items'; readonly writes: readonly PendingWrite[] }
  | { readonly kind: 'names'; readonly invalidations: readonly PendingInvalidation[] };

const sameSign = (a: number, b: number) => a < 0 === b < 0;

/** The waiting writes of one key, oldest first, chained: most are alone. */
interface Lane {
  first: PendingWrite;
  last: PendingWrite;
}

/** Writes, and the invalidations that were asked after them. What is asked after those is in the next section. */
interface Section {
  readonly lanes: Map<string, Lane>;
  readonly invalidations: PendingInvalidation[];
}

/**
 * What waits for the next batches. A batch holds a key at most once: sets of one key merge (the last wins, all are told),
 * and so do increments of one sign; any other second write of a key waits in its lane for a later batch. Invalidations
 * have batches of their own, so no write of a batch is older than an invalidation in it, and none that was asked before
 * an invalidation is carried past it, except behind a locked key.
 */
export class WriteQueue {
  #sections: Section[] = [];
  #length = 0;
  #calls = 0;
  #bytes = 0;

  /** Writes and invalidations that wait; merged ones count once. */
  get length(): number {
    return this.#length;
  }

  /** @throws CacheError ERR_OVERLOADED */
  push(item: WriteItem, waiter: Waiter, askedMs: number): void {
    this.#checkRoom(item.bytes?.length ?? 0);
    const own = item.bytes === undefined ? item : this.#unpinned(item, item.bytes);
    this.#calls += 1;
    const section = this.#openSection();
    const lane = section.lanes.get(item.key);
    if (lane?.last.isOpen === true && this.#merge(lane.last, own)) {
      lane.last.waiters.push(waiter);
      return;
    }
    this.#bytes += item.bytes?.length ?? 0;
    this.#length += 1;
    const write = {
      item: own,
      waiters: [waiter],
      notBeforeMs: 0,
      askedMs,
      alone: false,
      isOpen: true,
      next: undefined,
    };
    if (lane === undefined) {
      section.lanes.set(item.key, { first: write, last: write });
      return;
    }
    lane.last.next = write;
    lane.last = write;
  }

  /** @throws CacheError ERR_OVERLOADED */
  pushInvalidation(names: readonly string[], waiter: Waiter): void {
    this.#checkRoom(0);
    this.#calls += 1;
    this.#length += 1;
    (this.#sections.at(-1) ?? this.#newSection()).invalidations.push({ names, waiter });
  }

  /** Puts writes back, each at the head of its key's lane, in their order, after a batch that is known to have been undone. */
  unshift(writes: readonly PendingWrite[]): void {
    if (writes.length === 0) return;
    const { lanes } = this.#sections[0] ?? this.#newSection();
    for (let at = writes.length - 1; at >= 0; at--) {
      const write = writes[at] as PendingWrite;
      const lane = lanes.get(write.item.key);
      this.#count(write, 1);
      // Who asks later has longer to wait for a locked key than this one.
      write.isOpen = false;
      write.next = lane?.first;
      if (lane === undefined) lanes.set(write.item.key, { first: write, last: write });
      else lane.first = write;
    }
  }

  /** Takes the next batch off the queue; undefined where nothing may go now. */
  take(nowMs: number): Batch | undefined {
    const [first] = this.#sections;
    if (first === undefined) return undefined;
    const writes = this.#takeWrites(first.lanes, nowMs);
    if (writes.length === 0 && first.invalidations.length > 0) return this.#takeInvalidations(first);
    if (first.lanes.size === 0 && first.invalidations.length === 0) this.#sections.shift();
    return writes.length > 0 ? { kind: 'items', writes } : undefined;
  }

  /** Takes everything off, to tell the callers that it failed. */
  takeAll(): Waiter[] {
    const waiters: Waiter[] = [];
    for (const { lanes, invalidations } of this.#sections) {
      for (const lane of lanes.values()) {
        for (let write: PendingWrite | undefined = lane.first; write !== undefined; write = write.next) {
          for (const each of write.waiters) waiters.push(each);
        }
      }
      for (const { waiter } of invalidations) waiters.push(waiter);
    }
    this.#sections = [];
    this.#length = 0;
    this.#calls = 0;
    this.#bytes = 0;
    return waiters;
  }

  /** When the first of the held-up writes may go. */
  get nextMs(): number {
    let leastMs = Number.POSITIVE_INFINITY;
    for (const lane of this.#sections[0]?.lanes.values() ?? []) {
      leastMs = Math.min(leastMs, lane.first.notBeforeMs);
    }
    return leastMs;
  }

  /** The one that writes go into: behind an invalidation begins the next. */
  #openSection(): Section {
    const last = this.#sections.at(-1);
    return last === undefined || last.invalidations.length > 0 ? this.#newSection() : last;
  }

  #newSection(): Section {
    const section = { lanes: new Map<string, Lane>(), invalidations: [] };
    this.#sections.push(section);
    return section;
  }

  /** Writes that are left in the section are held up by locks: they stay behind, as two concurrent calls may. */
  #takeInvalidations({ lanes: held, invalidations }: Section): Batch {
    this.#length -= invalidations.length;
    this.#calls -= invalidations.length;
    this.#sections.shift();
    if (held.size === 0) return { kind: 'names', invalidations };
    const { lanes } = this.#sections[0] ?? this.#newSection();
    for (const [key, lane] of held) {
      const later = lanes.get(key);
      // What was asked after the invalidation must not be merged into what was asked before it.
      lane.last.isOpen = false;
      lane.last.next = later?.first;
      if (later === undefined) lanes.set(key, lane);
      else later.first = lane.first;
    }
    return { kind: 'names', invalidations };
  }

  #takeWrites(lanes: Map<string, Lane>, nowMs: number): PendingWrite[] {
    const writes: PendingWrite[] = [];
    let bytes = 0;
    for (const lane of lanes.values()) {
      const write = lane.first;
      if (write.notBeforeMs > nowMs) continue;
      const size = write.item.bytes?.length ?? 0;
      if (writes.length >= BATCH_ITEMS_MAX || (bytes > 0 && bytes + size > BATCH_BYTES_MAX)) break;
      writes.push(write);
      bytes += size;
    }
    for (const write of writes) {
      const { key } = write.item;
      this.#count(write, -1);
      const { next } = write;
      if (next === undefined) {
        lanes.delete(key);
        continue;
      }
      const lane = lanes.get(key) as Lane;
      write.next = undefined;
      lane.first = next;
      // Other keys' turn is before this one's next.
      lanes.delete(key);
      lanes.set(key, lane);
    }
    return writes;
  }

  #count(write: PendingWrite, sign: 1 | -1): void {
    this.#length += sign;
    this.#calls += sign * write.waiters.length;
    this.#bytes += sign * (write.item.bytes?.length ?? 0);
  }

  #merge(before: PendingWrite, item: WriteItem): boolean {
    const old = before.item;
    if (old.op === 'set' && item.op === 'set') {
      this.#bytes += (item.bytes?.length ?? 0) - (old.bytes?.length ?? 0);
      before.item = item;
      return true;
    }
    if (old.op !== 'incr' || item.op !== 'incr' || before.alone) return false;
    const sum = (old.delta ?? 0) + (item.delta ?? 0);
    if (!sameSign(old.delta ?? 0, item.delta ?? 0) || !Number.isSafeInteger(sum)) return false;
    before.item = { ...old, delta: sum };
    return true;
  }

  /** A value that came in a frame is a view of it, and what waits may wait for long. */
  #unpinned(item: WriteItem, bytes: Uint8Array): WriteItem {
    const { byteLength } = bytes.buffer;
    if (byteLength - bytes.length <= PINNED_BYTES_MAX) return item;
    if (byteLength <= UNCOPIED_CHUNK_BYTES_MAX && this.#calls < UNCOPIED_CALLS_MAX) return item;
    return { ...item, bytes: new Uint8Array(bytes) };
  }

  #checkRoom(bytes: number): void {
    if (this.#calls >= WAITING_CALLS_MAX || this.#bytes + bytes > WAITING_BYTES_MAX) {
      throw new CacheError('ERR_OVERLOADED', `${this.#calls} writes wait for the database already`);
    }
  }
}
