import type { Sights } from './crawler.js';
import type { Edits } from './editor.js';
import type { Fault, Judge } from './judge.js';

/** What a run found, as `--json` prints it. */
export interface GuideSummary {
  readonly seconds: number;
  /** Who edited: psql, or a plain connection. */
  readonly editor: string;
  readonly pages: number;
  readonly requests: number;
  /** By server. */
  readonly given: readonly number[];
  readonly answered: Readonly<Record<string, number>>;
  readonly notModified: number;
  /** Answers that needed no computation, of all: from 0 to 1. */
  readonly hitRate: number;
  readonly commits: number;
  readonly rollbacks: number;
  readonly dropped: number;
  readonly needless: number;
  /** Confirmed change to page asked for without it, at most. */
  readonly oldestMs: number;
  readonly boundMs: number;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly faultExamples: readonly string[];
  readonly errors: number;
  readonly errorExamples: readonly string[];
  /** No fault, no error, and something to show for it. */
  readonly ok: boolean;
}

export function summarizeGuide(
  seconds: number,
  boundMs: number,
  editor: string,
  given: readonly number[],
  sights: Sights,
  edits: Edits,
  judge: Judge,
): GuideSummary {
  const { requests, notModified, dropped, needless, errors, errorExamples } = sights;
  const hits = sights.answered.get('HIT') ?? 0;
  return {
    seconds,
    editor,
    pages: sights.pages.size,
    requests,
    given: [...given],
    answered: Object.fromEntries(sights.answered),
    notModified,
    hitRate: requests === 0 ? 0 : hits / requests,
    ...edits,
    dropped,
    needless,
    oldestMs: judge.oldestMs,
    boundMs,
    faults: { ...judge.counts },
    faultExamples: judge.examples,
    errors,
    errorExamples,
    ok: judge.faults === 0 && errors === 0 && hits > 0 && edits.commits > 0 && given.every((count) => count > 0),
  };
}

const number = (value: number): string => Math.round(value).toLocaleString('en');
const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;

export function guideLine(summary: GuideSummary): string {
  const { seconds, requests, hitRate, commits, dropped, oldestMs, faults } = summary;
  const found = Object.values(faults).reduce((sum, count) => sum + count, 0);
  return `${seconds.toFixed(0).padStart(3)} s | ${number(requests)} requests, ${percent(hitRate)} hits | ${number(commits)} commits, ${number(dropped)} pages computed again | oldest ${number(oldestMs)} ms | faults ${found}`;
}

export function guideLines(summary: GuideSummary): string[] {
  const { pages, requests, given, notModified, hitRate, commits, rollbacks, editor, dropped, needless } = summary;
  const { oldestMs, boundMs, faults, errors } = summary;
  return [
    `${number(pages)} pages on ${given.length} servers (${given.map(number).join(' and ')} requests), ${summary.seconds} s`,
    '',
    `  ${number(requests)} requests, ${percent(hitRate)} answered from the cache, ${number(notModified)} with 304`,
    `  ${number(commits)} commits and ${number(rollbacks)} rollbacks by ${editor}`,
    `  ${number(dropped)} pages were dropped and computed again, ${number(needless)} of them without need: they came out the same`,
    `  the oldest page was asked for ${number(oldestMs)} ms after a change to it was confirmed; the bound is ${number(boundMs)} ms`,
    `  pages older than the bound: ${faults.stale}, of mixed versions: ${faults.mixed}, torn: ${faults.torn}, of what was not committed: ${faults.uncommitted}`,
    ...summary.faultExamples.map((example) => `    ${example}`),
    ...(errors === 0 ? [] : [`  ${errors} errors`, ...summary.errorExamples.map((example) => `    ${example}`)]),
  ];
}
