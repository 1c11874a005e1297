import { manyRowsTag, rowId, rowTag, tableTag } from '../../shared/table-tags.js';
import type { KeyColumn } from './catalog.js';
import { PINNED_VALUES_MAX, type Pin, type PinValue } from './pins.js';
import type { TableRead } from './resolve.js';

/** A parameter as the driver sends it, and as the caller gave it. */
export interface Parameter {
  readonly given: unknown;
  readonly sent: string | Buffer | null;
}

const INTEGER_BITS: Readonly<Record<string, bigint>> = { int2: 15n, int4: 31n, int8: 63n };
const INTEGER = /^(0|-?[1-9][0-9]{0,18})$/;
/** The whole numbers up to here are all different as float4. */
const FLOAT4_EXACT_MAX = 2n ** 24n;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CASTS: Readonly<Record<string, readonly string[]>> = {
  int2: ['int2', 'int4', 'int8'],
  int4: ['int2', 'int4', 'int8'],
  int8: ['int2', 'int4', 'int8'],
  uuid: ['uuid'],
  text: ['text', 'varchar'],
  varchar: ['text', 'varchar'],
};

/**
 * The tags that a result read from this table depends on: those of its rows where it names their primary keys and every
 * value is spelled as Postgres itself would spell it, else those of the table.
 * @param uses how often each parameter stands in the query's text
 */
export function tagsOf(read: TableRead, parameters: readonly Parameter[], uses: ReadonlyMap<number, number>): string[] {
  const ids = read.family.length === 0 ? rowIds(read, parameters, uses) : undefined;
  if (ids === undefined) return [read.table, ...read.family].map(tableTag);
  return [manyRowsTag(read.table), ...ids.map((id) => rowTag(read.table, id))];
}

function rowIds({ key, pins }: TableRead, parameters: readonly Parameter[], uses: ReadonlyMap<number, number>) {
  if (key.length === 0) return undefined;
  let ids: string[][] = [[]];
  for (const column of key) {
    const pin = pins.get(column.name);
    const values = pin === undefined ? undefined : spellings(pin, column, parameters, uses);
    if (values === undefined || ids.length * values.length > PINNED_VALUES_MAX) return undefined;
    ids = ids.flatMap((before) => values.map((value) => [...before, value]));
  }
  return [...new Set(ids.map(rowId))];
}

function spellings(
  pin: Pin,
  column: KeyColumn,
  parameters: readonly Parameter[],
  uses: ReadonlyMap<number, number>,
): string[] | undefined {
  const spelled =
    pin.kind === 'array'
      ? elements(parameters[pin.parameter - 1])?.map((one) =>
          spelling(one, column, pin.cast, pin.cast !== undefined || uses.get(pin.parameter) === 1),
        )
      : pin.values.map((value) => spellingOfValue(value, column, parameters, uses));
  return spelled === undefined || spelled.includes(undefined) ? undefined : (spelled as string[]);
}

function spellingOfValue(
  value: PinValue,
  column: KeyColumn,
  parameters: readonly Parameter[],
  uses: ReadonlyMap<number, number>,
): string | undefined {
  if ('constant' in value) {
    const isNumber = INTEGER_BITS[column.type] !== undefined;
    return value.isNumber && !isNumber ? undefined : spelling(value.constant, column, value.cast, true);
  }
  const sent = parameters[value.parameter - 1]?.sent;
  const isTyped = value.cast !== undefined || uses.get(value.parameter) === 1;
  return typeof sent === 'string' ? spelling(sent, column, value.cast, isTyped) : undefined;
}

/** An array that the driver sends as one of Postgres, of plain elements. */
function elements(parameter: Parameter | undefined): string[] | undefined {
  if (parameter === undefined || !Array.isArray(parameter.given)) return undefined;
  const { given } = parameter;
  if (given.length > PINNED_VALUES_MAX) return undefined;
  const isPlain = given.every((one) => typeof one === 'string' || typeof one === 'number' || typeof one === 'bigint');
  return isPlain ? given.map(String) : undefined;
}

/**
 * @param cast the type that the query casts it to
 * @param isTyped whether it is compared as the column's own type: a parameter that also stands elsewhere may have got
 *   another type there, one that takes 'a' for equal to 'A'
 */
function spelling(text: string, column: KeyColumn, cast: string | undefined, isTyped: boolean): string | undefined {
  const { type, isBuiltIn, isExact } = column;
  const casts = isBuiltIn ? CASTS[type] : undefined;
  if (casts === undefined || (cast !== undefined && !casts.includes(cast))) return undefined;
  const bits = INTEGER_BITS[type];
  if (bits !== undefined) {
    if (!INTEGER.test(text)) return undefined;
    const number = BigInt(text);
    // As a float4, which it may have become elsewhere, it would be equal to its neighbours.
    if (!isTyped && (number > FLOAT4_EXACT_MAX || number < -FLOAT4_EXACT_MAX)) return undefined;
    return number >= -(1n << bits) && number < 1n << bits ? text : undefined;
  }
  if (type === 'uuid') return UUID.test(text) ? text : undefined;
  const isWhole = Buffer.from(text, 'utf8').toString('utf8') === text;
  return isExact && isTyped && isWhole ? text : undefined;
}
