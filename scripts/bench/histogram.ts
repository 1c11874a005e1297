/** Each bucket is this much wider than the one before: a quantile is right within 1 %. */
const GROWTH = 1.02;
const LOG_GROWTH = Math.log(GROWTH);
const SMALLEST_US = 0.01;
const BUCKETS = 1_000;

/** Times in microseconds, by buckets, so that those of several processes can be added up. */
export class Histogram {
  readonly counts: Uint32Array;

  constructor(counts?: ArrayLike<number>) {
    this.counts = counts === undefined ? new Uint32Array(BUCKETS) : Uint32Array.from(counts);
  }

  record(us: number): void {
    const bucket = Math.round(Math.log(Math.max(us, SMALLEST_US) / SMALLEST_US) / LOG_GROWTH);
    this.counts[Math.min(bucket, BUCKETS - 1)]! += 1;
  }

  add(other: Histogram): void {
    for (const [bucket, count] of other.counts.entries()) this.counts[bucket]! += count;
  }

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** @param share from 0 to 1; @returns microseconds; 0 where nothing was recorded */
  quantile(share: number): number {
    let left = Math.ceil(this.total * share);
    for (const [bucket, count] of this.counts.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return SMALLEST_US * GROWTH ** bucket;
    }
    return 0;
  }
}
