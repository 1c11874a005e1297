import { createHash } from 'node:crypto';
import { CacheError } from '../errors.js';
import { DEFAULT_NAMESPACE, NAMESPACE_PATTERN } from '../protocol.js';

/** The longest name of the cache's table: what is derived from it must stay under Postgres's 63 bytes. */
const TABLE_NAME_BYTES_MAX = 40;
const SPACE_TABLE_BYTES_MAX = 55;
const IDENTIFIER = /^[a-z_][a-z0-9_]*$/;

export const DEFAULT_TABLE = 'hyper_cache';

/** The database objects that all namespaces of one cache share, as quoted and qualified identifiers. */
export interface CoreNames {
  readonly schema: string;
  readonly table: string;
  readonly log: string;
  readonly meta: string;
  readonly writers: string;
  readonly leases: string;
  readonly migrations: string;
  readonly topology: string;
  readonly channel: string;
  /** Tells the names of prepared statements apart, which are one space a connection and have 63 bytes. */
  readonly id: string;
  /** A function `suffix` of the cache, qualified. */
  fn(suffix: string): string;
}

/** The objects of one namespace. */
export interface SpaceNames {
  readonly namespace: string;
  readonly table: string;
  /** The table's name as it is, without schema and quotes. */
  readonly bareTable: string;
  readonly schema: string;
  /** As of the core. */
  readonly id: string;
  fn(suffix: string): string;
}

const digest = (text: string, length: number) => createHash('sha256').update(text).digest('hex').slice(0, length);

/**
 * @param table name of the cache's table, lower case, at most 40 bytes, perhaps with a schema before it ('cache.entries')
 * @returns its two parts; the schema is undefined where none was given
 * @throws CacheError ERR_INVALID_CONFIG
 */
export function splitTable(table: string): { schema: string | undefined; name: string } {
  const parts = table.split('.');
  const name = parts.at(-1) ?? '';
  const schema = parts.length === 2 ? parts[0] : undefined;
  const valid =
    parts.length <= 2 && parts.every((part) => IDENTIFIER.test(part)) && name.length <= TABLE_NAME_BYTES_MAX;
  if (!valid) {
    const rule = `a-z, 0-9 and _, at most ${TABLE_NAME_BYTES_MAX} characters, perhaps with a schema before it`;
    throw new CacheError('ERR_INVALID_CONFIG', `'${table}' can't be the name of a table here (${rule})`);
  }
  return { schema, name };
}

/** @param schema where the objects live; @param table the cache's table, without schema. Both were checked. */
export function coreNames(schema: string, table: string): CoreNames {
  const qualified = (suffix: string) => `"${schema}"."${table}${suffix}"`;
  return {
    schema,
    table,
    log: qualified('_log'),
    meta: qualified('_meta'),
    writers: qualified('_writers'),
    leases: qualified('_leases'),
    migrations: qualified('_migrations'),
    topology: qualified('_topology'),
    channel: table,
    id: digest(`${schema}.${table}`, 16),
    fn: (suffix) => qualified(`_${suffix}`),
  };
}

/** With what is derived from it a name must stay under 63 bytes, and two namespaces must not share a table. */
function shortened(table: string): string {
  if (table.length <= SPACE_TABLE_BYTES_MAX) return table;
  return `${table.slice(0, SPACE_TABLE_BYTES_MAX - 9)}_${digest(table, 8)}`;
}

/** The table of a namespace is the cache's own for the default one, and otherwise one beside it, unless it is named. */
export function spaceTableName(coreTable: string, namespace: string, table?: string): string {
  if (table !== undefined) return splitTable(table).name;
  return namespace === DEFAULT_NAMESPACE ? coreTable : shortened(`${coreTable}_ns_${namespace}`);
}

/** @throws CacheError ERR_INVALID_NAMESPACE, ERR_INVALID_CONFIG for a table that can't be named so */
export function spaceNames(core: CoreNames, namespace: string, table?: string): SpaceNames {
  if (!NAMESPACE_PATTERN.test(namespace)) {
    throw new CacheError('ERR_INVALID_NAMESPACE', `'${namespace}' can't be the name of a namespace`);
  }
  const bareTable = spaceTableName(core.table, namespace, table);
  return {
    namespace,
    schema: core.schema,
    bareTable,
    table: `"${core.schema}"."${bareTable}"`,
    id: digest(`${core.schema}.${bareTable}`, 16),
    fn: (suffix) => `"${core.schema}"."${bareTable}_${suffix}"`,
  };
}

/**
 * What the log calls the things that can be invalidated. An entry is named by EVERYTHING, by its namespace, by its key,
 * and by what it carries: tags, and the parts that it was made of.
 */
export const EVERYTHING = '*';
export const namespaceName = (namespace: string) => `n:${namespace}`;
export const keyName = (namespace: string, key: string) => `k:${namespace}:${key}`;
export const tagName = (namespace: string, tag: string) => `t:${namespace}:${tag}`;
/** The name under which what was made of a key carries that key. */
export const partName = (namespace: string, key: string) => `p:${namespace}:${key}`;
/** Logged with every key that is deleted and every tag that is invalidated in a namespace: for what carries too many to name. */
export const anyName = (namespace: string) => `a:${namespace}`;
/** Logged when keys of a namespace move to another database: what is made of them would not hear of them any more. */
export const movedName = (namespace: string) => `m:${namespace}`;
/** Names that whatever is made of a namespace's entries carries, beside those of the entries. */
export const wholeNames = (namespace: string) => [namespaceName(namespace), movedName(namespace)];
/** Says that the cache is spread over the databases in another way from now on. */
export const topologyName = (epoch: string) => `s:${epoch}`;

/** A text as an SQL literal. */
export const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
