import type { CacheStatistics } from '../../shared/cache.js';

/** What the commands show of what a daemon tells of itself; an older daemon may leave parts of it out. */
export interface DaemonState {
  readonly release?: string;
  readonly pid?: number;
  readonly uptimeSeconds?: number;
  readonly fresh?: boolean;
  readonly msSinceLastLook?: number | null;
  readonly database?: string;
  readonly listen?: string;
  readonly rssBytes?: number;
  readonly connections?: number;
  readonly namespaces?: Readonly<Record<string, CacheStatistics>>;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** @param bytes from 0 @returns such as `1.5 MB`, in powers of 1,000 */
export function bytesText(bytes: number): string {
  let [left, unit] = [bytes, 0];
  while (left >= 999.95 && unit < UNITS.length - 1) [left, unit] = [left / 1000, unit + 1];
  return `${unit === 0 ? left : left.toFixed(1)} ${UNITS[unit]}`;
}

/** Columns as wide as what is in them; the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  '),
  );
}
