/** Comparing digests and keys of which there may be none. */
import { asBuffer } from "../wire/bytes.js";

/** True when both are there and equal. */
export function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a !== null && b !== null && asBuffer(a).equals(b);
}
