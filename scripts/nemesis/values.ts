import type { Seen } from './history.js';

/** What a value of the nemesis is: its version, some weight, and of what it was made. */
export interface Value {
  readonly version: number;
  readonly text: string;
  readonly parts?: Readonly<Record<string, number>>;
  readonly id?: string;
}

export const makeValue = (version: number): Value => ({ version, text: `value ${version}` });

/** Collects what a value is made of; of several versions of one key the oldest counts. */
export class Composition {
  readonly #parts: Record<string, number> = {};

  add(key: string, value: Value | undefined): void {
    if (value === undefined) return;
    const parts = value.parts ?? { [key]: value.version };
    for (const [part, version] of Object.entries(parts)) {
      this.#parts[part] = Math.min(version, this.#parts[part] ?? version);
    }
  }

  /** @param id of the load that made it */
  value(version: number, id: string): Value {
    return { version, text: `value ${id}`, parts: this.#parts, id };
  }
}

export function seenOf(value: Value | undefined, more: Pick<Seen, 'stale' | 'graceUs'> = {}): Seen {
  if (value === undefined) return { version: undefined };
  const { version, parts, id } = value;
  return { version, ...(parts && { parts }), ...(id !== undefined && { id }), ...more };
}
