import type { Call } from './call.js';

const SLOTS_MIN = 64;
const ID_MAX = 0xffffffff;

/**
 * The calls that wait, by id: a table of slots, of which an id uses the one of its low bits. Ids are given out in order;
 * one whose slot is still taken by a call that waits for long is passed over.
 */
export class PendingCalls {
  #slots: (Call | undefined)[] = new Array(SLOTS_MIN).fill(undefined);
  #mask = SLOTS_MIN - 1;
  #lastId = 0;
  size = 0;

  /** Gives the call its id. */
  add(call: Call): void {
    if (this.size * 2 >= this.#slots.length) this.#grow();
    do {
      this.#lastId = this.#lastId === ID_MAX ? 1 : this.#lastId + 1;
    } while (this.#slots[this.#lastId & this.#mask] !== undefined);
    call.id = this.#lastId;
    this.#slots[call.id & this.#mask] = call;
    this.size++;
  }

  /** Takes out the call of that id; undefined if it does not wait any more. */
  take(id: number): Call | undefined {
    const call = this.#slots[id & this.#mask];
    if (call === undefined || call.id !== id) return undefined;
    this.#slots[id & this.#mask] = undefined;
    this.size--;
    return call;
  }

  has(call: Call): boolean {
    return this.#slots[call.id & this.#mask] === call;
  }

  /** Those for which `matches` is true, oldest id first; they stay. */
  filter(matches: (call: Call) => boolean): Call[] {
    const found: Call[] = [];
    for (const call of this.#slots) if (call !== undefined && matches(call)) found.push(call);
    return found.sort((a, b) => a.id - b.id);
  }

  #grow(): void {
    const calls = this.#slots;
    this.#slots = new Array(calls.length * 2).fill(undefined);
    this.#mask = this.#slots.length - 1;
    // Ids that differ in their low bits go on differing in more of them: no two calls meet in a slot.
    for (const call of calls) if (call !== undefined) this.#slots[call.id & this.#mask] = call;
  }
}
