/** Text tables and numbers for people. */
import type { Measured } from "./measure.js";

/** Columns as wide as their widest cell; the first is text, the others are numbers. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Three significant digits below 100, whole above. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "-";
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** The middle value; of an even count the lower middle one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly rounds: readonly Measured[];
  /** why it has no numbers */
  readonly failed?: string;
}

export const HEAD = [
  "run",
  "checkouts/s",
  "p50 ms",
  "p99 ms",
  "p99.9 ms",
  "CPU us: tmr",
  "twin",
  "up-1",
  "up-2",
  "up-3",
  "load",
  "batch",
  "r+w/req",
  "RSS tmr",
  "RSS up",
] as const;

/** One line of the table: the median of each figure over the rounds. */
export function rowCells({ title, rounds, failed }: Row): readonly string[] {
  if (failed !== undefined) return [title, "failed"];
  const of = (figure: (round: Measured) => number | null | undefined): string => {
    const values = rounds.map(figure).filter((value) => value !== null && value !== undefined);
    return values.length === 0 ? "-" : number(median(values));
  };
  const twin = (active: string): string => (active === "tmr-a" ? "tmr-b" : "tmr-a");
  const upstreams = ["upstream-1", "upstream-2", "upstream-3"];
  return [
    title,
    of((round) => round.checkoutsPerSecond),
    of(({ load }) => load.checkoutMs.p50),
    of(({ load }) => load.checkoutMs.p99),
    of(({ load }) => load.checkoutMs.p999),
    of(({ cpuUs, active }) => cpuUs[active]),
    of(({ cpuUs, active }) => cpuUs[twin(active)]),
    ...upstreams.map((name) => of(({ cpuUs }) => cpuUs[name])),
    of(({ cpuUs }) => cpuUs["load"]),
    of(({ batchMean }) => batchMean),
    of(({ ioCallsPerRequest }) => ioCallsPerRequest),
    of(({ residentMb, active }) => residentMb[active]),
    of(({ residentMb }) => Math.max(...upstreams.map((name) => residentMb[name] ?? 0))),
  ];
}

/** What a run shows besides the figures of the table, or null. */
export function remark({ name, rounds }: Row): string | null {
  const last = rounds.at(-1);
  if (last === undefined) return null;
  const { load } = last;
  if (name === "contended") {
    return `contended: at most ${load.mostOut} of 32 seats out at once, ${load.denied.toLocaleString("en")} times denied and asked again after 1 ms`;
  }
  if (name === "open")
    return `open: at most ${load.mostBehind.toLocaleString("en")} checkouts were due and had to wait for a free slot`;
  if (name === "upstream-kill" || name === "takeover") {
    return `${name}: longest time without an answered checkout ${number(load.gapMs)} ms, ${load.reconnects} reconnections, ${load.repeated.toLocaleString("en")} requests sent again, every checkout that was due was answered`;
  }
  return null;
}
