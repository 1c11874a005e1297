import type { Awaitable, Bytes, LoadAsk, LoadOutcome, Namespace } from '../../daemon/namespace.js';

type Direct = 'name' | 'get' | 'named' | 'set' | 'add' | 'delete' | 'incr' | 'expire' | 'clear' | 'invalidateTags';

/** How a load is asked for, and whether its value is to be a part of another: then its names are wanted. */
export interface ModelAsk extends LoadAsk {
  readonly isPart: boolean;
}

/** A namespace as a process has it: the daemon's own, or, over a wire and through a near tier, the client's. */
export interface Space extends Pick<Namespace, Direct | 'cleanup' | 'fill' | 'stale' | 'abandon'> {
  load(key: string, holder: { readonly name: string }, ask: ModelAsk): Awaitable<LoadOutcome>;
  /** Several keys in one call, those that are not held. */
  many?(keys: readonly string[], fromTable: readonly boolean[]): Promise<(Bytes | undefined)[]>;
  /** What the near tier answers at once; not there where there is none. */
  held?(key: string): Bytes | undefined;
  /** The caller does not wait for a write any more; undefined for one that concerns every key. */
  doubt?(key: string | undefined): void;
}
