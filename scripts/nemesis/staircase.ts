/** "From this instant on, this version or a newer one": asked for the newest that is in force at some instant. */
export class Staircase<Cause> {
  readonly #steps: { at: number; version: number; cause: Cause }[] = [];
  #isSorted = true;

  add(at: number, version: number, cause: Cause): void {
    if (at === Number.POSITIVE_INFINITY) return;
    this.#steps.push({ at, version, cause });
    this.#isSorted = false;
  }

  /** The highest version that was asked for strictly before the instant. */
  before(instant: number): { at: number; version: number; cause: Cause } | undefined {
    this.#sort();
    const end = this.#firstFrom(instant);
    return end === 0 ? undefined : this.#steps[end - 1];
  }

  /** The first instant from which a version above this one was asked for. */
  firstAbove(version: number): number | undefined {
    this.#sort();
    let [low, high] = [0, this.#steps.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#steps[middle]!.version > version) high = middle;
      else low = middle + 1;
    }
    return this.#steps[low]?.at;
  }

  #firstFrom(instant: number): number {
    let [low, high] = [0, this.#steps.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#steps[middle]!.at >= instant) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Sorts by instant and keeps the steps that lead up. */
  #sort(): void {
    if (this.#isSorted) return;
    this.#isSorted = true;
    this.#steps.sort((a, b) => a.at - b.at || a.version - b.version);
    let kept = 0;
    for (const step of this.#steps) {
      if (kept === 0 || step.version > this.#steps[kept - 1]!.version) this.#steps[kept++] = step;
    }
    this.#steps.length = kept;
  }
}
