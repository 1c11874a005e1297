import { createHash } from 'node:crypto';

/**
 * The namespace whose tags stand for the tables of the application: what is made of queries inherits them, in whatever
 * namespace it lies, and the triggers of watched tables log them.
 */
export const TABLES_NAMESPACE = 'tables';

/** Longer identities of rows are told apart by their digest, so that a tag stays within its limit. */
export const ROW_ID_BYTES_MAX = 64;

/** A table of the application, by its names as the catalog has them (no quotes). */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** The tag of a table: logged with every change of it. Whoever reads more of it than rows that he names depends on this. */
export function tableTag({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}

/** Logged in place of the rows' tags where a statement changed too many of them, or truncated the table. */
export function manyRowsTag(name: TableName): string {
  return `${tableTag(name)}/*`;
}

/**
 * The tag of one row. Whoever reads only rows that he names depends on their tags and on `manyRowsTag`.
 *
 * @param id the row's primary key as `rowId` writes it
 */
export function rowTag(name: TableName, id: string): string {
  return `${tableTag(name)}/=${id}`;
}

/**
 * The identity of a row: its primary key's values as Postgres writes them as text (`id::text`), in the key's order. The
 * triggers make the same of the same row, with `octet_length` and `sha256` of its UTF-8.
 */
export function rowId(values: readonly string[]): string {
  const [first = ''] = values;
  const id = values.length === 1 ? first : values.map((one) => `${Buffer.byteLength(one)}:${one}`).join(',');
  return Buffer.byteLength(id) <= ROW_ID_BYTES_MAX ? id : createHash('sha256').update(id).digest('hex');
}
