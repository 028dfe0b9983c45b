/**
 * Seats as clients know them. Each access gives two intervals: one in which its seats are taken for certain, from the
 * grant's return to the call of its release or the end of its lease, and one in which they may be taken, from the
 * access's call to its release's return. What a license is said to use at some moment of an operation lies between the
 * certain seats of the whole operation and the possible seats of any part of it.
 */
import type { LicenseName, OperationLine, RunLine } from "./history.js";
import type { Lease } from "./leases.js";
import { seconds, type Violation } from "./violation.js";

interface Seats {
  readonly access: OperationLine;
  readonly handle: number | null;
  readonly quantity: number;
  /** empty (from > until) when it is not known that it was granted */
  readonly certain: { readonly fromNs: number; readonly untilNs: number };
  readonly possibleFromNs: number;
  possibleUntilNs: number;
}

/** Seats in use as one answer says it. */
interface Observation {
  readonly line: OperationLine;
  readonly fromNs: number;
  readonly untilNs: number;
  readonly atLeast: number;
  readonly atMost: number;
}

const NEVER = Number.POSITIVE_INFINITY;

/** Over-allocation, double grants, and every answer about seats against what was acknowledged before. */
export function checkSeats(
  run: RunLine,
  operations: readonly OperationLine[],
  leases: ReadonlyMap<string, Lease>,
): Violation[] {
  const { releases, closes } = endsOf(operations);
  const violations = doubleGrants(operations);
  for (const { license, quantity } of run.licenses) {
    const accesses = operations.filter((line) => line.operation === "access" && line.license === license);
    const seats = accesses.flatMap((access) => seatsOf(access, leases, releases, closes));
    violations.push(...overAllocated(license, quantity, seats));
    violations.push(...wrongQuantities(license, quantity, operations));
    violations.push(...misreported(seats, observationsOf(license, quantity, operations)));
  }
  return violations;
}

function endsOf(operations: readonly OperationLine[]) {
  const releases = new Map<string, OperationLine>();
  const closes = new Map<string, OperationLine>();
  for (const line of operations) {
    if (line.operation === "release") releases.set(holding(line.process, line.arguments.handle), line);
    if (line.operation === "close") closes.set(line.session, line);
  }
  return { releases, closes };
}

/** A handle as one process holds it: a handle that was given twice is two. */
function holding(process: string, handle: number | undefined): string {
  return `${process} ${handle}`;
}

function seatsOf(
  access: OperationLine,
  leases: ReadonlyMap<string, Lease>,
  releases: ReadonlyMap<string, OperationLine>,
  closes: ReadonlyMap<string, OperationLine>,
): Seats[] {
  const quantity = access.arguments.quantity ?? 1;
  const { result } = access;
  const none = { fromNs: NEVER, untilNs: 0 };
  if (result === "unknown" || "error" in result) {
    return [{ access, handle: null, quantity, certain: none, possibleFromNs: access.callNs, possibleUntilNs: NEVER }];
  }
  if ("refused" in result) return [];
  const handle = result.ok.handle ?? 0;
  const release = releases.get(holding(access.process, handle));
  const close = closes.get(access.session);
  const leaseNs = leases.get(access.session)?.untilNs ?? access.callNs;
  const acknowledged = release !== undefined && release.result !== "unknown" && "ok" in release.result;
  return [
    {
      access,
      handle,
      quantity,
      certain: {
        fromNs: access.returnNs ?? NEVER,
        untilNs: Math.min(release?.callNs ?? NEVER, close?.callNs ?? NEVER, leaseNs),
      },
      possibleFromNs: access.callNs,
      possibleUntilNs: acknowledged ? (release.returnNs ?? NEVER) : NEVER,
    },
  ];
}

function doubleGrants(operations: readonly OperationLine[]): Violation[] {
  const first = new Map<number, OperationLine>();
  return operations.flatMap((line) => {
    if (line.operation !== "access" || line.result === "unknown" || !("ok" in line.result)) return [];
    const handle = line.result.ok.handle ?? 0;
    const before = first.get(handle);
    first.set(handle, line);
    if (before === undefined) return [];
    const text = `handle ${handle} was granted to ${before.process} at ${at(before)} and to ${line.process} at ${at(line)}`;
    return [{ kind: "double-grant" as const, text }];
  });
}

function at(line: OperationLine): string {
  return seconds(line.returnNs ?? line.callNs);
}

