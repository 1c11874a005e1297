import { suggestion } from '../shared/nearest.js';
import { NAMESPACE_PATTERN } from '../shared/protocol.js';
import { type NamespaceConfig, OPTIONS, PLACEMENTS, STORAGES, TIERS } from './options.js';
import { inRange, oneOf, readBytes, readInteger, readTable, readText, readTtl, showBytes } from './values.js';

const FIELDS: { readonly [Name in keyof Required<NamespaceConfig>]: (raw: unknown) => NamespaceConfig[Name] } = {
  table: readTable,
  defaultTtl: readTtl,
  maxBytes: (raw) => inRange(readBytes(raw), OPTIONS.maxBytes, showBytes),
  maxEntries: (raw) => inRange(readInteger(raw), OPTIONS.maxEntries, String),
  tiers: (raw) => oneOf(raw, TIERS),
  storage: (raw) => oneOf(raw, STORAGES),
  placement: (raw) => oneOf(raw, PLACEMENTS),
  database: readText,
};

const FIELD_NAMES = Object.keys(FIELDS) as readonly (keyof NamespaceConfig)[];

/** Reads what `namespaces` holds: an object, or the JSON text of one. Two namespaces never share a table. */
export function readNamespaces(raw: unknown): Readonly<Record<string, NamespaceConfig>> {
  const data = typeof raw === 'string' ? parse(raw) : raw;
  const namespaces: Record<string, NamespaceConfig> = {};
  const owners = new Map<string, string>();
  for (const [name, fields] of entriesOf(data, 'must be an object of namespaces by name')) {
    if (!NAMESPACE_PATTERN.test(name)) {
      throw new Error(`${JSON.stringify(name)} is not a name of 1 to 32 characters a-z, 0-9 and _, a letter first`);
    }
    const namespace = readNamespace(name, fields);
    const owner = namespace.table === undefined ? undefined : owners.get(namespace.table);
    if (owner !== undefined) throw new Error(`${owner} and ${name} have the same table, ${namespace.table}`);
    if (namespace.table !== undefined) owners.set(namespace.table, name);
    namespaces[name] = namespace;
  }
  return Object.freeze(namespaces);
}

function readNamespace(name: string, fields: unknown): NamespaceConfig {
  const namespace: Record<string, unknown> = {};
  for (const [field, raw] of entriesOf(fields, `${name} must be an object`)) {
    const known = FIELD_NAMES.find((candidate) => candidate === field);
    if (known === undefined) throw new Error(`${name}.${field} is unknown${suggestion(field, FIELD_NAMES)}`);
    try {
      namespace[known] = FIELDS[known](raw);
    } catch (error) {
      throw new Error(`${name}.${field} ${(error as Error).message}`);
    }
  }
  return Object.freeze(namespace);
}

function entriesOf(data: unknown, problem: string): [string, unknown][] {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) throw new Error(problem);
  return Object.entries(data);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('must be JSON: an object of namespaces by name');
  }
}
