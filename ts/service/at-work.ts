/** Whether a server that clients connect to does its work, as far as its own status shows. */
import { Progress } from "./progress.js";

/** What is looked at of a server's status. */
export interface ServingStatus {
  readonly role: string;
  readonly quorum: boolean;
  readonly position: number;
  readonly carried: number;
  readonly counters: Readonly<Record<string, number>>;
}

/** Longer than anything takes that has two upstreams: a slow disk makes them silent, and then there is no quorum. */
const PATIENCE_MS = 10_000;

/**
 * A function to be asked now and then: null, or why this server is to be started again. Requests may wait for long where an
 * upstream is missing, and that is no fault of this process; with a quorum, something has to come of them.
 */
export function atWork(status: () => ServingStatus, suspectMs: number, now: () => number): () => string | null {
  const progress = new Progress(PATIENCE_MS + 2 * suspectMs);
  return () => {
    const { role, quorum, position, carried, counters } = status();
    const waits = role === "active" && quorum && (position > carried || (counters["pending"] ?? 0) > 0);
    const stuckMs = progress.stuckMs({ waits, done: carried }, now());
    return stuckMs === null ? null : `requests wait for ${Math.round(stuckMs / 1000)} s though there is a quorum`;
  };
}
