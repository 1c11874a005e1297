export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** @returns undefined where any of the values is */
export function spreadOf(values: readonly (number | undefined)[]): Spread | undefined {
  if (values.length === 0 || values.some((value) => value === undefined)) return undefined;
  const sorted = (values as readonly number[]).toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, low: sorted[0]!, high: sorted.at(-1)! };
}
