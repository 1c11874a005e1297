import { CacheError, ERROR_ADVICE, type ErrorCode } from '../../shared/errors.js';

/** The exit codes of `pgcached`; docs/command.md and every `--help` list them. */
export const EXIT = {
  ok: { code: 0, meaning: 'done' },
  failed: { code: 1, meaning: 'not done: an error, a key that is not there (get), a failed check (doctor)' },
  usage: { code: 2, meaning: 'wrong arguments or configuration' },
  unavailable: { code: 3, meaning: 'no daemon answers, or Postgres does not' },
} as const;

export type ExitName = keyof typeof EXIT;

/** Wrong arguments on the command line. */
export class UsageError extends Error {}

const EXITS_BY_CODE: Partial<Record<ErrorCode, ExitName>> = {
  ERR_INVALID_KEY: 'usage',
  ERR_INVALID_TTL: 'usage',
  ERR_INVALID_TAG: 'usage',
  ERR_INVALID_VALUE: 'usage',
  ERR_INVALID_ARGUMENT: 'usage',
  ERR_INVALID_NAMESPACE: 'usage',
  ERR_INVALID_CONFIG: 'usage',
  ERR_UNAVAILABLE: 'unavailable',
  ERR_TIMEOUT: 'unavailable',
  ERR_DATABASE: 'unavailable',
};

export function exitOf(error: unknown): ExitName {
  if (error instanceof UsageError) return 'usage';
  return (error instanceof CacheError && EXITS_BY_CODE[error.code]) || 'failed';
}

/** An error as a person reads it: what was wrong, then what to do. Without its code, which --verbose shows. */
export function tellError(error: unknown): string {
  if (!(error instanceof CacheError)) return error instanceof Error ? error.message : String(error);
  return error.message.replace(` [${error.code}]: ${ERROR_ADVICE[error.code]}`, `\n  ${ERROR_ADVICE[error.code]}`);
}
