import type { TableName } from '../../shared/table-tags.js';
import type { AskCatalog, Catalog, KeyColumn, Relation } from './catalog.js';
import type { FunctionUse, ObjectName, Occurrence, ReadFacts } from './facts.js';
import { isCatalogType, isStableAndSafe } from './functions.js';
import type { Pin } from './pins.js';
import { factsOf } from './statement.js';
import { quotedName } from './syntax.js';

/** Views made of views beyond this depth are not followed. */
const VIEW_DEPTH_MAX = 16;
/** Relations of one query beyond which it is not cached. */
const RELATIONS_MAX = 200;

/** A table that a query reads at one place. */
export interface TableRead {
  readonly table: TableName;
  readonly family: readonly TableName[];
  readonly key: readonly KeyColumn[];
  readonly pins: ReadonlyMap<string, Pin>;
}

/** A relation that the text itself names, and the tables that it stands for. */
export interface NamedRelation {
  readonly relation: TableName;
  readonly tables: readonly TableName[];
}

export type Resolution =
  | { readonly bypass: string }
  | { readonly bypass: undefined; readonly reads: readonly TableRead[]; readonly named: readonly NamedRelation[] };

/** A reason not to cache, on its way to whoever asked. */
class Bypass extends Error {}

/** Finds the tables behind what a query names, views followed by their definitions, or says why it can't. */
export async function resolve(facts: ReadFacts, catalog: Catalog, ask: AskCatalog): Promise<Resolution> {
  try {
    const named: NamedRelation[] = [];
    const reads: TableRead[] = [];
    await check(facts, catalog, ask);
    for (const occurrence of facts.occurrences) {
      const relation = relationOf(occurrence, catalog);
      const own = await readsOf(relation, occurrence.pins, { catalog, ask, depth: 0 });
      reads.push(...own);
      if (reads.length > RELATIONS_MAX) throw new Bypass(`it reads more than ${RELATIONS_MAX} tables`);
      const tables = own.map(({ table }) => table);
      named.push({ relation: tableName(relation), tables });
    }
    return { bypass: undefined, reads, named };
  } catch (error) {
    if (error instanceof Bypass) return { bypass: error.message };
    throw error;
  }
}

interface Following {
  readonly catalog: Catalog;
  readonly ask: AskCatalog;
  readonly depth: number;
}

async function readsOf(
  relation: Relation,
  pins: ReadonlyMap<string, Pin>,
  { catalog, ask, depth }: Following,
): Promise<TableRead[]> {
  if (relation.kind !== 'v') return [tableRead(relation, pins)];
  const name = `${relation.schema}.${relation.name}`;
  if (depth >= VIEW_DEPTH_MAX) throw new Bypass(`the view ${name} is made of views too deep`);
  if (relation.isSystem) throw new Bypass(`${name} belongs to the system`);
  const { bypass, read } = factsOf(relation.definition ?? '');
  if (bypass !== undefined || read === undefined) throw new Bypass(`the view ${name}: ${bypass}`);
  await check(read, catalog, ask);
  const found: TableRead[] = [];
  for (const occurrence of read.occurrences) {
    // What WHERE says in the view's own text holds as it does anywhere, but its parameters would be another's: there are none.
    found.push(
      ...(await readsOf(relationOf(occurrence, catalog), occurrence.pins, { catalog, ask, depth: depth + 1 })),
    );
    if (found.length > RELATIONS_MAX) throw new Bypass(`the view ${name} reads more than ${RELATIONS_MAX} tables`);
  }
  return found;
}

function relationOf(occurrence: Occurrence, catalog: Catalog): Relation {
  const relation = catalog.relation(occurrence);
  if (relation === undefined) throw new Bypass(`there is no relation ${quotedName(occurrence)}`);
  return relation;
}

const tableName = ({ schema, name }: Relation): TableName => ({ schema, table: name });

function tableRead(relation: Relation, pins: ReadonlyMap<string, Pin>): TableRead {
  const name = `${relation.schema}.${relation.name}`;
  if (relation.isSystem || relation.schema === 'information_schema') throw new Bypass(`${name} belongs to the system`);
  if (!'rpm'.includes(relation.kind) || relation.family.some(({ kind }) => !'rp'.includes(kind))) {
    throw new Bypass(`${name} is, or has, a foreign table or something else than a table of this database`);
  }
  if (relation.persistence === 't') throw new Bypass(`${name} is a temporary table`);
  if (relation.hasPolicies) throw new Bypass(`${name} has row-level security: its rows depend on who asks`);
  return { table: tableName(relation), family: relation.family, key: relation.key, pins };
}

/** @throws Bypass where something may give another answer for the same rows */
async function check(facts: ReadFacts, catalog: Catalog, ask: AskCatalog): Promise<void> {
  await catalog.learn(facts, ask);
  for (const one of facts.functions) checkFunction(one, catalog);
  for (const one of facts.types) checkType(one, catalog);
  const { operators, casts } = catalog.hazards;
  if (casts) throw new Bypass('the database has casts by functions that are not known to be safe');
  const operator = facts.operators.find(({ name }) => operators.has(name));
  if (operator !== undefined) throw new Bypass(`the operator ${operator.name} may be one that is not known to be safe`);
  const call = facts.attributes.find((one) => catalog.isCall(one));
  if (call !== undefined) throw new Bypass(`.${call} may be a call of a function`);
}

function checkFunction(use: FunctionUse, catalog: Catalog): void {
  const kinds = catalog.functions(use);
  if (kinds.length === 0) throw new Bypass(`there is no function ${use.name}`);
  for (const { isBuiltIn, volatility, kind, isCompiled } of kinds) {
    if (volatility === 'v') throw new Bypass(`the function ${use.name} is volatile`);
    if (!isBuiltIn && !(volatility === 'i' && isCompiled && kind !== 'a')) {
      throw new Bypass(`what the function ${use.name} reads can't be known`);
    }
    if (isBuiltIn && volatility === 's' && !isStableAndSafe(use.name, use.argumentCount)) {
      throw new Bypass(`the function ${use.name} depends on more than its arguments`);
    }
  }
}

function checkType(use: ObjectName, catalog: Catalog): void {
  const kinds = catalog.types(use);
  const isSafe = ({ isBuiltIn, kind, isCompiled }: (typeof kinds)[number]) =>
    isBuiltIn ? !isCatalogType(use.name) : kind === 'e' || (kind === 'b' && isCompiled);
  if (kinds.length === 0 || !kinds.every(isSafe)) throw new Bypass(`the type ${use.name} is not known to be safe`);
}
