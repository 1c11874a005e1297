import * as assert from 'uvu/assert';
import { CacheError, type ErrorCode } from '../../shared/errors.js';

/** Asserts that `act` throws a CacheError of this code, and returns it. */
export function throwsCode(code: ErrorCode, act: () => unknown): CacheError {
  try {
    act();
  } catch (error) {
    return checked(code, error);
  }
  return assert.unreachable(`${code} was expected, nothing was thrown`) as never;
}

/** Asserts that `act` rejects with a CacheError of this code, and returns it. */
export async function rejectsCode(code: ErrorCode, act: () => Promise<unknown>): Promise<CacheError> {
  try {
    await act();
  } catch (error) {
    return checked(code, error);
  }
  return assert.unreachable(`${code} was expected, nothing was thrown`) as never;
}

function checked(code: ErrorCode, error: unknown): CacheError {
  assert.instance(error, CacheError);
  assert.is((error as CacheError).code, code, (error as CacheError).message);
  return error as CacheError;
}
