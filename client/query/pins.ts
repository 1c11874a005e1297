import { as, isNode, listOf, type Node, names, textOf, type Value } from './syntax.js';

/** One value of a pin: a parameter, or a constant as its text. */
export type PinValue =
  | { readonly parameter: number; readonly cast: string | undefined }
  | { readonly constant: string; readonly isNumber: boolean; readonly cast: string | undefined };

/** The values of which a column has one: listed, or the elements of an array parameter. */
export type Pin =
  | { readonly kind: 'values'; readonly values: readonly PinValue[] }
  | { readonly kind: 'array'; readonly parameter: number; readonly cast: string | undefined };

/** Values in one list beyond which a query counts as one of the whole table. */
export const PINNED_VALUES_MAX = 64;

/** A column as a WHERE clause names it, with what stands before the dot. */
interface PinnedColumn {
  readonly relation: string | undefined;
  readonly column: string;
  readonly pin: Pin;
}

/**
 * The columns that a WHERE clause holds to given values: those of the terms that it joins by AND. A row for which such a
 * term is not true has no part in the result, whatever the other terms, the joins and the select list make of the rest.
 */
export function pinnedColumns(where: Value): PinnedColumn[] {
  const all = as(where, 'BoolExpr');
  if (all !== undefined) return all.boolop === 'AND_EXPR' ? listOf(all.args).flatMap(pinnedColumns) : [];
  const term = as(where, 'A_Expr');
  if (term === undefined) return [];
  const operator = names(term.name);
  if (operator.length !== 1 || operator[0] !== '=') return [];
  if (term.kind === 'AEXPR_OP') {
    return [...pinOf(term.lexpr, oneOf(term.rexpr)), ...pinOf(term.rexpr, oneOf(term.lexpr))].slice(0, 1);
  }
  if (term.kind === 'AEXPR_IN') return pinOf(term.lexpr, listed(listOf(as(term.rexpr, 'List')?.items)));
  if (term.kind === 'AEXPR_OP_ANY') return pinOf(term.lexpr, arrayOf(term.rexpr));
  return [];
}

function pinOf(side: Value, pin: Pin | undefined): PinnedColumn[] {
  const column = as(side, 'ColumnRef');
  if (column === undefined || pin === undefined) return [];
  const fields = names(column.fields);
  if (fields.includes('') || fields.length > 2) return [];
  return [{ relation: fields.length === 2 ? fields[0] : undefined, column: fields.at(-1)!, pin }];
}

function oneOf(side: Value): Pin | undefined {
  const value = pinValue(side);
  return value === undefined ? undefined : { kind: 'values', values: [value] };
}

function listed(items: readonly Value[]): Pin | undefined {
  if (items.length === 0 || items.length > PINNED_VALUES_MAX) return undefined;
  const values = items.map(pinValue);
  return values.includes(undefined) ? undefined : { kind: 'values', values: values as PinValue[] };
}

/** `= ANY ($1)`, `= ANY ($1::int[])` or `= ANY (ARRAY[$1, 2])`. */
function arrayOf(side: Value): Pin | undefined {
  const made = as(side, 'A_ArrayExpr');
  if (made !== undefined) return listed(listOf(made.elements));
  const cast = as(side, 'TypeCast');
  if (cast === undefined) return arrayParameter(side, undefined);
  const type = castName(cast.typeName, 1);
  return type === undefined ? undefined : arrayParameter(cast.arg, type);
}

function arrayParameter(side: Value, cast: string | undefined): Pin | undefined {
  const parameter = as(side, 'ParamRef');
  return parameter === undefined ? undefined : { kind: 'array', parameter: Number(parameter.number ?? 0), cast };
}

function pinValue(side: Value): PinValue | undefined {
  const cast = as(side, 'TypeCast');
  const type = cast === undefined ? undefined : castName(cast.typeName, 0);
  if (cast !== undefined && type === undefined) return undefined;
  const inner = cast === undefined ? side : cast.arg;
  const parameter = as(inner, 'ParamRef');
  if (parameter !== undefined) return { parameter: Number(parameter.number ?? 0), cast: type };
  const constant = as(inner, 'A_Const');
  if (constant === undefined) return undefined;
  if (isNode(constant.ival)) return { constant: String(constant.ival.ival ?? 0), isNumber: true, cast: type };
  if (isNode(constant.fval)) return { constant: textOf(constant.fval.fval), isNumber: true, cast: type };
  if (isNode(constant.sval)) return { constant: textOf(constant.sval.sval), isNumber: false, cast: type };
  return undefined;
}

/** The name of a built-in type without a modifier; undefined for any other, such as `varchar(3)`, which changes values. */
function castName(type: Value, dimensions: number): string | undefined {
  if (!isNode(type)) return undefined;
  const path = names(type.names);
  const bare = (type as Node).typmods === undefined && listOf(type.arrayBounds).length === dimensions;
  if (!bare || (path.length === 2 && path[0] !== 'pg_catalog') || path.length > 2) return undefined;
  return path.at(-1);
}
