/** The pause before attempt `attempt` (from 0): 50 ms growing by half to 1 s, of which the upper half is random. */
export function backoffMs(attempt: number, random: () => number): number {
  const full = Math.min(1_000, 50 * 1.5 ** Math.min(attempt, 20));
  return full * (0.5 + 0.5 * random());
}
