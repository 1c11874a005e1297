import { readDatabases } from './database-url.js';
import { readNamespaces } from './namespaces.js';
import { type Kinds, LOG_LEVELS, type Option, PLACEMENTS } from './options.js';
import {
  inRange,
  oneOf,
  readBoolean,
  readBytes,
  readInteger,
  readMilliseconds,
  readMode,
  readPath,
  readTable,
  readText,
  readTtl,
  readWeights,
  showBytes,
} from './values.js';

/**
 * How the value of each kind is read, from text (a flag, an environment variable) or from a JSON value. A reader throws
 * a plain Error that says what the value must be; config.ts adds where it came from.
 */

type Reader<Kind extends keyof Kinds> = (raw: unknown, option: Option) => Kinds[Kind];

const READERS: { readonly [Kind in keyof Kinds]: Reader<Kind> } = {
  databases: readDatabases,
  weights: readWeights,
  text: readText,
  path: readPath,
  table: readTable,
  boolean: readBoolean,
  integer: (raw, option) => inRange(readInteger(raw), option, String),
  bytes: (raw, option) => inRange(readBytes(raw), option, showBytes),
  milliseconds: (raw, option) => inRange(readMilliseconds(raw), option, (ms) => `${ms} ms`),
  ttl: readTtl,
  mode: readMode,
  placement: (raw) => oneOf(raw, PLACEMENTS),
  level: (raw) => oneOf(raw, LOG_LEVELS),
  namespaces: readNamespaces,
};

export function readValue(raw: unknown, option: Option): Kinds[keyof Kinds] {
  return READERS[option.kind](raw, option);
}
