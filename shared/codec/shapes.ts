/**
 * Shapes of objects that were met in MessagePack maps: the names of their fields in their order, as a tree of key after
 * key, each as the bytes that it is written with. A map whose keys lead down the tree is made into an object at once, by
 * code that is compiled for its shape, where otherwise each key is decoded, looked up and set on an object that changes
 * its hidden class with each. Where the process forbids code from strings the fields are set one by one.
 */
export interface Shape {
  /** The key that leads here, with its header byte. */
  readonly key: Uint8Array;
  /** Of all fields from the root to here. */
  readonly names: readonly string[];
  readonly children: Shape[];
  uses: number;
  /** Makes the object of `values` from `base` on; undefined while it is not worth compiling, or cannot be. */
  make: Make | undefined;
}

export type Make = (values: readonly unknown[], base: number) => object;

/** Of one object; it has more only in maps that nobody takes for records. */
export const SHAPE_FIELDS_MAX = 64;
/** Keys that are told apart at one place: maps with any number of keys, such as ids, are not learned. */
const CHILDREN_MAX = 8;
/** All shapes together; beyond it all are forgotten, and those in use soon known again. */
const KNOWN_SHAPES_MAX = 4096;
const COMPILED_AFTER_USES = 8;

let shapes = 0;
let mayCompile = true;

const newShape = (key: Uint8Array, names: readonly string[]): Shape => ({
  key,
  names,
  children: [],
  uses: 0,
  make: undefined,
});

/** By the number of fields, so that none is the beginning of another. */
export const ROOTS: readonly Shape[] = Array.from({ length: SHAPE_FIELDS_MAX + 1 }, () =>
  newShape(new Uint8Array(0), []),
);

/** @returns the shape after the key that stands at `at`; undefined where it is none that is known, or can be learned */
export function shapeAfter(shape: Shape, source: Buffer, at: number): Shape | undefined {
  const { children } = shape;
  for (let index = 0; index < children.length; index++) {
    const child = children[index]!;
    const { key } = child;
    let same = 0;
    // What lies beyond the end is undefined, and no byte of a key.
    while (same < key.length && source[at + same] === key[same]) same++;
    if (same === key.length) return child;
  }
  return learn(shape, source, at);
}

export function objectOf(shape: Shape, values: readonly unknown[], base: number): object {
  if (shape.make !== undefined) return shape.make(values, base);
  if (++shape.uses === COMPILED_AFTER_USES) shape.make = compile(shape.names);
  const object: Record<string, unknown> = {};
  for (let index = 0; index < shape.names.length; index++) object[shape.names[index]!] = values[base + index];
  return object;
}

/** Keys of up to 31 ASCII characters; `__proto__` is no name of a field. */
function learn(shape: Shape, source: Buffer, at: number): Shape | undefined {
  const token = source[at] ?? 0;
  const end = at + 1 + (token & 0x1f);
  if ((token & 0xe0) !== 0xa0 || end > source.length) return undefined;
  if (shape.children.length >= CHILDREN_MAX) return undefined;
  for (let index = at + 1; index < end; index++) if (source[index]! > 0x7f) return undefined;
  const name = source.toString('latin1', at + 1, end);
  if (name === '__proto__') return undefined;
  const child = newShape(new Uint8Array(source.subarray(at, end)), [...shape.names, name]);
  if (++shapes > KNOWN_SHAPES_MAX) forgetAll();
  shape.children.push(child);
  return child;
}

/** Whoever is at a shape now goes on with it, and learns one that nobody finds. */
function forgetAll(): void {
  shapes = 0;
  for (const root of ROOTS) root.children.length = 0;
}

/** Names stand in the code as JSON has them, which is how JavaScript writes strings too. */
function compile(names: readonly string[]): Make | undefined {
  if (!mayCompile) return undefined;
  try {
    const fields = names.map((name, index) => `${JSON.stringify(name)}:v[b+${index}]`);
    return new Function('v', 'b', `return {${fields.join(',')}}`) as Make;
  } catch {
    mayCompile = false;
    return undefined;
  }
}
