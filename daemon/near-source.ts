import type { Clock } from './clock.js';
import type { Follower } from './follower.js';
import type { Memory } from './memory.js';
import { NearHolder, NearRegister } from './near-register.js';
import { isSame, type Packed } from './packed.js';

/**
 * A near tier rolls no dice: it lets go of a loaded value this many times its compute time before it expires (but keeps it
 * for half of what is left to it), so that early refreshes (shared/xfetch.ts) have their chance. At 5, with β = 1, one read
 * in 150 would have been picked before.
 */
const EARLY_DELTAS = 5;

export interface MemoryNearOptions {
  readonly clock: Clock;
  readonly follower: Pick<Follower, 'isFresh' | 'freshUntilMs'>;
  readonly memory: Pick<Memory, 'peek'>;
}

/** What near tiers may keep of a namespace. */
export interface NearSource {
  /** The clock that the other instants are of. */
  readonly nowMs: number;
  /** The instant until which near tiers may answer: memory's own. */
  readonly freshUntilMs: number;
  /** @param onLoss called whenever there is something to be told of */
  join(onLoss: () => void): NearShare;
}

/** One session's part in it. */
export interface NearShare {
  /**
   * For a reply that is written now: whether the session may keep its value. If so it is told of the end of it.
   * @returns the instant at which the value expires, Infinity for never; undefined where it may not be kept
   */
  keep(key: string, bytes: Packed): number | undefined;
  /** What is to be told before the next reply: keys, 'all', or undefined for nothing. */
  takeLost(): readonly string[] | 'all' | undefined;
  leave(): void;
}

/**
 * What near tiers may keep of one memory: what it holds, for as long as it holds it.
 *
 * The invariant: wherever a session has read up to in its socket, its near tier holds nothing that memory did not hold
 * when that was written. Whether a value may be kept is therefore decided when its reply is written, not when the value
 * was found: a read may end late, after the drop of the value that it found.
 */
export class MemoryNear implements NearSource {
  readonly #options: MemoryNearOptions;
  readonly #register = new NearRegister();

  constructor(options: MemoryNearOptions) {
    this.#options = options;
  }

  get nowMs(): number {
    return this.#options.clock.now();
  }

  get freshUntilMs(): number {
    return this.#options.follower.freshUntilMs;
  }

  join(onLoss: () => void): NearShare {
    const holder = new NearHolder(onLoss);
    this.#register.join(holder);
    return {
      keep: (key, bytes) => this.#keep(key, bytes, holder),
      takeLost: () => holder.takeLost(),
      leave: () => this.#register.leave(holder),
    };
  }

  /** Memory let go of the key, or (undefined) of everything. */
  drop(key: string | undefined): void {
    this.#register.drop(key);
  }

  #keep(key: string, bytes: Packed, holder: NearHolder): number | undefined {
    const { clock, follower, memory } = this.#options;
    const nowMs = clock.now();
    if (!follower.isFresh(nowMs)) return undefined;
    const entry = memory.peek(key);
    // An equal value is as good as the same: memory holds it now, and vouches for it from now on.
    if (entry === undefined || !isSame(entry.bytes, bytes) || !this.#register.add(key, holder)) return undefined;
    const leftMs = entry.expiresAtMs - nowMs;
    return entry.expiresAtMs - Math.min(leftMs / 2, EARLY_DELTAS * (entry.deltaMs ?? 0));
  }
}

/**
 * What near tiers may keep of a namespace whose keys lie on several databases. They are told one bound: while one of the
 * databases is away they are silent for all.
 */
export class SpreadNear implements NearSource {
  readonly #parts: readonly NearSource[];
  readonly #at: (key: string) => number;

  /** @param at which of the parts has the key */
  constructor(parts: readonly NearSource[], at: (key: string) => number) {
    this.#parts = parts;
    this.#at = at;
  }

  get nowMs(): number {
    return (this.#parts[0] as NearSource).nowMs;
  }

  get freshUntilMs(): number {
    return Math.min(...this.#parts.map((part) => part.freshUntilMs));
  }

  join(onLoss: () => void): NearShare {
    const shares = this.#parts.map((part) => part.join(onLoss));
    return {
      keep: (key, bytes) => shares[this.#at(key)]?.keep(key, bytes),
      takeLost: () => {
        const lost = shares.map((share) => share.takeLost()).filter((part) => part !== undefined);
        if (lost.length === 0) return undefined;
        return lost.includes('all') ? 'all' : (lost as (readonly string[])[]).flat();
      },
      leave: () => {
        for (const share of shares) share.leave();
      },
    };
  }
}
