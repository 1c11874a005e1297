import { partName, wholeNames } from '../../shared/table/names.js';
import { ownNames } from './check.js';
import { placeOf, type Truth, type Value, writtenName } from './truth.js';

/** What a load has read so far: the names that its value is to carry, and since when each of them could have killed it. */
export class MadeOf {
  readonly #truth: Truth;
  readonly births = new Map<string, number>();
  /** What the daemon said of the parts, for the fill. */
  readonly names = new Set<string>();

  constructor(truth: Truth, namespace: string, key: string) {
    this.#truth = truth;
    for (const name of ownNames(namespace, key)) this.#born(name, truth.seq);
  }

  /** A source was read now. */
  source(name: string): void {
    this.#born(name, this.#truth.seq);
  }

  /**
   * A key was read through the cache, be it there or not: a set of it does not kill what is made of it, a deletion and
   * all that kills the part's own parts do.
   * @param askedSeq how much had committed when it was asked for
   */
  part(namespace: string, key: string, part: Value | undefined, names: readonly string[], askedSeq: number): void {
    const written = writtenName(placeOf(namespace, key));
    this.#born(partName(namespace, key), part?.births.get(written) ?? askedSeq);
    for (const name of [partName(namespace, key), ...wholeNames(namespace), ...names]) this.names.add(name);
    for (const [name, birth] of part?.births ?? []) {
      if (!name.startsWith('w:') && !name.startsWith('k:')) this.#born(name, birth);
    }
  }

  #born(name: string, seq: number): void {
    this.births.set(name, Math.min(seq, this.births.get(name) ?? seq));
  }
}
