import type { TableName } from '../../shared/table-tags.js';
import { ATTRIBUTES_SQL, FUNCTIONS_SQL, HAZARDS_SQL, RELATIONS_SQL, TYPES_SQL } from './catalog-sql.js';
import type { ObjectName, ReadFacts } from './facts.js';
import { quotedName } from './syntax.js';

/** Names remembered; beyond it all are forgotten and asked anew. */
const CATALOG_NAMES_MAX = 10_000;

export interface KeyColumn {
  readonly name: string;
  readonly type: string;
  readonly isBuiltIn: boolean;
  /** Values that are equal are the same text: no collation says otherwise. */
  readonly isExact: boolean;
}

export interface Relation {
  readonly schema: string;
  readonly name: string;
  /** As in pg_class: r, p, v, m, f, … */
  readonly kind: string;
  readonly persistence: string;
  readonly hasPolicies: boolean;
  readonly isSystem: boolean;
  /** Of a view, as SQL. */
  readonly definition: string | null;
  readonly key: readonly KeyColumn[];
  readonly family: readonly (TableName & { readonly kind: string })[];
}

/** One way in which a name of a function can be meant. */
export interface FunctionKind {
  readonly isBuiltIn: boolean;
  readonly volatility: string;
  readonly kind: string;
  readonly isCompiled: boolean;
}

export interface TypeKind {
  readonly isBuiltIn: boolean;
  readonly kind: string;
  readonly isCompiled: boolean;
}

export interface Hazards {
  readonly operators: ReadonlySet<string>;
  readonly casts: boolean;
}

/** Runs a statement on a connection whose session is known; rows as objects. */
export type AskCatalog = (text: string, values: unknown[]) => Promise<Record<string, unknown>[]>;

export const keyOf = ({ schema, name }: ObjectName) => JSON.stringify([schema ?? null, name]);

/** What was asked of the catalog in one session's sight, for a while. What counts no more is thrown away as a whole: an answer
 * that is still on its way then comes too late to be taken for a new one. */
export class Catalog {
  readonly #relations = new Map<string, Relation | undefined>();
  readonly #functions = new Map<string, FunctionKind[]>();
  readonly #types = new Map<string, TypeKind[]>();
  readonly #attributes = new Map<string, boolean>();
  #hazards: Hazards | undefined;

  relation(asked: ObjectName): Relation | undefined {
    return this.#relations.get(quotedName(asked));
  }

  functions(asked: ObjectName): readonly FunctionKind[] {
    return this.#functions.get(keyOf(asked)) ?? [];
  }

  types(asked: ObjectName): readonly TypeKind[] {
    return this.#types.get(keyOf(asked)) ?? [];
  }

  /** Whether row.name may be a call of a function of the application. */
  isCall(attribute: string): boolean {
    return this.#attributes.get(attribute) === true;
  }

  /** It remembers more names than it should. */
  get isFull(): boolean {
    return this.#relations.size + this.#functions.size + this.#types.size + this.#attributes.size > CATALOG_NAMES_MAX;
  }

  get hazards(): Hazards {
    return this.#hazards ?? { operators: new Set(), casts: true };
  }

  /** Asks for all that a query names and that is not known yet. */
  async learn(facts: ReadFacts, ask: AskCatalog): Promise<void> {
    await this.#learnHazards(ask);
    await this.#learnRelations(facts, ask);
    await learnKinds(this.#functions, facts.functions, FUNCTIONS_SQL, ask);
    await learnKinds(this.#types, facts.types, TYPES_SQL, ask);
    const attributes = facts.attributes.filter((one) => !this.#attributes.has(one));
    if (attributes.length === 0) return;
    const calls = new Set((await ask(ATTRIBUTES_SQL, [attributes])).map((row) => row.name));
    for (const one of attributes) this.#attributes.set(one, calls.has(one));
  }

  async #learnHazards(ask: AskCatalog): Promise<void> {
    if (this.#hazards !== undefined) return;
    const [row] = await ask(HAZARDS_SQL, []);
    this.#hazards = { operators: new Set(row?.operators as string[]), casts: row?.casts === true };
  }

  async #learnRelations(facts: ReadFacts, ask: AskCatalog): Promise<void> {
    const names = [...new Set(facts.occurrences.map(quotedName))].filter((one) => !this.#relations.has(one));
    if (names.length === 0) return;
    const rows = await ask(RELATIONS_SQL, [names]);
    const found = new Map(rows.map((row) => [row.asked as string, row as unknown as Relation]));
    for (const one of names) this.#relations.set(one, found.get(one));
  }
}

async function learnKinds<Kind>(known: Map<string, Kind[]>, uses: readonly ObjectName[], sql: string, ask: AskCatalog) {
  const asked = new Map(uses.map((one) => [keyOf(one), one]));
  const missing = [...asked].filter(([key]) => !known.has(key));
  if (missing.length === 0) return;
  const names = missing.map(([, one]) => one.name);
  const schemas = missing.map(([, one]) => one.schema ?? null);
  const found = new Map<string, Kind[]>(missing.map(([key]) => [key, []]));
  for (const row of await ask(sql, [names, schemas])) {
    const key = keyOf({ schema: (row.schema as string | null) ?? undefined, name: row.name as string });
    found.get(key)?.push(row as unknown as Kind);
  }
  for (const [key, kinds] of found) known.set(key, kinds);
}
