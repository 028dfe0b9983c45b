/**
 * What production's own results say of units and borrowings, added up. It knows no rules: whatever the rules are, units
 * that were confirmed are used, and what was lent is lent until its end, its return or its cancellation.
 */
import { Kind } from "../../ts/wire/kinds.js";
import type { Result } from "../../ts/wire/result.js";

/** What is lent. */
export interface Lent {
  readonly itemRef: number;
  readonly seats: number;
  /** calendar time up to and including which it is lent */
  readonly untilMs: number;
}

export class Ledger {
  /** units confirmed as consumed, by item reference: those of a module are its license's */
  readonly units = new Map<number, number>();
  readonly lent = new Map<number, Lent>();
  calendarMs = 0;

  /** A batch begins. */
  begin(calendarMs: number): void {
    this.calendarMs = Math.max(this.calendarMs, calendarMs);
    for (const [handle, { untilMs }] of this.lent) if (untilMs < this.calendarMs) this.lent.delete(handle);
  }

  /** A request was executed for the first time, with success. */
  note(result: Result, asked: number): void {
    const { itemRef } = result;
    switch (result.kind) {
      case Kind.consume:
        this.units.set(itemRef, (this.units.get(itemRef) ?? 0) + asked);
        return;
      case Kind.borrow:
        this.lent.set(result.handle, { itemRef, seats: result.quantity, untilMs: result.validUntilMs });
        return;
      case Kind.returnBorrow:
      case Kind.cancelHandle:
        this.lent.delete(result.handle);
        return;
      default:
    }
  }
}
