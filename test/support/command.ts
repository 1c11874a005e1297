import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../daemon/cli/main.js', import.meta.url));

/** An environment in which nobody has said anything about pgcached or Postgres. */
export function plainEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(PGCACHED_|PG|XDG_|STATE_|CREDENTIALS_)/.test(name),
  );
  return { ...(Object.fromEntries(entries) as Record<string, string>), ...more };
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartedCommand {
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly seen: { stdout: string; stderr: string };
  readonly ended: Promise<Ended>;
}

/** Starts `pgcached` as a user would, as a process of its own. */
export function startCommand(
  args: readonly string[],
  options: { environment?: Readonly<Record<string, string>>; input?: string; cwd?: string } = {},
): StartedCommand {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: plainEnvironment(options.environment),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const seen = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    seen.stderr += text;
  });
  child.stdin.end(options.input ?? '');
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, ...seen })));
  return { child, seen, ended };
}

export function runCommand(...parameters: Parameters<typeof startCommand>): Promise<Ended> {
  return startCommand(...parameters).ended;
}
