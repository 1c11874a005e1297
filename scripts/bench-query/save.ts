import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Seen from dist/scripts/bench-query/. */
const PAGE = fileURLToPath(new URL('../../../docs/query-cache.md', import.meta.url));
const [BEGIN, END] = ['<!-- made by npm run bench:query -- --save -->', '<!-- end -->'];

/** Puts the tables between the markers of the page. @returns the page. @throws Error where it has no markers */
export function save(text: string, asked: string | undefined): string {
  const page = asked === undefined ? PAGE : resolve(asked);
  const before = readFileSync(page, 'utf8');
  const [begin, end] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`${page} has no line '${BEGIN}' before a line '${END}'`);
  writeFileSync(page, `${before.slice(0, begin + BEGIN.length)}\n\n${text}\n${before.slice(end)}`);
  return page;
}
