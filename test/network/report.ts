/** What a run of the network tests found: per fault the gaps as medians, and what must be zero. */
import type { OperationLine } from "../chaos/history.js";
import type { Violation } from "../chaos/violation.js";
import { longestGapMs, median } from "./gaps.js";
import type { NetworkResult } from "./run.js";

export interface FaultReport {
  readonly fault: string;
  readonly what: string;
  readonly rounds: number;
  /** longest time without an answer in ms, per round; median and worst of them */
  readonly holder: Gap;
  readonly asker: Gap;
  readonly goalMs: number | null;
  /** calls of both clients that failed */
  readonly failed: number;
}

export interface Gap {
  readonly medianMs: number;
  readonly worstMs: number;
  readonly eachMs: readonly number[];
}

export interface NetworkReport {
  readonly seed: number;
  readonly faults: readonly FaultReport[];
  readonly seatsDoubled: number;
  readonly seatsLost: number;
  readonly answersOfFenced: number;
  readonly callsFailed: number;
  /** everything that must not be, in words */
  readonly violations: readonly string[];
}

const doubled: ReadonlySet<Violation["kind"]> = new Set<Violation["kind"]>(["over-allocated", "double-grant"]);
const lost: ReadonlySet<Violation["kind"]> = new Set<Violation["kind"]>(["lost-handle", "not-released"]);

export function reportOf(seed: number, result: NetworkResult): NetworkReport {
  const { inflicted, operations, verdict, endNs } = result;
  const names = [...new Set(inflicted.map(({ fault }) => fault.name))];
  const faults = names.map((name): FaultReport => {
    const windows = inflicted.filter(({ fault }) => fault.name === name);
    const gap = (process: string, operation: OperationLine["operation"]): Gap => {
      const own = operations.filter((line) => line.process === process);
      const eachMs = windows.map((window) => Math.round(longestGapMs(own, operation, window, endNs)));
      return { medianMs: median(eachMs), worstMs: Math.max(...eachMs), eachMs };
    };
    const within = (atNs: number): boolean => windows.some(({ fromNs, untilNs }) => atNs >= fromNs && atNs <= untilNs);
    return {
      fault: name,
      what: windows[0]?.fault.what ?? "",
      rounds: windows.length,
      holder: gap("holder", "info"),
      asker: gap("asker", "access"),
      goalMs: windows[0]?.fault.goalMs ?? null,
      failed: verdict.errors.filter(({ atNs }) => within(atNs)).length,
    };
  });
  const count = (kinds: ReadonlySet<string>): number => verdict.violations.filter(({ kind }) => kinds.has(kind)).length;
  return {
    seed,
    faults,
    seatsDoubled: count(doubled),
    seatsLost: count(lost) + verdict.lostAfterLease,
    // Its answers would come from a place in the log that others have passed already.
    answersOfFenced: count(new Set(["out-of-order"])),
    callsFailed: verdict.errors.length,
    violations: [
      ...verdict.violations.map(({ kind, text }) => `${kind}: ${text}`),
      ...verdict.errors.map(({ text }) => text),
    ],
  };
}

/** The table, in Markdown too. */
export function reportText({ faults, ...sums }: NetworkReport): string {
  const rows = faults.map(({ fault, what, rounds, holder, asker, goalMs, failed }) => {
    const gap = ({ medianMs, worstMs }: Gap): string => `${Math.round(medianMs)} / ${worstMs}`;
    return [fault, what, String(rounds), gap(holder), gap(asker), goalMs === null ? "" : `≤ ${goalMs}`, String(failed)];
  });
  const titles = ["fault", "what happens", "rounds", "holder ms", "asker ms", "goal ms", "failed"];
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |\n`;
  const rule = `| ${widths.map((width, i) => (i < 2 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |\n`;
  return (
    `${line(titles)}${rule}${rows.map(line).join("")}\n` +
    `seats doubled: ${sums.seatsDoubled}, seats lost: ${sums.seatsLost}, answers of a fenced server: ${sums.answersOfFenced}, ` +
    `calls failed: ${sums.callsFailed}, other violations: ${sums.violations.length - sums.seatsDoubled - sums.seatsLost - sums.answersOfFenced - sums.callsFailed}\n` +
    sums.violations.map((text) => `  ${text}\n`).join("")
  );
}
