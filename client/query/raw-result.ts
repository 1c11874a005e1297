import pg from 'pg';

/** A column as the driver describes it. */
export interface RawField {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
  readonly format: string;
}

/** A result before any type parser has seen it: what is kept, so that each caller's own parsers make his own rows of it. */
export interface RawResult {
  readonly fields: readonly RawField[];
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface TypeParsers {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown;
}

const asIs = (value: string) => value;
/** Type parsers that leave the text of a value as it came. */
export const RAW_TYPES: TypeParsers = { getTypeParser: () => asIs };

/** The little of the driver's own result that is used to make rows the way it does. */
interface ResultMaker {
  rows: unknown[];
  addFields(fields: unknown[]): void;
  parseRow(row: readonly (string | null)[]): unknown;
  addRow(row: unknown): void;
  addCommandComplete(message: { text: string }): void;
}
const Result = (pg as unknown as { Result: new (rowMode: string | undefined, types: unknown) => ResultMaker }).Result;

/** @param result of a query with `rowMode: 'array'` and {@link RAW_TYPES} */
export function rawResult(result: pg.QueryArrayResult): RawResult {
  const fields = result.fields.map(
    ({ name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format }): RawField => ({
      name,
      tableID,
      columnID,
      dataTypeID,
      dataTypeSize,
      dataTypeModifier,
      format,
    }),
  );
  return { fields, rows: result.rows as (string | null)[][] };
}

/** About how many bytes it takes, packed. */
export function bytesOf({ fields, rows }: RawResult): number {
  let bytes = fields.length * 100;
  for (const row of rows) for (const value of row) bytes += value === null ? 1 : value.length + 5;
  return bytes;
}

/** A new result of the driver's own making; nothing in it is shared with another. */
export function resultOf({ fields, rows }: RawResult, rowMode: string | undefined, types: TypeParsers): pg.QueryResult {
  const result = new Result(rowMode, types);
  result.addFields(fields.map((field) => ({ ...field })));
  for (const row of rows) result.addRow(result.parseRow(row));
  result.addCommandComplete({ text: `SELECT ${rows.length}` });
  return result as unknown as pg.QueryResult;
}
