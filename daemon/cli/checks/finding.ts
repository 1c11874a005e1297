/** What one check of `pgcached doctor` found. */
export interface Finding {
  readonly check: string;
  /** `skip`: could not be looked at, because of another finding. */
  readonly result: 'ok' | 'warn' | 'fail' | 'skip';
  readonly found: string;
  /** How to mend it; for warn and fail. */
  readonly advice?: string;
}

/** Findings of one check under its name. */
export function findingsOf(check: string) {
  return {
    ok: (found: string): Finding => ({ check, result: 'ok', found }),
    skip: (found: string): Finding => ({ check, result: 'skip', found }),
    warn: (found: string, advice: string): Finding => ({ check, result: 'warn', found, advice }),
    fail: (found: string, advice: string): Finding => ({ check, result: 'fail', found, advice }),
  };
}
