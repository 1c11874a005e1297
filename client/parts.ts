import { AsyncLocalStorage } from 'node:async_hooks';
import { InheritedNames } from '../shared/inherited-names.js';
import { partName, tagName, wholeNames } from '../shared/table/names.js';

/** Where a value lies: the database whose log says what dies, as its daemon knows it, and the namespace. */
export interface Place {
  readonly namespace: string;
  /** Undefined where no one database has the namespace, and while nothing was heard of it. */
  readonly place: string | undefined;
  /** Whether the daemon has ever told. */
  readonly isPlaced: boolean;
}

/** What a value is made of, as far as it is read through caches of the daemon while its load runs. */
export class Parts {
  readonly #place: string;
  readonly #names = new InheritedNames();
  /** Something was read of which is not known what it was made of: what comes of it is not to be stored. */
  isIncomplete = false;

  constructor(place: string) {
    this.#place = place;
  }

  /** The names, or undefined where they don't say all. */
  list(): readonly string[] | undefined {
    return this.isIncomplete ? undefined : this.#names.list();
  }

  /** A part in that place. Parts that another log tells of, or none, are not followed. */
  follows({ place, isPlaced }: Place): boolean {
    if (!isPlaced) this.isIncomplete = true;
    return place === this.#place;
  }

  addAll(names: readonly string[]): void {
    for (const name of names) this.#names.add(name);
  }

  /** All that the parts of a part say. */
  addParts(parts: Parts): void {
    const names = parts.list();
    if (names === undefined) this.isIncomplete = true;
    else this.addAll(names);
  }
}

/** The parts of the load that runs. */
const running = new AsyncLocalStorage<Parts | undefined>();

/** Whether a load runs here whose value inherits from what it reads. */
export function isInheriting(): boolean {
  return running.getStore() !== undefined;
}

/**
 * Names of the log that the load that runs here depends on, if one does that inherits and whose value lies in that place.
 * @param place the database whose log tells of the names, as `Channel` has it
 */
export function dependOn(place: string | undefined, names: readonly string[]): void {
  const parts = running.getStore();
  if (parts?.follows({ namespace: '', place, isPlaced: true })) parts.addAll(names);
}

/** What the load that runs here has read is not all known: its value is not to be stored. */
export function loseParts(): void {
  const parts = running.getStore();
  if (parts !== undefined) parts.isIncomplete = true;
}

/**
 * Runs a load whose reads are parts of its value, or (with undefined) nobody's: a load that does not inherit hides what it
 * reads from the one around it, just as its value does when it is found.
 */
export function within<T>(parts: Parts | undefined, run: () => T): T {
  return parts === running.getStore() ? run() : running.run(parts, run);
}

/** Reads of one namespace on behalf of the load that runs. */
export class PartReader {
  readonly #parts: Parts;
  readonly #place: Place;

  private constructor(parts: Parts, place: Place) {
    this.#parts = parts;
    this.#place = place;
  }

  /** @returns undefined where no load runs that inherits */
  static current(place: Place): PartReader | undefined {
    const parts = running.getStore();
    return parts === undefined ? undefined : new PartReader(parts, place);
  }

  /** A key was read, be it there or not. To be called when the daemon has answered, or could not. */
  keys(keys: Iterable<string>): void {
    if (!this.#parts.follows(this.#place)) return;
    const { namespace } = this.#place;
    this.#parts.addAll(wholeNames(namespace));
    for (const key of keys) this.#parts.addAll([partName(namespace, key)]);
  }

  /** The names of what was read; undefined where the daemon knows none. */
  names(names: readonly string[] | undefined): void {
    if (names !== undefined && this.#parts.follows(this.#place)) this.#parts.addAll(names);
  }

  /** The value of a key was computed here. */
  loaded(key: string, tags: readonly string[], parts: Parts | undefined): void {
    if (!this.#parts.follows(this.#place)) return;
    this.keys([key]);
    this.#parts.addAll(tags.map((tag) => tagName(this.#place.namespace, tag)));
    if (parts !== undefined) this.#parts.addParts(parts);
  }

  /** What was returned is made of nobody knows what. */
  lose(): void {
    if (this.#parts.follows(this.#place)) this.#parts.isIncomplete = true;
  }
}
