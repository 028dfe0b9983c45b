/**
 * Does a history of real processes keep the promises of docs/protocol.md? A pure function over its lines. Every check is
 * sound: it reports only what no correct system could have answered, whatever happened between a call and its return.
 */
import type { EndLine, EventLine, HistoryLine, OperationLine, RunLine } from "./history.js";
import { type Lease, leasesOf } from "./leases.js";
import { checkSeats } from "./seats.js";
import { seconds, tell, type Violation } from "./violation.js";

export interface ClientError {
  readonly process: string;
  readonly operation: string;
  readonly atNs: number;
  readonly text: string;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /** answers that a program would see as a failure of the service; the client library must hide every fault */
  readonly errors: readonly ClientError[];
  /** handles lost after their lease had run out unanswered: allowed, and said */
  readonly lostAfterLease: number;
}

/** Checks one history, which begins with its `run` line. */
export function checkHistory(lines: readonly HistoryLine[]): Verdict {
  const run = lines[0];
  if (run?.type !== "run") throw new Error("a history begins with its run line");
  const operations = lines.filter((line) => line.type === "operation");
  const events = lines.filter((line) => line.type === "event");
  for (const line of operations) checkShape(line, run);
  const leases = leasesOf(operations, run.sessionTimeoutMs);
  const lost = lostHandles(operations, leases);
  const violations = [
    ...checkSeats(run, operations, leases),
    ...lost.violations,
    ...heldAfterRelease(operations),
    ...outOfOrder(operations),
    ...processEvents(events),
    ...checkEnd(lines.find((line) => line.type === "end")),
  ];
  return { violations, errors: clientErrors(operations, lost.allowed), lostAfterLease: lost.allowed.size };
}

function checkShape(line: OperationLine, run: RunLine): void {
  if (line.returnNs !== null && line.returnNs < line.callNs) throw new Error(`${tell(line)}: returned before its call`);
  if (line.license !== null && !run.licenses.some(({ license }) => license === line.license)) {
    throw new Error(`${tell(line)}: the run line does not name this license`);
  }
}

/** Handles that were reported lost, although the client's lease said that they were held. */
function lostHandles(
  operations: readonly OperationLine[],
  leases: ReadonlyMap<string, Lease>,
): { violations: Violation[]; allowed: Set<OperationLine> } {
  const allowed = new Set<OperationLine>();
  const violations: Violation[] = [];
  const released = new Set(
    operations.filter(({ operation }) => operation === "release").map((line) => line.arguments.handle),
  );
  for (const line of operations) {
    if (line.operation !== "info" || line.result === "unknown" || !("refused" in line.result)) continue;
    if (line.result.refused !== "handle-unknown" && line.result.refused !== "handle-lost") continue;
    const { handle } = line.arguments;
    if (releasedBefore(operations, released, line)) continue;
    const lease = leases.get(sessionOfHandle(operations, handle) ?? "");
    if (lease === undefined || (line.returnNs ?? 0) > lease.untilNs) {
      allowed.add(line);
    } else {
      const text = `${tell(line)}: ${line.result.refused}, although its lease holds until ${seconds(lease.untilNs)}`;
      violations.push({ kind: "lost-handle", text });
    }
  }
  return { violations, allowed };
}

function releasedBefore(
  operations: readonly OperationLine[],
  released: ReadonlySet<number | undefined>,
  line: OperationLine,
): boolean {
  const { handle } = line.arguments;
  if (!released.has(handle)) return false;
  return operations.some(
    (other) =>
      other.operation === "release" &&
      other.arguments.handle === handle &&
      other.callNs < (line.returnNs ?? Number.POSITIVE_INFINITY),
  );
}

function sessionOfHandle(operations: readonly OperationLine[], handle: number | undefined): string | undefined {
  return operations.find(
    ({ operation, result }) =>
      operation === "access" && result !== "unknown" && "ok" in result && result.ok.handle === handle,
  )?.session;
}