/** One violation per license: the first moment at which more seats than there are were taken for certain. */
function overAllocated(license: LicenseName, quantity: number, seats: readonly Seats[]): Violation[] {
  const changes = seats.flatMap((one) =>
    one.certain.fromNs < one.certain.untilNs
      ? [
          { ns: one.certain.fromNs, by: one.quantity, one },
          { ns: one.certain.untilNs, by: -one.quantity, one },
        ]
      : [],
  );
  changes.sort((a, b) => a.ns - b.ns || a.by - b.by);
  const held = new Set<Seats>();
  let taken = 0;
  for (const { ns, by, one } of changes) {
    taken += by;
    if (by > 0) held.add(one);
    else held.delete(one);
    if (taken <= quantity) continue;
    const holders = [...held].map((holder) => `${holder.access.process} (handle ${holder.handle}, ${holder.quantity})`);
    const text = `${taken} of ${quantity} seats of ${license} are held at ${seconds(ns)}: ${holders.join(", ")}`;
    return [{ kind: "over-allocated", text }];
  }
  return [];
}

function wrongQuantities(license: LicenseName, quantity: number, operations: readonly OperationLine[]): Violation[] {
  return operations.flatMap((line): Violation[] => {
    if (line.result === "unknown" || !("ok" in line.result)) return [];
    const { total, items } = line.result.ok;
    if (items !== undefined) {
      const item = items.find((candidate) => candidate.license === license);
      if (item === undefined) {
        return [
          { kind: "license-missing" as const, text: `${line.process} at ${at(line)}: the list lacks ${license}` },
        ];
      }
      if (item.quantity === quantity) return [];
    } else if (line.license !== license || total === undefined || total === quantity) return [];
    const text = `${line.process} at ${at(line)}: ${license} is said to have another quantity than ${quantity}`;
    return [{ kind: "wrong-quantity" as const, text }];
  });
}

function observationsOf(license: LicenseName, total: number, operations: readonly OperationLine[]): Observation[] {
  return operations.flatMap((line): Observation[] => {
    const { result, callNs: fromNs, returnNs: untilNs } = line;
    if (untilNs === null || result === "unknown" || "error" in result) return [];
    const during = { line, fromNs, untilNs };
    if ("refused" in result) {
      if (line.license !== license || result.refused !== "no-free-license") return [];
      return [{ ...during, atLeast: total - (line.arguments.quantity ?? 1) + 1, atMost: NEVER }];
    }
    const listed = result.ok.items?.find((item) => item.license === license);
    if (listed !== undefined) return [{ ...during, atLeast: listed.used, atMost: listed.used }];
    if (line.license !== license || result.ok.free === undefined) return [];
    const used = total - result.ok.free;
    return [{ ...during, atLeast: used, atMost: used }];
  });
}

function misreported(seats: readonly Seats[], observations: readonly Observation[]): Violation[] {
  const waiting = seats.toSorted((a, b) => a.possibleFromNs - b.possibleFromNs);
  const violations: Violation[] = [];
  let open: Seats[] = [];
  let next = 0;
  for (const seen of observations.toSorted((a, b) => a.fromNs - b.fromNs)) {
    open = open.filter((one) => one.possibleUntilNs >= seen.fromNs);
    for (let one = waiting[next]; one !== undefined && one.possibleFromNs <= seen.untilNs; one = waiting[++next]) {
      open.push(one);
    }
    const during = open.filter((one) => one.possibleFromNs <= seen.untilNs);
    const possible = sum(during);
    const certain = sum(during.filter((one) => isCertain(one, seen)));
    const violation = judge(seen, certain, possible);
    if (violation !== null) violations.push(violation);
    dropGone(during, seen, certain);
  }
  return violations;
}

/** Taken during all of the operation; what the operation itself was granted counts in its own answer. */
function isCertain(one: Seats, seen: Observation): boolean {
  if (one.access === seen.line) return true;
  return one.certain.fromNs <= seen.fromNs && one.certain.untilNs >= seen.untilNs;
}

function judge(seen: Observation, certain: number, possible: number): Violation | null {
  const { line, atLeast, atMost } = seen;
  const who = `${line.process} ${line.operation} returned at ${at(line)}`;
  if (atMost < certain) {
    return {
      kind: "missed-grant",
      text: `${who}: ${atMost} seats in use, but ${certain} were granted before and held`,
    };
  }
  if (atLeast <= possible) return null;
  if (atMost === NEVER) {
    const text = `${who}: no-free-license, which takes ${atLeast} in use, but at most ${possible} can be`;
    return { kind: "refused-though-free", text };
  }
  return { kind: "missed-release", text: `${who}: ${atLeast} seats in use, but at most ${possible} can be` };
}

/**
 * A handle whose client is gone is in use until its session times out, which nobody sees. But an answer with no room
 * for it beside the certain ones shows that it is gone, and it does not come back.
 */
function dropGone(during: readonly Seats[], seen: Observation, certain: number): void {
  const room = seen.atMost - certain;
  for (const one of during) {
    if (one.possibleUntilNs !== NEVER || one.handle === null || isCertain(one, seen)) continue;
    if (one.certain.fromNs <= seen.fromNs && one.quantity > room) one.possibleUntilNs = seen.untilNs;
  }
}

function sum(seats: readonly Seats[]): number {
  return seats.reduce((total, { quantity }) => total + quantity, 0);
}
