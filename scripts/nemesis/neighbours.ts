import type { History, Read, Violation, Write } from './history.js';

const NEIGHBOURS_MAX = 40;

export interface Found extends Violation {
  /** What else happened to the key at about that time, one line an operation. */
  readonly neighbours: readonly string[];
}

/** The operations on the key from just before what was contradicted until the violation; the last ones, if there are many. */
export function neighbours({ operation, because, part }: Violation, { reads, writes, crashes }: History): string[] {
  const fromUs = (because?.inv ?? operation.inv) - 5_000;
  const isNear = (one: Read | Write): boolean =>
    (one.key === operation.key || one.key === part || one.key === '') &&
    one.resp >= fromUs &&
    one.inv <= operation.resp;
  const origin = operation.inv;
  const ms = (instant: number): string => ((instant - origin) / 1_000).toFixed(2);
  const lines = crashes
    .filter(({ start, end }) => end >= fromUs && start <= operation.resp)
    .map(({ start, end }) => ({ inv: start, text: `${ms(start)} … ${ms(end)} ms: Postgres crashed` }));
  for (const one of [...writes, ...reads].filter(isNear)) {
    const outcome = 'outcome' in one ? ` ${one.outcome}` : '';
    const of = part === undefined ? '' : ` ${one.key}`;
    const tag = 'tag' in one && one.tag !== undefined ? ` ${one.tag}` : '';
    const who = `process ${one.process}, host ${one.host}${one.near ? ', near' : ''}`;
    const mark = one === operation ? ' <-- violation' : '';
    const text = `${ms(one.inv)} … ${ms(one.resp)} ms: ${one.kind}${of} ${one.version ?? 'miss'}${outcome}${tag} (${who})${mark}`;
    lines.push({ inv: one.inv, text });
  }
  return lines
    .sort((a, b) => a.inv - b.inv)
    .slice(-NEIGHBOURS_MAX)
    .map(({ text }) => text);
}
