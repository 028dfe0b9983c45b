/**
 * Epochs: (counter, twin) in one number, counter * 2 + twin. Totally ordered, never equal for the two twins, never
 * used twice: every start and every takeover takes a new one, durable before its first use (protocol.md section 1).
 */

/** Number of a twin: its place in system.toml. */
export type Twin = 0 | 1;

/** The lowest epoch of `twin` above everything in `seen`. */
export function nextEpoch(twin: Twin, ...seen: readonly number[]): number {
  const counter = Math.floor(Math.max(0, ...seen) / 2) + 1;
  return counter * 2 + twin;
}

/** Which twin an epoch belongs to. */
export function twinOf(epoch: number): Twin {
  return (epoch % 2) as Twin;
}
