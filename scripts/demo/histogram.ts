/** Buckets an octave: a percentile is right within 2^(1/16), some 4 %. */
const BUCKETS_PER_OCTAVE = 16;

/** Durations, counted in buckets whose width grows with the duration; adds up over processes. */
export class Histogram {
  readonly #counts = new Map<number, number>();
  #total = 0;

  /** @param counts what {@link Histogram.counts} gave, here or in another process */
  constructor(counts: readonly (readonly [bucket: number, count: number])[] = []) {
    this.add(counts);
  }

  get total(): number {
    return this.#total;
  }

  get counts(): [bucket: number, count: number][] {
    return [...this.#counts];
  }

  /** @param ns from 0; below 1 counts as 1 */
  record(ns: number): void {
    this.#count(Math.round(Math.log2(Math.max(1, ns)) * BUCKETS_PER_OCTAVE), 1);
  }

  add(counts: readonly (readonly [bucket: number, count: number])[]): void {
    for (const [bucket, count] of counts) this.#count(bucket, count);
  }

  /** @returns the duration in ms that the given share (0 to 1) of all does not exceed; undefined where there are none */
  percentileMs(share: number): number | undefined {
    let left = Math.ceil(this.#total * share);
    for (const [bucket, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      left -= count;
      if (left <= 0) return 2 ** (bucket / BUCKETS_PER_OCTAVE) / 1e6;
    }
    return undefined;
  }

  forget(): void {
    this.#counts.clear();
    this.#total = 0;
  }

  #count(bucket: number, count: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
    this.#total += count;
  }
}
