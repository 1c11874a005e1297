import type { Caller } from './caller.js';
import type { PgCachedClient } from './client.js';
import type { CheckedConnectOptions } from './options.js';

/** What other parts of this package use of a client, beside its calls. */
export interface Internals {
  readonly caller: Caller;
  readonly options: CheckedConnectOptions;
}

const internals = new WeakMap<object, Internals>();

export function setInternals(client: PgCachedClient, { caller, options }: Internals): void {
  internals.set(client, { caller, options });
}

/** @returns undefined for what is no client of a daemon */
export function internalsOf(client: object): Internals | undefined {
  return internals.get(client);
}
