/** Settings of a property test: TMR_SEED and TMR_RUNS repeat or deepen one; fast-check prints the seed of a failure. */
export function seeded(numRuns: number): { readonly numRuns: number; readonly seed?: number } {
  const seed = process.env["TMR_SEED"];
  const runs = process.env["TMR_RUNS"];
  return {
    numRuns: runs === undefined ? numRuns : Number(runs),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  };
}
