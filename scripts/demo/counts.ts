import type { Checker } from './checker.js';
import { Histogram } from './histogram.js';
import type { Figures, Page, PageLatency, WriteStyle } from './messages.js';

export const ERROR_EXAMPLES_MAX = 5;

class LatencyOfPage {
  readonly hit = new Histogram();
  readonly all = new Histogram();
  readonly query = new Histogram();

  forget(): void {
    for (const histogram of [this.hit, this.all, this.query]) histogram.forget();
  }

  get counts(): PageLatency {
    return { hit: this.hit.counts, all: this.all.counts, query: this.query.counts };
  }
}

/** What one application process counts. */
export class Counts {
  readonly latency: Readonly<Record<Page, LatencyOfPage>> = { city: new LatencyOfPage(), country: new LatencyOfPage() };
  readonly writes: Record<WriteStyle, number> = { set: 0, delete: 0, invalidateTags: 0 };
  /** Acknowledged increments by key. */
  readonly increments = new Map<string, number>();
  requests = 0;
  reads = 0;
  loads = 0;
  #errors = 0;
  readonly #errorExamples: string[] = [];

  incremented(key: string): void {
    this.increments.set(key, (this.increments.get(key) ?? 0) + 1);
  }

  failed(error: unknown): void {
    this.#errors += 1;
    if (this.#errorExamples.length < ERROR_EXAMPLES_MAX) this.#errorExamples.push(String(error));
  }

  figures(checker: Checker): Figures {
    const { reads: checkedReads, demands, violations, examples } = checker.figures;
    return {
      requests: this.requests,
      reads: this.reads,
      loads: this.loads,
      writes: { ...this.writes },
      increments: [...this.increments.values()].reduce((sum, count) => sum + count, 0),
      errors: this.#errors,
      errorExamples: this.#errorExamples,
      latency: { city: this.latency.city.counts, country: this.latency.country.counts },
      checkedReads,
      demands,
      violations,
      violationExamples: examples,
    };
  }
}
