import { CacheError } from '../shared/errors.js';

/** What a Node timer can hold; who waits longer waits for ever. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export interface Patience<T> {
  /** After this long `instead` is asked, once. */
  readonly softTimeoutMs: number | undefined;
  /** Something to do with in place of the work, or undefined for going on to wait. */
  instead(): Promise<T | undefined>;
  /** After this long it is over. */
  readonly hardTimeoutMs: number | undefined;
}

/**
 * Waits for work that goes on whatever its caller does.
 * @throws CacheError ERR_TIMEOUT after hardTimeoutMs
 */
export function withPatience<T>(work: Promise<T>, patience: Patience<T>): Promise<T> {
  const { softTimeoutMs, hardTimeoutMs, instead } = patience;
  return new Promise<T>((resolve, reject) => {
    const timers: NodeJS.Timeout[] = [];
    const settled = () => {
      for (const timer of timers) clearTimeout(timer);
    };
    const after = (ms: number | undefined, then: () => void) => {
      if (ms !== undefined && ms <= TIMER_MS_MAX) timers.push(setTimeout(then, ms));
    };
    const takeInstead = async () => {
      const found = await instead();
      if (found === undefined) return;
      settled();
      resolve(found);
    };
    after(softTimeoutMs, () => void takeInstead().catch(() => {}));
    after(hardTimeoutMs, () => {
      settled();
      reject(new CacheError('ERR_TIMEOUT', `no value within the hardTimeout of ${hardTimeoutMs} ms; the load goes on`));
    });
    work.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error) => {
        settled();
        reject(error);
      },
    );
  });
}
