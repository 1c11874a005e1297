import { Lru } from '../../shared/lru.js';
import type { TableName } from '../../shared/table-tags.js';
import { type AskCatalog, Catalog } from './catalog.js';
import type { StatementFacts } from './facts.js';
import { loadParser } from './parser.js';
import { type NamedRelation, type Resolution, resolve } from './resolve.js';
import { type Parameter, tagsOf } from './row-names.js';
import { factsOf } from './statement.js';
import { isRelativeTime } from './walk.js';

/** Texts whose facts are remembered, and the characters of all of them. */
export const TEXTS_MAX = 2000;
export const TEXT_CHARS_MAX = 8 * 1024 * 1024;

/** What a query depends on, or why that can't be known. */
export type Classified =
  | { readonly bypass: string }
  | {
      readonly bypass: undefined;
      /** The tables that it reads, those behind views included. */
      readonly tables: readonly TableName[];
      /** These, with the partitions, children and parents whose statements change them too. */
      readonly related: readonly TableName[];
      /** What its text names: tables and views, each with the tables behind it. */
      readonly named: readonly NamedRelation[];
      /** Tags in the namespace `tables`, any of which drops its result. */
      readonly tags: readonly string[];
    };

const textFacts = new Lru<StatementFacts>({ maxEntries: TEXTS_MAX, maxBytes: TEXT_CHARS_MAX });

/** What the text of a call says, as far as it is known without the catalog. To be called after `loadParser`. */
export function knownFacts(text: string): StatementFacts {
  const known = textFacts.get(text, 0);
  if (known !== undefined) return known;
  const facts = factsOf(text);
  textFacts.set(text, facts, text.length * 2, Number.POSITIVE_INFINITY, 0);
  return facts;
}

/**
 * Says which tables and rows a query reads. It remembers what the catalog says for `catalogTtlMs`: a definition that was
 * changed by others (a view, a function, a table in another schema of the search path) takes effect here within that time.
 */
export class Classifier {
  readonly #catalogTtlMs: number;
  readonly #nowMs: () => number;
  #catalog = new Catalog();
  #resolutions = new Lru<Resolution>({ maxEntries: TEXTS_MAX, maxBytes: TEXT_CHARS_MAX });
  #learnedMs = Number.NEGATIVE_INFINITY;

  /** @param nowMs a monotonic clock in milliseconds */
  constructor(catalogTtlMs: number, nowMs: () => number = () => performance.now()) {
    this.#catalogTtlMs = catalogTtlMs;
    this.#nowMs = nowMs;
  }

  /** What the catalog said counts no more. */
  forget(): void {
    this.#catalog = new Catalog();
    this.#resolutions = new Lru<Resolution>({ maxEntries: TEXTS_MAX, maxBytes: TEXT_CHARS_MAX });
  }

  /**
   * @param text one statement
   * @param parameters its values
   * @param ask runs a query on the catalog; used where the catalog's answer is not known yet. Names mean what they mean on
   *   its connection, so ask with one search path always
   */
  async classify(text: string, parameters: readonly Parameter[], ask: AskCatalog): Promise<Classified> {
    await loadParser();
    const { bypass, read } = knownFacts(text);
    if (read === undefined) return { bypass: bypass ?? 'it is no query' };
    // A string that means today, where it is compared with a date.
    const isTimed = ({ sent }: Parameter) => typeof sent === 'string' && isRelativeTime(sent);
    if (parameters.some(isTimed)) return { bypass: "a parameter may mean another time each day ('now', 'today', …)" };
    if (this.#nowMs() - this.#learnedMs > this.#catalogTtlMs || this.#catalog.isFull) {
      this.forget();
      this.#learnedMs = this.#nowMs();
    }
    let resolution = this.#resolutions.get(text, 0);
    if (resolution === undefined) {
      const resolutions = this.#resolutions;
      resolution = await resolve(read, this.#catalog, ask);
      resolutions.set(text, resolution, text.length * 2, Number.POSITIVE_INFINITY, 0);
    }
    if (resolution.bypass !== undefined) return resolution;
    const { reads, named } = resolution;
    const tags = new Set(reads.flatMap((one) => tagsOf(one, parameters, read.parameters)));
    const tables = reads.map(({ table }) => table);
    const related = [...tables, ...reads.flatMap(({ family }) => family)];
    return { bypass: undefined, tables, related, named, tags: [...tags] };
  }
}
