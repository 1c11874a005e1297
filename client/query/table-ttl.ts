import type { TableName } from '../../shared/table-tags.js';
import type { NamedRelation } from './resolve.js';
import { quotedName } from './syntax.js';

/**
 * How long a query is kept whose tables say so: the shortest of what they say; undefined where one of them says nothing.
 * A view that says nothing is kept as the tables behind it are.
 */
export function ttlOf(named: readonly NamedRelation[], tableTtlMs: ReadonlyMap<string, number>): number | undefined {
  const ofTable = ({ schema, table }: TableName) => tableTtlMs.get(`${schema}.${table}`) ?? tableTtlMs.get(table);
  const all = named.flatMap(({ relation, tables }) => {
    const own = ofTable(relation);
    return own === undefined ? tables.map(ofTable) : [own];
  });
  if (all.length === 0 || all.includes(undefined)) return undefined;
  return Math.min(...(all as number[])) / 1000;
}

/** @param table 'products' or 'shop.products', as the catalog spells them; without a schema that of 'public' */
export function tableNamed(table: string): TableName {
  const dot = table.indexOf('.');
  return dot === -1 ? { schema: 'public', table } : { schema: table.slice(0, dot), table: table.slice(dot + 1) };
}

export const quotedTable = ({ schema, table }: TableName) => quotedName({ schema, name: table });

/** @param table 'products' or 'shop.products'; without a schema it is found as SQL finds it */
export const nameInSql = (table: string) =>
  table.includes('.') ? quotedTable(tableNamed(table)) : quotedName({ schema: undefined, name: table });
