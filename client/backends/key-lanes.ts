/**
 * What keeps the near copy of a key in order while the far one is read and written. A lane exists for a key as long as
 * something is under way for it.
 *
 * A fill must not land after a write that it did not see:
 *
 *     A: reads v1 from the far tier … B: writes v2 to the far tier, then near … A: fills near with v1
 *
 * so a fill counts only if no write of its key has ended since it began; one that ends later replaces or drops what the
 * fill has stored. And of two writes that overlap nobody knows which came last in the far tier, whatever the order of
 * their answers:
 *
 *     A: far ← v1 … B: far ← v2 … B answered: near ← v2 … A answered: near ← v1
 *
 * so both leave the near tier without the key. Changes of the near copy of one key happen one after another, since the
 * near tier may be asynchronous.
 */
export class KeyLanes {
  readonly #lanes = new Map<string, Lane>();
  #epoch = 0;

  /** To be called before the far tier is read. */
  beginFill(key: string): Fill {
    const lane = this.#enter(key);
    return { lane, version: lane.version, epoch: this.#epoch };
  }

  /** Whether what the fill reads is still the latest that is known. */
  isCurrent({ lane, version, epoch }: Fill): boolean {
    return lane.version === version && this.#epoch === epoch;
  }

  /** @param store changes the near tier; called if the fill is current. Without one the fill comes to nothing. */
  async endFill(fill: Fill, store?: () => unknown): Promise<void> {
    try {
      if (store !== undefined) await inTurn(fill.lane, () => (this.isCurrent(fill) ? store() : undefined));
    } finally {
      this.#leave(fill.lane);
    }
  }

  /** To be called before the far tier is written. */
  beginWrite(key: string): Write {
    const lane = this.#enter(key);
    lane.writers++;
    if (lane.writers > 1) lane.overlapped = true;
    return { lane, epoch: this.#epoch };
  }

  /**
   * To be called when the far tier has answered.
   * @param drop takes the key out of the near tier
   * @param store puts the new value there; called in place of `drop` where it is given and safe
   */
  async endWrite({ lane, epoch }: Write, drop: () => unknown, store?: () => unknown): Promise<void> {
    lane.version++;
    try {
      await inTurn(lane, () => {
        const isSafe = store !== undefined && !lane.overlapped && this.#epoch === epoch;
        return isSafe ? storeOrDrop(store, drop) : drop();
      });
    } finally {
      lane.writers--;
      if (lane.writers === 0) lane.overlapped = false;
      this.#leave(lane);
    }
  }

  /** Fills and writes that are under way will not store in the near tier. */
  voidAll(): void {
    this.#epoch++;
  }

  /** Resolves when the changes of the near tier that have begun are done. */
  async settled(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map(({ tail }) => tail));
  }

  #enter(key: string): Lane {
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = { key, users: 0, writers: 0, overlapped: false, version: 0, tail: Promise.resolve() };
      this.#lanes.set(key, lane);
    }
    lane.users++;
    return lane;
  }

  #leave(lane: Lane): void {
    lane.users--;
    if (lane.users === 0) this.#lanes.delete(lane.key);
  }
}

export interface Lane {
  readonly key: string;
  users: number;
  writers: number;
  overlapped: boolean;
  version: number;
  /** Resolves when the last change of the near tier that was queued is done; never rejects. */
  tail: Promise<void>;
}

export interface Fill {
  readonly lane: Lane;
  readonly version: number;
  readonly epoch: number;
}

export interface Write {
  readonly lane: Lane;
  readonly epoch: number;
}

/** A near tier that refuses the value (it may have limits of its own) must not keep the one before. */
async function storeOrDrop(store: () => unknown, drop: () => unknown): Promise<void> {
  try {
    await store();
  } catch {
    await drop();
  }
}

function inTurn(lane: Lane, act: () => unknown): Promise<void> {
  const done = lane.tail.then(async () => {
    await act();
  });
  lane.tail = done.catch(() => {});
  return done;
}
