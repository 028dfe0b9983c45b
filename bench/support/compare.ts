/** Measures comparisons: first that all cases produce the same, then how long each takes, in interleaved rounds. */
import { createHash } from "node:crypto";
import Benchmark from "benchmark";
import type { Case, Comparison, Control, Effort, Figure, Goal, Prepared, Row } from "./bench.js";

/** Benchmark.js takes samples of at least this long, and for this long in each round. */
const SAMPLE_S = 0.01;
const ROUND_S = 0.06;
/** A case that is slower than this is sampled once per round. */
const SLOW_S = 0.03;

/** SHA-256 in hex. */
export function digestOf(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** The value at a fraction of the sorted values. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}

/** The digest of one run on a fresh preparation. Throws when the run left no trace. */
function digestOfRun(of: Case): string {
  const prepared = of.prepare();
  const before = digestOf(prepared.output());
  prepared.run();
  const after = digestOf(prepared.output());
  if (after === before) throw new Error(`bench "${of.name}" produced nothing`);
  return after;
}

/** The digest that subject and controls have in common. Throws when they differ. */
function commonDigest({ work, subject, controls }: Comparison): string {
  const digest = digestOfRun(subject);
  for (const control of controls) {
    if (digestOfRun(control) !== digest) {
      throw new Error(`bench "${work}": "${subject.name}" and "${control.name}" do not produce the same`);
    }
  }
  return digest;
}

class Timed {
  /** ns per operation, one value per round */
  readonly rounds: number[] = [];
  readonly #prepared: Prepared;
  readonly #slow: boolean;

  constructor(readonly of: Case) {
    this.#prepared = of.prepare();
    const begin = process.hrtime.bigint();
    this.#prepared.run();
    this.#slow = Number(process.hrtime.bigint() - begin) / 1e9 > SLOW_S;
  }

  round(): void {
    const prepared = this.#prepared;
    const options = { minTime: SAMPLE_S, maxTime: ROUND_S, minSamples: this.#slow ? 1 : 3 };
    const bench = new Benchmark(this.of.name, () => prepared.run(), options);
    bench.run({ async: false });
    const { error } = bench as { readonly error?: Error };
    if (error !== undefined) throw error;
    this.rounds.push((quantile(bench.stats.sample, 0.5) / this.of.operations) * 1e9);
  }

  figure(): Figure {
    return { name: this.of.name, ...spread(this.rounds), unit: "ns" };
  }
}

function spread(values: readonly number[]): { readonly median: number; readonly low: number; readonly high: number } {
  return { median: quantile(values, 0.5), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}

function isReached(goal: Goal, ratio: number): boolean {
  return goal.kind === "speed" ? ratio >= goal.atLeast : ratio <= goal.atMost;
}

/** Ratios round by round, so that what slows the whole machine for a moment slows both. */
function rowOf(work: string, subject: Timed, control: Timed, asked: Control, digest: string): Row {
  const kind = asked.goal?.kind ?? asked.told ?? "speed";
  const ratios = subject.rounds.map((mine, i) => {
    const theirs = control.rounds[i] ?? Number.NaN;
    return kind === "speed" ? theirs / mine : mine / theirs;
  });
  const ratio = { kind, ...spread(ratios) };
  return {
    work,
    subject: subject.figure(),
    control: control.figure(),
    ratio,
    goal: asked.goal?.words ?? null,
    reached: asked.goal === undefined ? null : isReached(asked.goal, ratio.median),
    digest,
  };
}

function measured(comparison: Comparison, digest: string, rounds: number): Row[] {
  const { work, atMostNs } = comparison;
  const subject = new Timed(comparison.subject);
  const controls = comparison.controls.map((asked) => ({ asked, timed: new Timed(asked) }));
  const all = [subject, ...controls.map(({ timed }) => timed)];
  for (let round = 0; round < rounds; round++) {
    // Each begins a round in turn: none always follows the same other.
    for (let i = 0; i < all.length; i++) all[(round + i) % all.length]?.round();
  }
  const rows = controls.map(({ asked, timed }) => rowOf(work, subject, timed, asked, digest));
  if (atMostNs === undefined) return rows;
  const figure = subject.figure();
  const reached = figure.median <= atMostNs.limit;
  return [{ work, subject: figure, control: null, ratio: null, goal: atMostNs.words, reached, digest }, ...rows];
}

/** The rows of these comparisons; in a smoke run only their digests. */
export function compare(comparisons: readonly Comparison[], { smoke, rounds }: Effort): Row[] {
  return comparisons.flatMap((comparison): Row[] => {
    const digest = commonDigest(comparison);
    if (!smoke) return measured(comparison, digest, rounds);
    const { work } = comparison;
    return [{ work, subject: null, control: null, ratio: null, goal: null, reached: null, digest }];
  });
}
