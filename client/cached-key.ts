import { createHash } from 'node:crypto';
import { types } from 'node:util';
import { CacheError } from '../shared/errors.js';

/**
 * Keys of `cached`: the prefix, then each argument, joined by ':'; an options object as the last argument is written
 * name by name, sorted: `users:42:include_posts=true`. Plain arguments read as themselves; everything else is written
 * so that no two different argument lists share a text: each rendering below either starts with a character that no
 * bare string has, or is a word or number that a string is quoted to be told from.
 */

/** Where something stands in the arguments; undefined while nobody wants to know. */
type Path = string | undefined;

/** Characters after which a key is shortened to its prefix and a digest. */
const KEY_CHARS_MAX = 200;
/** How much of a long prefix stays readable in front of a digest. */
const PREFIX_CHARS_MAX = 100;
const DEPTH_MAX = 100;
const SORTED_BY_HAND_MAX = 8;

const BARE_STRING = /^[\w./@+-]+$/;
const BARE_NAME = /^[\w$.-]+$/;
/** Bare strings that would read as another value, or as the digest of a long key. */
const TAKEN = /^(?:true|false|null|undefined|-0|-?\d+n|[0-9a-f]{64})$/;

/**
 * The key of a call.
 * @param prefix what the function's keys begin with
 * @param args the arguments of the call
 * @throws CacheError ERR_INVALID_ARGUMENT where an argument cannot be told from others by its data, naming the argument
 */
export function argumentsKey(prefix: string, args: readonly unknown[]): string {
  try {
    return shorten(prefix, written(prefix, args, false));
  } catch {
    // Written once more, for an error that says where: to keep track of that costs more than all the rest.
    return shorten(prefix, written(prefix, args, true));
  }
}

function written(prefix: string, args: readonly unknown[], isTracked: boolean): string {
  let key = prefix;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    const path = isTracked ? `argument ${i + 1}` : undefined;
    key += ':';
    // A hole, which only a list of the key option can have.
    if (!(i in args)) continue;
    key += i === args.length - 1 && isPlainObject(arg) ? renderOptions(arg as object, path) : render(arg, path, 0);
  }
  return key;
}

/** The key where the caller names what comes after the prefix. */
export function givenKey(prefix: string, rest: string): string {
  return shorten(prefix, `${prefix}:${rest}`);
}

function shorten(prefix: string, key: string): string {
  if (key.length <= KEY_CHARS_MAX) return key;
  const digest = createHash('sha256').update(key).digest('hex');
  return `${prefix.slice(0, PREFIX_CHARS_MAX)}:${digest}`;
}

function renderOptions(options: object, path: Path): string {
  return renderMembers(options, path, 0, ':') || '{}';
}

function renderMembers(value: object, path: Path, depth: number, separator: string): string {
  refuseSymbolNames(value, path);
  const names = sortFew(Object.keys(value));
  let text = '';
  for (const name of names) {
    if (text !== '') text += separator;
    const member = (value as Record<string, unknown>)[name];
    text += `${renderName(name)}=${render(member, path && `${path}.${name}`, depth + 1)}`;
  }
  return text;
}

/** As `sort` does it, which takes ten times as long for the two or three names that options have. */
function sortFew(names: string[]): string[] {
  if (names.length > SORTED_BY_HAND_MAX) return names.sort();
  for (let i = 1; i < names.length; i++) {
    const name = names[i]!;
    let at = i;
    for (; at > 0 && names[at - 1]! > name; at--) names[at] = names[at - 1]!;
    names[at] = name;
  }
  return names;
}

function renderName(name: string): string {
  return BARE_NAME.test(name) ? name : JSON.stringify(name);
}

function render(value: unknown, path: Path, depth: number): string {
  switch (typeof value) {
    case 'string':
      return renderString(value);
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint':
      return `${value}n`;
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'object':
      return value === null ? 'null' : renderObject(value, path, depth);
    default:
      throw unkeyable(path, `a ${typeof value}`);
  }
}

/** JSON's quoting also escapes NUL and lone surrogates, which a key cannot carry. */
function renderString(text: string): string {
  const isBare = BARE_STRING.test(text) && !isNumber(text) && !TAKEN.test(text);
  return isBare ? text : JSON.stringify(text);
}

