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

/** So far one upstream's word alone may move the next epoch. */
const MAX_LEAP = 2 ** 20;

/**
 * Of the epochs that upstreams say they promised, those that a new one has to be above. A number far beyond everything
 * else comes from nobody honest: taken at its word, one upstream could use the numbers up for ever.
 */
export function believable(used: number, promised: readonly number[]): number[] {
  const [, second = 0] = [...promised].sort((a, b) => b - a);
  const limit = Math.max(used, second) + MAX_LEAP;
  return promised.filter((epoch) => epoch <= limit);
}

/** Which twin an epoch belongs to. */
export function twinOf(epoch: number): Twin {
  return (epoch % 2) as Twin;
}
