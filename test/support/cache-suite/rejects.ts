import assert from 'node:assert/strict';
import { CacheError, type ErrorCode } from '../../../shared/errors.js';

/** The call throws or rejects with a CacheError of this code. */
export async function rejects(code: ErrorCode, call: () => unknown, what = ''): Promise<void> {
  await assert.rejects(
    async () => {
      await call();
    },
    (error) => {
      assert.ok(error instanceof CacheError, `${what}: ${String(error)}`);
      assert.equal(error.code, code, what);
      return true;
    },
    what,
  );
}
