/** What `tmr doctor` says about one thing that it looked at. */

export type Level = "ok" | "warning" | "problem";

/** One thing that was looked at. */
export interface Finding {
  readonly check: string;
  /** of what: a server, a license, a file */
  readonly where: string;
  readonly level: Level;
  readonly found: string;
  /** what to do: one sentence; empty when it is well */
  readonly advice: string;
  /** heading of docs/operations.md that says more; empty when it is well */
  readonly see: string;
}

/** A finding that needs nothing. */
export function well(check: string, where: string, found: string): Finding {
  return { check, where, level: "ok", found, advice: "", see: "" };
}
