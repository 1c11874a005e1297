/** What a client process is started with, as JSON in its arguments. */
export interface ClientSetup {
  readonly process: string;
  readonly slot: number;
  readonly life: number;
  readonly near: boolean;
  readonly degrades: boolean;
  readonly round: number;
  readonly seed: number;
  readonly socket: string;
  readonly databaseUrl: string;
  /** Where its history goes. */
  readonly file: string;
  readonly lives: readonly number[];
}

export type ToClient = { readonly lives: readonly number[] } | { readonly finish: true };

export interface FromClient {
  readonly operations: number;
  readonly codes: Readonly<Record<string, number>>;
  /** Of its queries, those that were answered from the cache, those that were not, and those that were not cached at all. */
  readonly queries: { readonly hits: number; readonly misses: number; readonly bypasses: number };
  /** Whether every key could be read in the end; missing while it runs. */
  readonly recovered?: boolean;
}
