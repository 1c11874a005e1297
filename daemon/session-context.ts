import type { LIMIT } from '../shared/protocol.js';
import type { Slabs } from '../shared/slabs.js';
import type { Awaitable, Namespace } from './namespace.js';

export interface TransportLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** The limits of the protocol, or smaller ones. */
export type Limits = Readonly<Record<keyof typeof LIMIT, number>>;

/** What all sessions of a server share. */
export interface SessionContext {
  /** The namespace of that name, made on first use; throws or rejects with a CacheError where it may not be. */
  readonly namespaces: (name: string) => Awaitable<Namespace>;
  /** The state of the daemon, for the op `status`. */
  readonly status: () => object;
  readonly log: TransportLog;
  readonly limits: Limits;
  readonly slabs: Slabs;
  readonly release: string;
  readonly start: string;
}
