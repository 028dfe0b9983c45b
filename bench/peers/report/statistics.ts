/** Medians of rounds, and how one party compares with another. */
import type { Round } from "../party.js";

/** The middle value; the mean of the two middle ones where their number is even. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new TypeError("expected at least one value, received none");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** Half the distance between the smallest and the largest, as a share of the median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / 2 / median(values);
}

/** The median of each figure by itself; of the seats out at once, the most. */
export function medianRound(rounds: readonly Round[]): Round {
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
  const hops = rounds.map((round) => round.hopCpuUs).filter((us) => us !== null);
  return {
    checkoutsPerSecond: of((round) => round.checkoutsPerSecond),
    p50Ms: of((round) => round.p50Ms),
    p99Ms: of((round) => round.p99Ms),
    mostOut: Math.max(...rounds.map((round) => round.mostOut)),
    serverCpuUs: of((round) => round.serverCpuUs),
    hopCpuUs: hops.length === 0 ? null : median(hops),
    generatorCpuUs: of((round) => round.generatorCpuUs),
  };
}

/**
 * How many times better ours is, as the median over rounds of the ratio within each round: what slows the machine for a
 * while slows both sides of a ratio. `better` says whether more of it is better (throughput) or less (latency, CPU).
 */
export function ratioOfRounds(
  ours: readonly Round[],
  theirs: readonly Round[],
  pick: (round: Round) => number,
  better: "more" | "less",
): number | null {
  const pairs = Math.min(ours.length, theirs.length);
  const ratios: number[] = [];
  for (let i = 0; i < pairs; i++) {
    const [a, b] = [ours[i], theirs[i]].map((round) => (round === undefined ? 0 : pick(round))) as [number, number];
    if (a > 0 && b > 0) ratios.push(better === "more" ? a / b : b / a);
  }
  return ratios.length === 0 ? null : median(ratios);
}