/** A handle that still answers after its release was acknowledged. */
function heldAfterRelease(operations: readonly OperationLine[]): Violation[] {
  const releasedAtNs = new Map<number, number>();
  for (const { operation, result, arguments: given, returnNs } of operations) {
    if (operation !== "release" || result === "unknown" || !("ok" in result) || given.handle === undefined) continue;
    releasedAtNs.set(given.handle, returnNs ?? Number.POSITIVE_INFINITY);
  }
  return operations.flatMap((line) => {
    if (line.operation !== "info" || line.result === "unknown" || !("ok" in line.result)) return [];
    const atNs = releasedAtNs.get(line.arguments.handle ?? -1) ?? Number.POSITIVE_INFINITY;
    if (atNs >= line.callNs) return [];
    const text = `${tell(line)}: still held, although its release had returned at ${seconds(atNs)}`;
    return [{ kind: "held-after-release" as const, text }];
  });
}

/** What returned before another call began stands at a lower position than that one's answer. */
function outOfOrder(operations: readonly OperationLine[]): Violation[] {
  const answered = operations.filter((line) => line.position !== null && line.returnNs !== null);
  const byReturn = answered.toSorted((a, b) => (a.returnNs ?? 0) - (b.returnNs ?? 0));
  const violations: Violation[] = [];
  let next = 0;
  let highest: OperationLine | undefined;
  for (const line of answered.toSorted((a, b) => a.callNs - b.callNs)) {
    for (let before = byReturn[next]; before !== undefined && (before.returnNs ?? 0) < line.callNs; ) {
      if ((before.position ?? 0) > (highest?.position ?? -1)) highest = before;
      before = byReturn[++next];
    }
    if (highest === undefined || (highest.position ?? 0) < (line.position ?? 0)) continue;
    const text = `${tell(line)} is at position ${line.position}, but ${tell(highest)} before it at ${highest.position}`;
    violations.push({ kind: "out-of-order", text });
  }
  return violations;
}

function processEvents(events: readonly EventLine[]): Violation[] {
  return events.flatMap(({ event, process, atNs, detail }) => {
    const kind = event === "died" ? "process-died" : event === "not-whole" ? "not-whole" : null;
    return kind === null ? [] : [{ kind, text: `${process} at ${seconds(atNs)}: ${detail ?? event}` }];
  });
}

function checkEnd(end: EndLine | undefined): Violation[] {
  if (end === undefined) return [{ kind: "unfinished", text: "there is no end line" }];
  const violations: Violation[] = end.items
    .filter(({ used }) => used !== 0)
    .map(({ license, used }) => ({ kind: "not-released", text: `${used} seats of ${license} are in use at the end` }));
  const states = new Set(
    end.upstreams.map(({ position, digest, stateDigest }) => [position, digest, stateDigest].join(" ")),
  );
  if (end.upstreams.length !== 3 || states.size !== 1) {
    const list = end.upstreams
      .map(({ id, position, digest }) => `${id}: ${position} ${digest.slice(0, 16)}`)
      .join(", ");
    violations.push({ kind: "upstreams-differ", text: `at the end the three upstreams are at ${list}` });
  }
  return violations;
}

/** Refusals that are part of the workload: a full license, and a handle asked about after its release or its loss. */
function clientErrors(operations: readonly OperationLine[], allowed: ReadonlySet<OperationLine>): ClientError[] {
  return operations.flatMap((line) => {
    const { result, process, operation } = line;
    if (result === "unknown" || "ok" in result) return [];
    const atNs = line.returnNs ?? line.callNs;
    if ("error" in result)
      return [{ process, operation, atNs, text: `${tell(line)}: ${result.error}: ${result.text}` }];
    if (operation === "access" && result.refused === "no-free-license") return [];
    // Either the handle was released before, or it is reported as a violation, or its loss is allowed and counted.
    if (operation === "info" && (/^handle-(?:unknown|lost)$/.test(result.refused) || allowed.has(line))) return [];
    return [{ process, operation, atNs, text: `${tell(line)}: refused: ${result.refused}: ${result.text}` }];
  });
}
