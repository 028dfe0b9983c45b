/** What a bench is: a claim that a run can disprove, and the figures that it gives. */

/** Work that is ready to be done any number of times. */
export interface Prepared {
  /** Does the work once. */
  run(): void;
  /**
   * What the last run produced, as bytes. Equal for the subject and its controls, so that a bench which does nothing, or
   * less than its control, is found out.
   */
  output(): Uint8Array;
}

/** One way to do the work. */
export interface Case {
  readonly name: string;
  /** how many of what the figures are given for one run does */
  readonly operations: number;
  prepare(): Prepared;
}

/** What a figure has to be. `speed`: how many times as fast as the control; `cost`: how many times as costly. */
export type Goal =
  | { readonly kind: "speed"; readonly atLeast: number; readonly words: string }
  | { readonly kind: "cost"; readonly atMost: number; readonly words: string };

/** The same work done by the subject and by one control. */
export interface Control extends Case {
  readonly goal?: Goal;
  /** how the ratio is told when there is no goal */
  readonly told?: "speed" | "cost";
}

/** A subject, what it is compared with, and in what work. */
export interface Comparison {
  readonly work: string;
  readonly subject: Case;
  readonly controls: readonly Control[];
  /** what one operation may take, ns */
  readonly atMostNs?: { readonly limit: number; readonly words: string };
}

/** A figure with the spread of its rounds: first and third quartile around the median. */
export interface Figure {
  readonly name: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly unit: "ns" | "instructions";
}

/** One line of the table. Without figures in a smoke run. */
export interface Row {
  readonly work: string;
  readonly subject: Figure | null;
  readonly control: Figure | null;
  /** subject to control, as the goal asks for it */
  readonly ratio: { readonly kind: "speed" | "cost"; readonly median: number; low: number; high: number } | null;
  readonly goal: string | null;
  readonly reached: boolean | null;
  /** SHA-256 of what was produced */
  readonly digest: string;
  /** why there are no figures */
  readonly missing?: string;
}

export interface Effort {
  /** only checks the digests, with little input */
  readonly smoke: boolean;
  readonly rounds: number;
}

/** One file of this folder. */
export interface Bench {
  readonly name: string;
  readonly claim: string;
  /** the naive form, or the limit */
  readonly control: string;
  /** what a run would have to show for the claim to be wrong */
  readonly disproof: string;
  measure(effort: Effort): readonly Row[];
}
