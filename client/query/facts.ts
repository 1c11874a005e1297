import type { Pin } from './pins.js';
import type { RelationName } from './syntax.js';

/** A relation that a query reads, once for each place where it stands. */
export interface Occurrence extends RelationName {
  /** What WHERE says of its columns, by column: only rows with these values have a part in the result. */
  readonly pins: ReadonlyMap<string, Pin>;
}

/** A name with the schema it was given, if any. */
export interface ObjectName {
  readonly schema: string | undefined;
  readonly name: string;
}

export interface FunctionUse extends ObjectName {
  readonly argumentCount: number;
}

/** What the text of a query says: all that the catalog must be asked about. */
export interface ReadFacts {
  readonly occurrences: readonly Occurrence[];
  readonly functions: readonly FunctionUse[];
  readonly operators: readonly ObjectName[];
  readonly types: readonly ObjectName[];
  /** Names after a dot: columns, or functions called in the notation of columns. */
  readonly attributes: readonly string[];
  /** How often each parameter stands in the text. */
  readonly parameters: ReadonlyMap<number, number>;
}

/** What tables a write cascades to: nothing, by the actions of foreign keys, all that refer to it (TRUNCATE CASCADE). */
export type Cascade = 'none' | 'actions' | 'all';

export interface WrittenTable extends RelationName {
  readonly cascade: Cascade;
}

/** How a statement may end a transaction. */
export type TransactionStep = 'begin' | 'commit' | 'rollback' | 'savepoint';

export interface StatementFacts {
  /** Why it is not cached, whatever the catalog says; undefined for one that may be. */
  readonly bypass: string | undefined;
  readonly read: ReadFacts | undefined;
  readonly written: readonly WrittenTable[];
  /** Functions that it calls and that may write, until the catalog says more. */
  readonly calls: readonly FunctionUse[];
  /** It runs what its text does not say (DO, CALL, EXECUTE): that may write anything. */
  readonly runsUnknown: boolean;
  /** It may end transactions of its own (DO, CALL), and so can't run inside one. */
  readonly mayCommit: boolean;
  /** It changes what other queries mean (DDL), or nobody knows what it writes: all that is made of queries goes. */
  readonly changesAll: boolean;
  /** What the catalog said may not be so any more. */
  readonly changesCatalog: boolean;
  readonly step: TransactionStep | undefined;
  /** It is no more than a query, a write or a step of a transaction: it leaves no trace in the session. */
  readonly keepsSession: boolean;
}
