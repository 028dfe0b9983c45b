/** Figures as text: a table for people, JSON for programs. */
import { cpus, release } from "node:os";
import type { Bench, Figure, Row } from "./bench.js";

export interface Measured {
  readonly bench: Bench;
  readonly rows: readonly Row[];
}

/** On what it was measured. */
export function machine(): Readonly<Record<string, string | number>> {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    system: `${process.platform} ${process.arch} ${release()}`,
    node: process.version,
    openssl: process.versions.openssl,
  };
}

function short(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function amount(ns: number): string {
  if (ns >= 1e6) return `${short(ns / 1e6)} ms`;
  return ns >= 10_000 ? `${short(ns / 1e3)} µs` : `${short(ns)} ns`;
}

function figureText(figure: Figure | null): string {
  if (figure === null) return "–";
  const { unit, name } = figure;
  if (unit === "instructions") return `${name}: ${short(figure.median)}`;
  return `${name}: ${amount(figure.median)} [${amount(figure.low)}–${amount(figure.high)}]`;
}

function ratioText({ ratio }: Row): string {
  if (ratio === null) return "–";
  const words = ratio.kind === "speed" ? "× as fast" : "× its cost";
  return `${short(ratio.median)} ${words} [${short(ratio.low)}–${short(ratio.high)}]`;
}

function reachedText({ reached }: Row): string {
  if (reached === null) return "";
  return reached ? "yes" : "NO";
}

function table(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  const padded = lines.map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`);
  padded.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return padded.join("\n");
}

/** The claim of a bench and its table, in the form of Markdown. */
export function benchText({ bench, rows }: Measured, smoke: boolean): string {
  const head = [
    `### ${bench.name}`,
    "",
    `Claim: ${bench.claim}`,
    `Control: ${bench.control}`,
    `Disproved by: ${bench.disproof}`,
    "",
  ];
  const lines = smoke
    ? [["work", "digest"], ...rows.map((row) => [row.work, row.digest])]
    : [
        ["work", "subject", "control", "ratio", "goal", "reached", "digest"],
        ...rows.map((row) => [
          row.work,
          row.missing ?? figureText(row.subject),
          figureText(row.control),
          ratioText(row),
          row.goal ?? "",
          reachedText(row),
          row.digest.slice(0, 8),
        ]),
      ];
  return `${head.join("\n")}${table(lines)}\n`;
}

/** Everything for programs. */
export function jsonText(all: readonly Measured[]): string {
  const benches = all.map(({ bench: { name, claim, control, disproof }, rows }) => ({
    name,
    claim,
    control,
    disproof,
    rows,
  }));
  return JSON.stringify({ machine: machine(), benches }, null, 2);
}
