import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

/** Beyond it a file is stopped: it is in a loop that prints. */
const OUTPUT_BYTES_MAX = 16 * 2 ** 20;
/** How long the pipes of a process that has ended may stay open, held by processes that it left behind. */
const DRAIN_MS = 1_000;

/** What a test file asks for, in a comment `// gate: cost=2 timeout=240 skips=1 (needs systemd)`; each part may be missing. */
export interface Wishes {
  /** Slots taken: a file with as many as there are jobs runs alone, one with 0 (it waits rather than works) beside all others. */
  readonly cost: number;
  /** Seconds until it is killed. */
  readonly timeoutS: number | undefined;
  /** How many skipped tests are no failure; needs a reason in brackets. */
  readonly skips: number;
}

export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Why the file failed as a whole; empty for a good one. */
  readonly problems: readonly string[];
  readonly durationMs: number;
  readonly output: string;
}

interface Summary {
  readonly total: number;
  readonly passed: number;
  readonly skipped: number;
}

interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why we ended it, if we did. */
  readonly stopped: string | undefined;
}

export function readWishes(file: string): Wishes {
  const line = /^\s*\/\/ gate: (.*)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
  const number = (name: string): number | undefined => {
    const found = new RegExp(`\\b${name}=(\\d+)`).exec(line)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const reasoned = /\(.+\)/.test(line);
  return { cost: number('cost') ?? 1, timeoutS: number('timeout'), skips: reasoned ? (number('skips') ?? 0) : 0 };
}

/** uvu's closing lines, one set for each time that it ran its queue. */
export function parseSummaries(output: string): Summary[] {
  const pattern = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm;
  return [...stripVTControlCharacters(output).matchAll(pattern)].map((match) => ({
    total: Number(match[1]),
    passed: Number(match[2]),
    skipped: Number(match[3]),
  }));
}

/** Judges by all that uvu can get wrong: its exit code alone says 0 for a throw in a hook, and for no test at all. */
export function judge(
  ending: Ending,
  output: string,
  skipsAllowed: number,
): Omit<FileResult, 'file' | 'durationMs' | 'output'> {
  const summaries = parseSummaries(output);
  const { total, passed, skipped } = summaries.at(-1) ?? { total: 0, passed: 0, skipped: 0 };
  const problems: string[] = [];
  if (ending.stopped !== undefined) problems.push(ending.stopped);
  else if (ending.signal !== null) problems.push(`killed by ${ending.signal}`);
  else if (ending.code !== 0) problems.push(`exit code ${ending.code}`);
  if (summaries.length === 0) problems.push('no summary: it ended before its tests did, or test.run() is missing');
  if (summaries.length > 1) problems.push('more than one summary: call run() of all suites in one turn of the loop');
  if (summaries.length > 0 && total === 0) problems.push('no tests');
  if (passed !== total) problems.push(`${total - passed} of ${total} tests failed`);
  if (skipped > skipsAllowed) problems.push(`${skipped} skipped, ${skipsAllowed} allowed`);
  const failed = Math.max(total - passed, problems.length > 0 ? 1 : 0);
  return { passed, failed, skipped, problems };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}

/**
 * Runs one compiled test file as a process, the leader of a group that is killed with it.
 * @param timeoutMs until it is killed
 * @param stop ends it early
 */
export async function runFile(
  file: string,
  timeoutMs: number,
  env: NodeJS.ProcessEnv,
  stop: AbortSignal,
): Promise<FileResult> {
  const started = performance.now();
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env,
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  let stopped: string | undefined;
  const end = (why: string): void => {
    stopped ??= why;
    if (child.pid !== undefined) killGroup(child.pid);
  };
  const collect = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes <= OUTPUT_BYTES_MAX) chunks.push(chunk);
    else end(`more than ${OUTPUT_BYTES_MAX} bytes of output`);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const timer = setTimeout(() => end(`time limit of ${timeoutMs / 1000} s passed`), timeoutMs);
  const onStop = (): void => end('interrupted');
  stop.addEventListener('abort', onStop);
  const ending = await new Promise<Ending>((resolve) => {
    let drain: NodeJS.Timeout | undefined;
    child.once('error', (error) => resolve({ code: null, signal: null, stopped: `cannot be run: ${error.message}` }));
    child.once('exit', (code, signal) => {
      if (child.pid !== undefined) killGroup(child.pid);
      drain = setTimeout(() => resolve({ code, signal, stopped }), DRAIN_MS);
    });
    child.once('close', (code, signal) => {
      clearTimeout(drain);
      resolve({ code, signal, stopped });
    });
  });
  clearTimeout(timer);
  stop.removeEventListener('abort', onStop);
  child.stdout.destroy();
  child.stderr.destroy();
  const output = Buffer.concat(chunks).toString('utf8');
  const durationMs = performance.now() - started;
  return { file, ...judge(ending, output, readWishes(file).skips), durationMs, output };
}
