/** What a checker may find, and how it says it. */
import type { OperationLine } from "./history.js";

export const violationKinds = [
  "over-allocated",
  "double-grant",
  "missed-grant",
  "missed-release",
  "refused-though-free",
  "license-missing",
  "wrong-quantity",
  "lost-handle",
  "held-after-release",
  "out-of-order",
  "not-released",
  "upstreams-differ",
  "process-died",
  "not-whole",
  "unfinished",
] as const;
export type ViolationKind = (typeof violationKinds)[number];

export interface Violation {
  readonly kind: ViolationKind;
  /** what was seen, when, by whom, and why that cannot be */
  readonly text: string;
}

export function seconds(ns: number): string {
  return `${(ns / 1e9).toFixed(3)} s`;
}

/** One operation in words. */
export function tell(line: OperationLine): string {
  const handle = line.arguments.handle === undefined ? "" : ` of handle ${line.arguments.handle}`;
  const until = line.returnNs === null ? "never returned" : `to ${seconds(line.returnNs)}`;
  return `${line.process} ${line.operation}${handle} ${line.license ?? ""} (${seconds(line.callNs)} ${until})`;
}
