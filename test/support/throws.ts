/** Catching what should be thrown, as data to compare. */
import assert from "node:assert/strict";
import { type ErrorCode, TmrError } from "../../ts/errors.js";

function checked(error: unknown, code: ErrorCode): TmrError {
  assert.ok(error instanceof TmrError, `expected a TmrError, received ${String(error)}`);
  assert.equal(error.code, code, error.message);
  return error;
}

/** The TmrError with this code that `work` throws. */
export function thrownBy(code: ErrorCode, work: () => unknown): TmrError {
  try {
    work();
  } catch (error) {
    return checked(error, code);
  }
  return assert.fail(`expected ${code}, nothing was thrown`);
}

/** The TmrError with this code that `work` rejects with. */
export async function rejectedBy(code: ErrorCode, work: () => Promise<unknown>): Promise<TmrError> {
  try {
    await work();
  } catch (error) {
    return checked(error, code);
  }
  return assert.fail(`expected ${code}, nothing was thrown`);
}
