import type { TestResult } from './run.js';

const KINDS = ['required', 'optimal'] as const;

/** How many of each kind passed, and what did not. */
export function report(results: readonly TestResult[]): string {
  const lines = KINDS.flatMap((kind) => {
    const all = results.filter((result) => result.kind === kind);
    const passed = all.filter(({ outcome }) => outcome === 'pass');
    const others = all.filter(({ outcome }) => outcome !== 'pass');
    return [
      `${kind}: ${passed.length} of ${all.length} passed`,
      ...others.map(({ outcome, id, name, problem = '' }) => `  ${outcome} ${id}: ${name} (${problem})`),
    ];
  });
  const checks = results.filter(({ kind }) => kind === 'check');
  const yes = checks.filter(({ outcome }) => outcome === 'pass');
  return [...lines, `checks: ${yes.length} of ${checks.length} answered with yes`].join('\n');
}
