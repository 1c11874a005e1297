import type { Acknowledged, Checked } from './messages.js';

/** A result: which counter of changes it shows, how far, and when it was asked for. */
interface Shown {
  readonly counter: string;
  readonly count: number;
  readonly beganUs: number;
}

/**
 * Whether results have seen the writes that they should have. Each write raises counters in the database by one, which results show:
 * a result that shows fewer than had been acknowledged longer than the bound before it was asked for is stale.
 */
export class StalenessCheck {
  readonly #shown: Shown[] = [];

  add(counter: string, count: number, beganUs: number): void {
    this.#shown.push({ counter, count, beganUs });
  }

  /** @param writes of all servers, in any order; counters begin at 0 */
  against(writes: Acknowledged, boundMs: number): Checked {
    const instants = new Map<string, number[]>();
    for (const [counter, atUs] of writes) {
      const known = instants.get(counter);
      if (known === undefined) instants.set(counter, [atUs]);
      else known.push(atUs);
    }
    for (const list of instants.values()) list.sort((a, b) => a - b);
    let stale = 0;
    let stalestUs = 0;
    for (const { counter, count, beganUs } of this.#shown) {
      // The first write that it has not seen, if the writes that it counts are the first ones.
      const missedUs = instants.get(counter)?.[count];
      if (missedUs === undefined || missedUs >= beganUs) continue;
      stalestUs = Math.max(stalestUs, beganUs - missedUs);
      if (beganUs - missedUs > boundMs * 1_000) stale += 1;
    }
    return { checked: this.#shown.length, stale, stalestMs: stalestUs / 1_000 };
  }
}
