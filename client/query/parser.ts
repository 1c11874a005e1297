import { createRequire } from 'node:module';
import type { Node } from './syntax.js';

/** The longest text that is parsed: what is longer is not cached. */
const SQL_CHARS_MAX = 64 * 1024;
/**
 * A left-deep chain of operators (`1+1+1…`) nests as deep as it is long, and the parser, WebAssembly that shares this
 * thread's stack, was seen to overflow it at 10,000 and to be of no use afterwards. So tokens that can nest are counted first.
 */
const NESTING_TOKENS_MAX = 2000;
const NESTING =
  /[-+*/<>=~!@#%^&|?]+|::|[.[(]|\b(?:not|is|in|like|ilike|similar|between|collate|at|union|intersect|except)\b/gi;

interface LibPgQuery {
  loadModule(): Promise<void>;
  parseSync(text: string): { stmts?: readonly { stmt?: Node }[] };
}

export type Parsed =
  | { readonly statements: readonly Node[] }
  /** Not to be parsed: too long, too deep, or no SQL. The server has the last word on it. */
  | { readonly problem: string; readonly isSyntax: boolean };

let library: LibPgQuery | undefined;
let loading: Promise<void> | undefined;
let isBroken = false;

/** Loads Postgres's own parser (WebAssembly, about 30 ms), once a process and not before somebody needs it. */
export function loadParser(): Promise<void> {
  loading ??= load();
  return loading;
}

async function load(): Promise<void> {
  const loaded = createRequire(import.meta.url)('libpg-query') as LibPgQuery;
  await loaded.loadModule();
  library = loaded;
}

function tooDeep(text: string): boolean {
  let count = 0;
  for (const _ of text.matchAll(NESTING)) if (++count > NESTING_TOKENS_MAX) return true;
  return false;
}

/** The statements of a text as Postgres's grammar sees them. To be called after `loadParser`. */
export function parse(text: string): Parsed {
  if (library === undefined || isBroken) return { problem: 'there is no parser', isSyntax: false };
  if (text.length > SQL_CHARS_MAX) return { problem: `its text is longer than ${SQL_CHARS_MAX}`, isSyntax: false };
  if (text.includes('\0')) return { problem: 'its text contains NUL', isSyntax: false };
  if (text.trim() === '') return { statements: [] };
  if (tooDeep(text)) return { problem: 'it may nest too deep', isSyntax: false };
  try {
    const { stmts = [] } = library.parseSync(text);
    return { statements: stmts.flatMap(({ stmt }) => (stmt === undefined ? [] : [stmt])) };
  } catch (error) {
    const isSyntax = error instanceof Error && 'sqlDetails' in error;
    // An overflow leaves the parser's own stack pointer where it was: it is not asked again.
    if (!isSyntax) isBroken = true;
    return { problem: `it does not parse: ${(error as Error).message}`, isSyntax };
  }
}
