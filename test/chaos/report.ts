/** What a chaos run tells: tables for people, one document for programs. */
import { tableText } from "../../ts/cli/table.js";
import type { Verdict } from "./checker.js";
import type { HistoryLine, OperationLine } from "./history.js";

/** The slowest answer that clients of one place got. */
export interface Longest {
  readonly client: string;
  readonly ms: number;
  readonly operation: string;
  /** faults under way at any moment of it */
  readonly during: readonly string[];
}

export interface Summary {
  readonly faults: Readonly<Record<string, number>>;
  readonly operations: Readonly<Record<string, number>>;
  readonly longest: readonly Longest[];
  /** errors seen by clients */
  readonly errors: number;
  readonly lostAfterLease: number;
  readonly violations: number;
}

export function summarize(lines: readonly HistoryLine[], verdict: Verdict): Summary {
  const operations = lines.filter((line) => line.type === "operation");
  return {
    faults: counts(lines.filter((line) => line.type === "fault").map(({ kind }) => kind)),
    operations: counts(operations.map(outcome)),
    longest: longestOf(operations, lines),
    errors: verdict.errors.length,
    lostAfterLease: verdict.lostAfterLease,
    violations: verdict.violations.length,
  };
}

function outcome({ operation, result }: OperationLine): string {
  if (result === "unknown") return `${operation}, client killed before the answer`;
  if ("ok" in result) return operation;
  return `${operation}, ${"refused" in result ? result.refused : result.error}`;
}

function counts(names: readonly string[]): Record<string, number> {
  const found = new Map<string, number>();
  for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
  return Object.fromEntries([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function longestOf(operations: readonly OperationLine[], lines: readonly HistoryLine[]): Longest[] {
  const slowest = new Map<string, OperationLine>();
  for (const line of operations) {
    if (line.returnNs === null) continue;
    const place = line.process.replace(/\..*$/, "");
    const before = slowest.get(place);
    if (before === undefined || lasted(line) > lasted(before)) slowest.set(place, line);
  }
  return [...slowest]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([client, line]) => ({
      client,
      ms: Math.round(lasted(line) / 1e6),
      operation: line.operation,
      during: lines
        .filter((fault) => fault.type === "fault")
        .filter(({ fromNs, untilNs }) => fromNs <= (line.returnNs ?? 0) && untilNs >= line.callNs)
        .map(({ kind, target }) => `${kind} ${target}`),
    }));
}

function lasted(line: OperationLine): number {
  return (line.returnNs ?? line.callNs) - line.callNs;
}

const RIGHT = { align: "right" } as const;

export function summaryText(summary: Summary, verdict: Verdict, colour: boolean): string {
  const counted = (title: string, rows: Readonly<Record<string, number>>): string =>
    tableText(
      { colour },
      [{ title }, { title: "COUNT", ...RIGHT }],
      [
        ...Object.entries(rows).map(([name, count]) => [name, String(count)]),
        ["all", String(Object.values(rows).reduce((sum, count) => sum + count, 0))],
      ],
    );
  const longest = tableText(
    { colour },
    [{ title: "LONGEST TIME WITHOUT AN ANSWER" }, { title: "MS", ...RIGHT }, { title: "FOR" }, { title: "UNDER WAY" }],
    summary.longest.map(({ client, ms, operation, during }) => [
      client,
      String(ms),
      operation,
      during.join(", ") || "-",
    ]),
  );
  const found = [
    ...verdict.errors.map(({ text }) => `error: ${text}`),
    ...verdict.violations.map(({ kind, text }) => `violation: ${kind}: ${text}`),
  ].map((text) => `${text}\n`);
  const lost =
    summary.lostAfterLease === 0 ? "" : `handles lost after their lease ran out: ${summary.lostAfterLease}\n`;
  return [
    counted("FAULTS INJECTED", summary.faults),
    counted("OPERATIONS", summary.operations),
    longest,
    `${found.join("")}${lost}errors seen by clients: ${summary.errors}, violations: ${summary.violations}\n`,
  ].join("\n");
}
