/**
 * How long a session is certain to live, from what its client saw: a session that answered a request was alive until
 * then without a break, and lives at least its time-out past the moment that request was first sent, which is not
 * before its call. Heartbeats are not in a history, so the true lease may be longer; never shorter.
 */
import type { OperationLine } from "./history.js";

export interface Lease {
  /** the session is alive from its opening until here, unless its client closes it before */
  readonly untilNs: number;
}

/** The lease of each session that was answered at all. */
export function leasesOf(operations: readonly OperationLine[], sessionTimeoutMs: number): Map<string, Lease> {
  const leases = new Map<string, Lease>();
  for (const { session, result, callNs, operation } of operations) {
    if (result === "unknown" || "error" in result || operation === "close") continue;
    // What a session that is gone answers says nothing about its life.
    if ("refused" in result && result.refused === "handle-lost") continue;
    const untilNs = Math.max(callNs + sessionTimeoutMs * 1e6, leases.get(session)?.untilNs ?? 0);
    leases.set(session, { untilNs });
  }
  return leases;
}
