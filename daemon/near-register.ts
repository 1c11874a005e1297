import { LIMIT } from '../shared/protocol.js';

/** What one session's near tier may hold of one namespace, and what of it was lost and is not told yet. */
export class NearHolder {
  /** In the order in which they were last given. */
  readonly keys = new Set<string>();
  readonly #onLoss: () => void;
  #lost: string[] = [];
  #lostAll = false;

  /** @param onLoss called for each loss: the session is to tell it before its next reply */
  constructor(onLoss: () => void) {
    this.#onLoss = onLoss;
  }

  lose(key: string): void {
    if (!this.keys.delete(key)) return;
    this.#lost.push(key);
    this.#onLoss();
  }

  loseAll(): void {
    if (this.keys.size === 0) return;
    this.keys.clear();
    this.#lost = [];
    this.#lostAll = true;
    this.#onLoss();
  }

  /** What is to be told: keys, 'all' (also in place of very many, though some are held still), or undefined for nothing. */
  takeLost(): readonly string[] | 'all' | undefined {
    const lost = this.#lost;
    const all = this.#lostAll || lost.length > LIMIT.keysPerCallMax;
    if (!all && lost.length === 0) return undefined;
    this.#lost = [];
    this.#lostAll = false;
    return all ? 'all' : lost;
  }
}

/** Who holds near copies of what, in one namespace: the sessions by key. */
export class NearRegister {
  readonly #byKey = new Map<string, NearHolder | Set<NearHolder>>();
  readonly #holders = new Set<NearHolder>();
  readonly #keysMax: number;

  /** @param keysMax keys that one holder may have; beyond it the oldest eighth is taken back */
  constructor(keysMax: number = LIMIT.nearKeysMax) {
    this.#keysMax = keysMax;
  }

  /** Keys with a holder. */
  get size(): number {
    return this.#byKey.size;
  }

  join(holder: NearHolder): void {
    this.#holders.add(holder);
  }

  leave(holder: NearHolder): void {
    if (!this.#holders.delete(holder)) return;
    for (const key of holder.keys) this.#forget(key, holder);
    holder.keys.clear();
  }

  /** @returns false for one that has not joined: nobody would tell it of the end */
  add(key: string, holder: NearHolder): boolean {
    if (!this.#holders.has(holder)) return false;
    const known = this.#byKey.get(key);
    if (known === undefined) this.#byKey.set(key, holder);
    else if (known instanceof Set) known.add(holder);
    else if (known !== holder) this.#byKey.set(key, new Set([known, holder]));
    holder.keys.delete(key);
    holder.keys.add(key);
    if (holder.keys.size > this.#keysMax) this.#takeBack(holder);
    return true;
  }

  /** Memory let go of the key, or (undefined) of everything. */
  drop(key: string | undefined): void {
    if (key === undefined) {
      this.#byKey.clear();
      for (const holder of this.#holders) holder.loseAll();
      return;
    }
    const known = this.#byKey.get(key);
    if (known === undefined) return;
    this.#byKey.delete(key);
    if (!(known instanceof Set)) known.lose(key);
    else for (const holder of known) holder.lose(key);
  }

  /** Many at a time: to find the oldest of a set is slow where many before it were deleted. */
  #takeBack(holder: NearHolder): void {
    const oldest: string[] = [];
    for (const key of holder.keys) {
      if (oldest.push(key) * 8 >= this.#keysMax) break;
    }
    for (const key of oldest) {
      this.#forget(key, holder);
      holder.lose(key);
    }
  }

  #forget(key: string, holder: NearHolder): void {
    const known = this.#byKey.get(key);
    if (known === holder) this.#byKey.delete(key);
    else if (known instanceof Set && known.delete(holder) && known.size === 0) this.#byKey.delete(key);
  }
}
