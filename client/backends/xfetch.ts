import * as xfetch from '../../shared/xfetch.js';

/** A value as it is kept: with what it cost in milliseconds, and when it expires (null: never). */
export interface Envelope {
  readonly value: unknown;
  readonly xfetch: readonly [deltaMs: number, expiresAtMs: number | null];
}

export function seal(value: unknown, deltaMs: number, ttlMs: number, nowMs: number): Envelope {
  const expiresAtMs = ttlMs === Number.POSITIVE_INFINITY ? null : nowMs + ttlMs;
  return { value, xfetch: [Math.max(xfetch.DELTA_MS_MIN, deltaMs), expiresAtMs] };
}

/** Whether the entry was written by StampedeProtection; what others wrote is served as it is. */
export function isEnvelope(held: unknown): held is Envelope {
  if (typeof held !== 'object' || held === null || Object.keys(held).length !== 2) return false;
  const { xfetch } = held as Partial<Envelope>;
  if (!Array.isArray(xfetch) || xfetch.length !== 2 || !('value' in held)) return false;
  return Number.isFinite(xfetch[0]) && (xfetch[1] === null || Number.isFinite(xfetch[1]));
}

export function unseal(held: unknown): unknown {
  return isEnvelope(held) ? held.value : held;
}

/**
 * How long before its expiry an entry counts as expired for one read.
 * @param random uniform in [0, 1)
 * @returns milliseconds, 0 for what is no envelope
 */
export function leadMs(held: unknown, beta: number, random: number): number {
  return isEnvelope(held) ? xfetch.leadMs(held.xfetch[0], beta, random) : 0;
}

/** @param lead see {@link leadMs} */
export function isEarly(held: unknown, lead: number, nowMs: number): boolean {
  if (lead <= 0 || !isEnvelope(held)) return false;
  const expiresAtMs = held.xfetch[1];
  return expiresAtMs !== null && nowMs + lead >= expiresAtMs;
}