/** Whether a number reads so. None begins with a small letter, which saves most texts the attempt. */
function isNumber(text: string): boolean {
  return text < 'a' && String(Number(text)) === text;
}

function renderObject(value: object, path: Path, depth: number): string {
  if (depth > DEPTH_MAX) throw unkeyable(path, `cyclic, or nested over ${DEPTH_MAX} deep`);
  if (isPlainObject(value)) return `{${renderMembers(value, path, depth, ',')}}`;
  // By the name of the very class: a subclass may carry more than the data of its base.
  const className = value.constructor?.name ?? '';
  const rendered = renderers.get(className)?.(value, path, depth) ?? renderBytes(value, className);
  if (rendered === undefined) throw unkeyable(path, `an instance of ${className || 'a class without a name'}`);
  return rendered;
}

type Renderer = (value: object, path: Path, depth: number) => string | undefined;

const renderers: ReadonlyMap<string, Renderer> = new Map<string, Renderer>([
  ['Array', (value, path, depth) => (Array.isArray(value) ? renderArray(value, path, depth) : undefined)],
  ['Date', (value) => (types.isDate(value) ? renderDate(value) : undefined)],
  ['Map', (value, path, depth) => (types.isMap(value) ? renderMap(value, path, depth) : undefined)],
  ['Set', (value, path, depth) => (types.isSet(value) ? renderSet(value, path, depth) : undefined)],
  ['RegExp', (value) => (types.isRegExp(value) ? renderRegExp(value) : undefined)],
  ['URL', (value) => (value instanceof URL ? `URL(${JSON.stringify(value.href)})` : undefined)],
]);

/** Holes are told from `undefined`: as for a missing argument, the function can tell them apart. */
function renderArray(items: readonly unknown[], path: Path, depth: number): string {
  refuseSymbolNames(items, path);
  const parts: string[] = [];
  let present = 0;
  for (let i = 0; i < items.length; i++) {
    const isThere = i in items;
    if (isThere) present++;
    parts.push(isThere ? render(items[i], path && `${path}[${i}]`, depth + 1) : '*');
  }
  if (Object.keys(items).length !== present) throw unkeyable(path, 'an array with properties of its own');
  return `[${parts.join(',')}]`;
}

function renderDate(date: Date): string {
  return `Date(${Number.isNaN(date.getTime()) ? 'NaN' : date.toISOString()})`;
}

function renderRegExp({ source, flags, lastIndex }: RegExp): string {
  return `RegExp(${JSON.stringify(source)},${flags},${lastIndex})`;
}

/** Maps and sets in their own order, which the function can see as well. */
function renderMap(map: ReadonlyMap<unknown, unknown>, path: Path, depth: number): string {
  const at = `${path} (an entry of the map)`;
  const entries = [...map].map(([key, item]) => `${render(key, at, depth + 1)}=>${render(item, at, depth + 1)}`);
  return `Map{${entries.join(',')}}`;
}

function renderSet(set: ReadonlySet<unknown>, path: Path, depth: number): string {
  return `Set{${[...set].map((item) => render(item, `${path} (an item of the set)`, depth + 1)).join(',')}}`;
}

const BYTES_CLASSES = new Set([
  ...['Buffer', 'ArrayBuffer', 'DataView', 'Uint8Array', 'Uint8ClampedArray', 'Int8Array', 'Uint16Array', 'Int16Array'],
  ...['Uint32Array', 'Int32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'],
]);

function renderBytes(value: object, className: string): string | undefined {
  if (!BYTES_CLASSES.has(className)) return undefined;
  let bytes: Buffer;
  if (ArrayBuffer.isView(value)) bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  else if (types.isArrayBuffer(value)) bytes = Buffer.from(value);
  else return undefined;
  return `${className}(${bytes.toString('hex')})`;
}

/** Also true for plain objects of another realm. */
function isPlainObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}

function refuseSymbolNames(value: object, path: Path): void {
  const symbols = Object.getOwnPropertySymbols(value);
  if (symbols.length === 0) return;
  if (symbols.some((name) => Object.prototype.propertyIsEnumerable.call(value, name))) {
    throw unkeyable(path, 'an object with symbols as names');
  }
}

function unkeyable(path: Path, what: string): CacheError {
  return new CacheError(
    'ERR_INVALID_ARGUMENT',
    `${path} is ${what}, which no key can be made of: pass cached a key option`,
  );
}
