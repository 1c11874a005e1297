import { Cache, type MutationOption } from 'drizzle-orm/cache/core';

const nameOf = (table: unknown) =>
  typeof table === 'string' ? table : (table as Record<symbol, string>)[Symbol.for('drizzle:Name')]!;

/** Drizzle's contract for caches, followed by the letter over a Map. */
export class MapCache extends Cache {
  readonly #entries = new Map<string, { readonly rows: unknown[]; readonly tables: readonly string[] }>();
  /** Queries that Drizzle asked for, here. */
  asked = 0;

  strategy() {
    return 'all' as const;
  }

  async get(key: string): Promise<unknown[] | undefined> {
    this.asked += 1;
    return this.#entries.get(key)?.rows;
  }

  async put(key: string, rows: unknown[], tables: string[]): Promise<void> {
    this.#entries.set(key, { rows, tables });
  }

  async onMutate({ tables = [] }: MutationOption): Promise<void> {
    const written = [tables].flat().map(nameOf);
    for (const [key, entry] of this.#entries) {
      if (entry.tables.some((table) => written.includes(table))) this.#entries.delete(key);
    }
  }
}
