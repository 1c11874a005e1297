import { getHeapStatistics } from 'node:v8';
import { Lru } from '../shared/lru.js';
import { type Base, type LogRow, sees } from '../shared/snapshot.js';
import { EVERYTHING, keyName, namespaceName } from '../shared/table/names.js';
import type { Clock } from './clock.js';
import { compact, HeapRoom, type Packed } from './packed.js';

/** A value as memory keeps it: opaque bytes, what it is at least as new as, and the names it carries. */
export interface MemoryEntry {
  readonly bytes: Packed;
  readonly base: Base;
  readonly names: readonly string[];
  /** How long past its expiry it may be served by loads that fail or are slow: milliseconds, or Infinity. */
  readonly graceMs?: number | undefined;
  /** How long it took to compute, where that was measured. */
  readonly deltaMs?: number | undefined;
}

export interface KeptEntry extends MemoryEntry {
  readonly expiresAtMs: number;
  /** Something may have taken its place that is not known of here: it is answered no more, but under grace. */
  isDoubted: boolean;
}

/**
 * The rule, for one row of the log and one value: a row kills every value that it names and that does not see it.
 * A written key names the value of that key; an invalidated name names what carries it, and its own key or namespace.
 */
export function kills(
  row: LogRow,
  namespace: string,
  key: string,
  value: { base: Base; names: readonly string[] },
): boolean {
  if (sees(value.base, row.xid)) return false;
  if ('keys' in row) return row.namespace === namespace && row.keys.includes(key);
  return (
    row.name === EVERYTHING ||
    row.name === namespaceName(namespace) ||
    row.name === keyName(namespace, key) ||
    value.names.includes(row.name)
  );
}

/** The memory tier of one namespace: entries by key and by name, bounded by bytes and by number. */
export class Memory {
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #lru: Lru<KeptEntry>;
  readonly #keysByName = new Map<string, Set<string>>();
  readonly #ownKeyPrefix: string;
  readonly #room = new HeapRoom(getHeapStatistics);
  /** Told of each key that memory lets go of, and undefined for all of them. */
  readonly #onDrop: (key: string | undefined) => void;
  #invalidations = 0;

  constructor(options: {
    namespace: string;
    clock: Clock;
    maxEntries: number;
    maxBytes: number;
    onDrop?: (key: string | undefined) => void;
  }) {
    this.#namespace = options.namespace;
    this.#clock = options.clock;
    this.#ownKeyPrefix = keyName(options.namespace, '');
    this.#onDrop = options.onDrop ?? (() => {});
    this.#lru = new Lru<KeptEntry>({
      maxEntries: options.maxEntries,
      maxBytes: options.maxBytes,
      onRemove: (key, entry) => {
        this.#unname(key, entry.names);
        this.#onDrop(key);
      },
    });
  }

  /** @param nowMs for whoever has read the clock already, which takes as long as the look-up */
  get(key: string, nowMs = this.#clock.now()): KeptEntry | undefined {
    return current(this.#lru.get(key, nowMs), nowMs);
  }

  /** The same without a change of recency. */
  peek(key: string): KeptEntry | undefined {
    const nowMs = this.#clock.now();
    return current(this.#lru.peek(key, nowMs), nowMs);
  }

  /**
   * A value for somebody whose load fails or is slow: one that has expired, or that may be out of date for all that is
   * known here, but that nothing known has killed.
   * @param graceMs how long past its expiry the caller takes it; the value's own grace bounds it as well
   */
  stale(key: string, graceMs: number): KeptEntry | undefined {
    const nowMs = this.#clock.now();
    const entry = this.#lru.peek(key, nowMs);
    const usableMs = Math.min(graceMs, entry?.graceMs ?? 0);
    return entry !== undefined && usableMs > 0 && nowMs < entry.expiresAtMs + usableMs ? entry : undefined;
  }

  /** Only the end of a lease may call this. The bytes are copied: a view would keep its whole frame or batch alive. */
  fill(key: string, entry: MemoryEntry, expiresAtMs: number): void {
    const { base, names, graceMs, deltaMs } = entry;
    const bytes = compact(entry.bytes, this.#room);
    const kept = { bytes, base, names, graceMs, deltaMs, expiresAtMs, isDoubted: false };
    if (!this.#lru.set(key, kept, bytes.length, expiresAtMs + (graceMs ?? 0), this.#clock.now())) return;
    for (const name of entry.names) {
      const keys = this.#keysByName.get(name);
      if (keys === undefined) this.#keysByName.set(name, new Set([key]));
      else keys.add(key);
    }
  }

  drop(key: string): void {
    this.#lru.delete(key, this.#clock.now());
  }

  /** A drop that leaves the value to those who take it under grace. */
  doubt(key: string): void {
    const entry = this.#lru.peek(key, this.#clock.now());
    if ((entry?.graceMs ?? 0) === 0) {
      this.drop(key);
    } else if (entry?.isDoubted === false) {
      entry.isDoubted = true;
      this.#onDrop(key);
    }
  }

  clear(): void {
    this.#lru.clear();
    this.#keysByName.clear();
    this.#onDrop(undefined);
  }

  /** Drops what the row kills. Hearing of a row twice, or of one's own, does no harm: what sees it is spared. */
  apply(row: LogRow): void {
    if ('keys' in row) {
      if (row.namespace === this.#namespace) for (const key of row.keys) this.#dropUnlessSeen(key, row.xid);
      return;
    }
    if (row.name === EVERYTHING || row.name === namespaceName(this.#namespace)) {
      // Whatever sees the row would be spared, but one read more is cheaper than a walk over everything.
      this.#invalidations += this.#lru.size;
      this.clear();
    } else if (row.name.startsWith(this.#ownKeyPrefix)) {
      this.#dropUnlessSeen(row.name.slice(this.#ownKeyPrefix.length), row.xid);
    } else {
      for (const key of [...(this.#keysByName.get(row.name) ?? [])]) this.#dropUnlessSeen(key, row.xid);
    }
  }

  /** Removes a bounded number of expired entries. */
  sweep(): void {
    this.#lru.expire(this.#clock.now(), 10_000);
  }

  get figures(): { evictions: number; expirations: number; invalidations: number; bytes: number; entries: number } {
    const { evictions, expirations, bytes, size } = this.#lru;
    return { evictions, expirations, invalidations: this.#invalidations, bytes, entries: size };
  }

  #dropUnlessSeen(key: string, xid: bigint): void {
    const entry = this.#lru.peek(key, this.#clock.now());
    if (entry === undefined || sees(entry.base, xid)) return;
    this.#invalidations += 1;
    this.drop(key);
  }

  #unname(key: string, names: readonly string[]): void {
    for (const name of names) {
      const keys = this.#keysByName.get(name);
      if (keys?.delete(key) && keys.size === 0) this.#keysByName.delete(name);
    }
  }
}

function current(entry: KeptEntry | undefined, nowMs: number): KeptEntry | undefined {
  return entry === undefined || entry.isDoubted || entry.expiresAtMs <= nowMs ? undefined : entry;
}
