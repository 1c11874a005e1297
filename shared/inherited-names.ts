import { LIMIT } from './protocol.js';
import { anyName, wholeNames } from './table/names.js';

/** The namespace of a name of a part: `n:ns`, `m:ns`, `a:ns`, `t:ns:tag`, `p:ns:key`. */
function namespaceOf(name: string): string {
  const end = name.indexOf(':', 2);
  return end === -1 ? name.slice(2) : name.slice(2, end);
}

/** Whether it is one of many that a namespace may have: a tag or a key. */
const isOneOfMany = (name: string) => name.startsWith('p:') || name.startsWith('t:');

/**
 * The names that a value inherits from its parts. Where there are too many, those of the namespace that has most give way
 * to one that is logged with every deletion and every invalidated tag there: more than needed dies then, never less.
 */
export class InheritedNames {
  readonly #names = new Set<string>();
  /** Namespaces whose keys and tags gave way. */
  readonly #coarse = new Set<string>();
  readonly #max: number;

  /** @param max how many there may be, from 2 */
  constructor(max: number = LIMIT.inheritedNamesMax) {
    this.#max = max;
  }

  add(name: string): void {
    if (isOneOfMany(name) && this.#coarse.has(namespaceOf(name))) return;
    this.#names.add(name);
    if (name.startsWith('a:')) this.#coarsen(namespaceOf(name));
    while (this.#names.size > this.#max) {
      const fullest = this.#fullest();
      if (fullest === undefined) return;
      this.#coarsen(fullest);
    }
  }

  /** The names, or undefined where there are too many namespaces for even one name each. */
  list(): readonly string[] | undefined {
    return this.#names.size > this.#max ? undefined : [...this.#names];
  }

  /** The namespace with most keys and tags; undefined where there are none left. */
  #fullest(): string | undefined {
    const counts = new Map<string, number>();
    let fullest: string | undefined;
    for (const name of this.#names) {
      if (!isOneOfMany(name)) continue;
      const namespace = namespaceOf(name);
      const count = (counts.get(namespace) ?? 0) + 1;
      counts.set(namespace, count);
      if (fullest === undefined || count > (counts.get(fullest) ?? 0)) fullest = namespace;
    }
    return fullest;
  }

  #coarsen(namespace: string): void {
    this.#coarse.add(namespace);
    for (const name of this.#names) if (isOneOfMany(name) && namespaceOf(name) === namespace) this.#names.delete(name);
    for (const name of [anyName(namespace), ...wholeNames(namespace)]) this.#names.add(name);
  }
}
