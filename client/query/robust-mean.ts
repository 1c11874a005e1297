/** A sample counts for at most so many times the mean before it: one stall does not pass for the usual. */
const CLIP = 8;
/** Steps of the low quantile: it rests where three samples lie above for each below (after Ma, Muthukrishnan, Sandler, Frugal Streaming, 2013). */
const [DOWN, UP] = [0.86, 1.05];
/** From here on each sample weighs as one of so many. */
const SAMPLES = 16;

/** A mean that follows what changes and that single outliers hardly move; what comes often enough counts in full, however far out it lies. */
export class RobustMean {
  /** NaN without samples. */
  value = Number.NaN;
  /** A time that about a fourth of the samples stay below: what is left of it where others are waited for. */
  low = Number.NaN;
  /** Since the beginning, or the last `restart`. */
  samples = 0;

  add(sample: number): void {
    this.samples += 1;
    if (this.samples === 1) this.low = sample;
    else this.low *= sample < this.low ? DOWN : UP;
    const weight = 1 / Math.min(this.samples, SAMPLES);
    // The first of all is taken as it comes: what comes next corrects it.
    const clipped = this.samples === 1 ? sample : Math.min(sample, CLIP * this.value);
    this.value = this.samples === 1 ? clipped : this.value + weight * (clipped - this.value);
  }

  /** What comes next counts alone. */
  restart(): void {
    this.samples = 0;
  }
}
