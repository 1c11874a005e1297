import assert from 'node:assert/strict';
import { inspect, types } from 'node:util';

/**
 * Asserts that two values are the same in everything a value can carry: types, prototypes, −0 and NaN, holes, order of
 * keys and members, invalid dates, and which objects within them are one and the same. Stricter than deepStrictEqual.
 */
export function assertSame(actual: unknown, expected: unknown): void {
  const difference = differs(actual, expected, '$', new Map(), new Map());
  if (difference !== undefined) {
    assert.fail(`${difference}\nactual:   ${inspect(actual)}\nexpected: ${inspect(expected)}`);
  }
}

type Pairs = Map<object, object>;

/** @returns where the two differ, if they do */
function differs(a: unknown, b: unknown, path: string, ab: Pairs, ba: Pairs): string | undefined {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) {
    return Object.is(a, b) ? undefined : `${path}: not the same scalar`;
  }
  if (ab.has(a) || ba.has(b)) return ab.get(a) === b && ba.get(b) === a ? undefined : `${path}: not the same object`;
  ab.set(a, b);
  ba.set(b, a);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return `${path}: not the same prototype`;
  if (content(a) !== content(b)) return `${path}: not the same content`;
  return (
    differInLists(fieldsOf(a), fieldsOf(b), path, ab, ba) ?? differInLists(membersOf(a), membersOf(b), path, ab, ba)
  );
}

function differInLists(a: unknown[], b: unknown[], path: string, ab: Pairs, ba: Pairs): string | undefined {
  if (a.length !== b.length) return `${path}: ${a.length} in place of ${b.length} fields or members`;
  for (let i = 0; i < a.length; i++) {
    const difference = differs(a[i], b[i], `${path}/${i}`, ab, ba);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** What an object holds that is neither field nor member. */
function content(value: object): string {
  if (types.isDate(value)) return String(value.getTime());
  if (types.isRegExp(value)) return `${value}`;
  if (types.isAnyArrayBuffer(value)) return Buffer.from(value).toString('hex');
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
  }
  if (types.isBoxedPrimitive(value)) return inspect(value.valueOf());
  if (Array.isArray(value)) return String(value.length);
  return '';
}

/** Key, value and enumerability by turns, in order; the order among fields that are not enumerable is of no account. */
function fieldsOf(value: object): unknown[] {
  if (ArrayBuffer.isView(value)) return [];
  const keys = Reflect.ownKeys(value).filter((key) => !(types.isRegExp(value) && key === 'lastIndex'));
  const isVisible = (key: PropertyKey) => Object.getOwnPropertyDescriptor(value, key)!.enumerable === true;
  const hidden = keys.filter((key) => !isVisible(key)).sort();
  return [...hidden, ...keys.filter(isVisible)].flatMap((key) => [key, Reflect.get(value, key), isVisible(key)]);
}

function membersOf(value: object): unknown[] {
  if (types.isMap(value)) return [...value].flat();
  return types.isSet(value) ? [...value] : [];
}
