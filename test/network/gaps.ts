/** What a fault cost a client: the longest time without an answer, read from its history. */
import type { OperationLine } from "../chaos/history.js";

/** Nanoseconds of the run's clock. */
export interface Window {
  readonly fromNs: number;
  readonly untilNs: number;
}

/**
 * The longest time in ms between two answers to `operation`, of which at least a part lies in the window. An answer that
 * was still awaited at the end of the history counts up to `endNs`.
 */
export function longestGapMs(
  lines: readonly OperationLine[],
  operation: OperationLine["operation"],
  { fromNs, untilNs }: Window,
  endNs: number,
): number {
  const answers = lines
    .filter((line) => line.operation === operation && line.result !== "unknown" && "ok" in line.result)
    .map((line) => line.returnNs ?? 0)
    .toSorted((a, b) => a - b);
  let longest = 0;
  for (let i = 0; i <= answers.length; i++) {
    const before = answers[i - 1] ?? Number.NEGATIVE_INFINITY;
    const after = answers[i] ?? endNs;
    if (after < fromNs || before > untilNs || before === Number.NEGATIVE_INFINITY) continue;
    longest = Math.max(longest, after - before);
  }
  return longest / 1e6;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
