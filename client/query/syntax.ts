/** A node of Postgres's parse tree: fields in lower case, and nodes as objects whose one key is their type. */
export interface Node {
  readonly [field: string]: Value;
}
export type Value = undefined | string | number | boolean | Node | readonly Value[];

export const isNode = (value: Value): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);
export const listOf = (value: Value): readonly Value[] => (isList(value) ? value : []);
export const textOf = (value: Value): string => (typeof value === 'string' ? value : '');

/** The fields of a node of that type; undefined where it is of another. */
export function as(value: Value, type: string): Node | undefined {
  if (!isNode(value)) return undefined;
  const fields = value[type];
  return isNode(fields) ? fields : undefined;
}

/** The texts of a list of String nodes: a qualified name. */
export function names(value: Value): string[] {
  return listOf(value).map((one) => textOf(as(one, 'String')?.sval));
}

/** A relation as a statement names it. */
export interface RelationName {
  readonly schema: string | undefined;
  readonly name: string;
}

export function relationName(fields: Node): RelationName {
  const schema = textOf(fields.schemaname);
  return { schema: schema === '' ? undefined : schema, name: textOf(fields.relname) };
}

export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** As `to_regclass` takes it. */
export function quotedName({ schema, name }: RelationName): string {
  return schema === undefined ? quoted(name) : `${quoted(schema)}.${quoted(name)}`;
}
