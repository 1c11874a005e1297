import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout that these compiled tests belong to. */
export const projectRoot = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

const NOT_OURS = new Set(['node_modules', 'dist', '.git', '.pgcached', 'coverage']);

/** All files of the project, as paths relative to the checkout. */
export function projectFiles(folder = projectRoot): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !NOT_OURS.has(name))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? projectFiles(path) : entry.isFile() ? [relative(projectRoot, path)] : [];
    })
    .sort();
}

export function readSource(path: string): string {
  return readFileSync(join(projectRoot, path), 'utf8');
}

const indentOf = (line: string): number => line.length - line.trimStart().length;
const CONTROL = /^(\} )?(if|for|while|switch|catch|else|do|try|finally|with)\b/;
const DECLARATION = /^(export |default |declare |abstract )*(class|interface|type|enum|namespace)\b/;

function opensFunction(line: string): boolean {
  const text = line.trim();
  if (CONTROL.test(text) || DECLARATION.test(text)) return false;
  return /=> \{$/.test(text) || /\)(: [^=]*)? \{$/.test(text);
}

export interface FunctionSpan {
  /** Line of its first word, from 1. */
  readonly line: number;
  /** Lines from there to its closing brace. */
  readonly lines: number;
}

function linesOfText(source: string): number {
  const literals = source.match(/`[^`]*`/g) ?? [];
  return literals.reduce((sum, literal) => sum + literal.split('\n').length - 1, 0);
}

/**
 * Finds functions by the layout that the formatter guarantees: the last line of a head ends with a brace, and the closing
 * brace stands on a line of its own, indented as the head is. Lines inside a template literal, such as SQL, do not count.
 */
export function functionSpans(source: string): FunctionSpan[] {
  const lines = source.split('\n');
  return lines.flatMap((line, at) => {
    if (!opensFunction(line)) return [];
    const indent = indentOf(line);
    let first = at;
    if (line.trim().startsWith(')')) {
      do first--;
      while (first > 0 && indentOf(lines[first]!) > indent);
    }
    if (CONTROL.test(lines[first]!.trim())) return [];
    const last = lines.findIndex(
      (other, index) => index > at && indentOf(other) === indent && other.trim().startsWith('}'),
    );
    const body = lines.slice(first, last < 0 ? lines.length : last + 1);
    return [{ line: first + 1, lines: body.length - linesOfText(body.join('\n')) }];
  });
}

export interface Import {
  readonly from: string;
  /** Erased by the compiler: loads nothing. */
  readonly typeOnly: boolean;
}

/** Static and dynamic imports, re-exports, require and resolve, each with a literal specifier. */
export function importsOf(source: string): Import[] {
  const found: Import[] = [];
  for (const match of source.matchAll(/^(import|export)\s+(type\s)?[^'"`;]*?from\s+['"]([^'"]+)['"]/gm)) {
    found.push({ from: match[3]!, typeOnly: match[2] !== undefined });
  }
  for (const match of source.matchAll(/^import\s+['"]([^'"]+)['"]/gm)) found.push({ from: match[1]!, typeOnly: false });
  for (const match of source.matchAll(/\b(?:import|require|resolve)\(\s*['"]([^'"]+)['"]/g)) {
    found.push({ from: match[1]!, typeOnly: false });
  }
  return found;
}

/** All that a file loads at run time, directly or not: files as paths relative to the checkout, packages by name. */
export function loadedBy(entry: string): Set<string> {
  const seen = new Set<string>();
  const queue = [entry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    if (!existsSync(join(projectRoot, path))) continue; // a package
    for (const { from, typeOnly } of importsOf(readSource(path))) {
      if (typeOnly) continue;
      queue.push(from.startsWith('.') ? sourceOf(path, from) : packageOf(from));
    }
  }
  return seen;
}

function sourceOf(importer: string, from: string): string {
  return relative(projectRoot, resolve(projectRoot, dirname(importer), from)).replace(/\.js$/, '.ts');
}

function packageOf(from: string): string {
  return from.split('/', from.startsWith('@') ? 2 : 1).join('/');
}
