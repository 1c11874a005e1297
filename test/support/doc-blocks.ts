import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A block of code of the documentation, from its fence: three backquotes, the language, and marks. */
export interface DocBlock {
  /** `docs/cached.md:12` */
  readonly at: string;
  readonly language: string;
  readonly marks: readonly string[];
  readonly code: string;
  /** What the block says that it prints: its lines that begin with `// → `, or in SQL with `-- → `. */
  readonly prints: readonly string[];
}

/**
 * How a block is tried. `daemon`: with a running daemon and its Postgres; `postgres`: with an empty database of its own, named
 * by PGHOST and its like; `no-run`: read, but not run.
 */
export const MARKS = ['daemon', 'postgres', 'no-run'] as const;
/** js is run; ts is compiled, then run; sql is run in the database of the daemon, after the blocks above it. */
export const RUNNABLE = ['js', 'ts', 'sql'] as const;
/** Languages that no test can try. Any other (javascript, mjs, typescript, …) would escape the tests. */
export const OTHER = ['', 'sh', 'json', 'ini', 'text', 'console'] as const;

export function blocksOf(path: string, markdown: string): DocBlock[] {
  const fences = markdown.matchAll(/^```([^\n]*)\n(.*?)^```$/gms);
  return [...fences].map((fence) => {
    const [language = '', ...marks] = fence[1]!.trim().split(/\s+/);
    const code = fence[2]!;
    const line = markdown.slice(0, fence.index).split('\n').length;
    const prints = [...code.matchAll(/^\s*(?:\/\/|--) → (.*)$/gm)].map((match) => match[1]!.trim());
    return { at: `${path}:${line}`, language, marks, code, prints };
  });
}

/** The blocks of README.md and of docs/*.md. */
export function allBlocks(root: string): DocBlock[] {
  const names = readdirSync(root).filter((name) => name === 'README.md');
  const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const paths = [...names, ...docs.map((name) => `docs/${name}`)].sort();
  return paths.flatMap((path) => blocksOf(path, readFileSync(join(root, path), 'utf8')));
}

/** What is wrong with the fence of a block, if anything is. */
export function fenceProblem({ language, marks }: DocBlock): string | undefined {
  const isRunnable = (RUNNABLE as readonly string[]).includes(language);
  if (!isRunnable && !(OTHER as readonly string[]).includes(language)) return `unknown language '${language}'`;
  if (!isRunnable) return undefined;
  const unknown = marks.filter((mark) => !(MARKS as readonly string[]).includes(mark));
  return unknown.length === 0 ? undefined : `unknown mark '${unknown.join("', '")}'`;
}
