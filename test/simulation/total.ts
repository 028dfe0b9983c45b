/** The sum of many runs. */
import type { Report } from "./world.js";

export interface Summary {
  readonly base: number;
  readonly seeds: number;
  readonly levels: Readonly<Record<string, number>>;
  readonly simulatedHours: number;
  readonly operations: number;
  readonly batches: number;
  readonly messages: number;
  /** faults and what came of them, by kind */
  readonly counts: Readonly<Record<string, number>>;
  readonly violations: readonly { readonly seed: number; readonly invariant: string; readonly what: string }[];
}

export interface Spent {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
}

export class Total {
  seeds = 0;
  readonly violations: { seed: number; invariant: string; what: string }[] = [];
  readonly #levels: Record<string, number> = {};
  readonly #counts: Record<string, number> = {};
  #simulatedMs = 0;
  #operations = 0;
  #batches = 0;
  #messages = 0;

  constructor(readonly base: number) {}

  add(report: Report): void {
    this.seeds++;
    this.#levels[report.level] = (this.#levels[report.level] ?? 0) + 1;
    this.#simulatedMs += report.simulatedMs;
    this.#operations += report.operations;
    this.#batches += report.batches;
    this.#messages += report.messages;
    for (const [name, count] of Object.entries(report.counts)) this.#counts[name] = (this.#counts[name] ?? 0) + count;
    if (report.violation !== null) {
      const { invariant, what } = report.violation;
      this.violations.push({ seed: report.seed, invariant, what });
    }
  }

  summary(): Summary {
    return {
      base: this.base,
      seeds: this.seeds,
      levels: this.#levels,
      simulatedHours: this.#simulatedMs / 3_600_000,
      operations: this.#operations,
      batches: this.#batches,
      messages: this.#messages,
      counts: Object.fromEntries(Object.entries(this.#counts).sort(([a], [b]) => (a < b ? -1 : 1))),
      violations: this.violations,
    };
  }
}

export function totalOf(base: number): Total {
  return new Total(base);
}

/** The summary as a table. */
export function textOf(summary: Summary, { cpuSeconds, wallSeconds }: Spent): string {
  const { base, seeds, levels, simulatedHours, operations, batches, messages, counts, violations } = summary;
  const levelText = Object.entries(levels).map(([level, count]) => `${count} ${level}`);
  const rows: [string, string][] = [
    ["seeds", `${seeds} from ${base} on (${levelText.join(", ")})`],
    ["simulated hours", simulatedHours.toFixed(2)],
    ["operations answered", String(operations)],
    ["batches carried", String(batches)],
    ["messages delivered", String(messages)],
    ...Object.entries(counts).map(([name, count]): [string, string] => [`  ${name}`, String(count)]),
    ["CPU seconds", `${cpuSeconds.toFixed(1)} in ${wallSeconds.toFixed(1)} s`],
    ["simulated hours per CPU second", (simulatedHours / cpuSeconds).toFixed(3)],
    ["violations", String(violations.length)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}`).join("\n");
}
