/**
 * What must be true of seats, units and queues whatever the rules make of them, said apart from the rules: of the oracle
 * from batch to batch, since production answers as it does, and now and then of production's state itself, as a snapshot
 * gives it.
 */
import { HandleState, isLost } from "../../ts/license/handle-row.js";
import { LIMITS } from "../../ts/license/limits.js";
import type { Pool } from "../../ts/license/pool.js";
import { NONE } from "../../ts/license/records.js";
import { readSnapshot } from "../../ts/license/snapshot.js";
import { State } from "../../ts/license/state.js";
import { allRules } from "../../ts/wire/rules.js";
import { keyOf, type NaiveLicense, type NaiveNames, type NaiveRule } from "../support/naive-license.js";
import type { Ledger } from "./ledger.js";
import { genesis, ports, sha256 } from "./system.js";

/** What does not hold. */
export interface Broken {
  readonly invariant: string;
  readonly what: string;
}

/** How a license stands behind a batch. */
interface Standing {
  readonly quantity: number;
  readonly taken: number;
  /** seats by which a rule's limit is exceeded, over all rules */
  readonly over: number;
  /** taken seats and kept ones beyond the quantity */
  readonly short: number;
}

/** What the laws are about. */
export interface Judged {
  readonly license: NaiveLicense;
  readonly ledger: Ledger;
  /** production's state behind the same batches */
  readonly machine: { snapshot(): Uint8Array };
  readonly position: number;
  /** the handle's number in production */
  realHandle(oracle: number): number;
}

interface Row {
  readonly state: string;
  readonly seats: number;
  readonly mode: number;
  readonly turn: number;
  readonly names: NaiveNames;
  readonly license: string;
  /** its seats linger when it is released */
  readonly lingers: boolean;
}

/** Production's own state is looked at behind every so many batches. */
const LOOK_EVERY = 16;
const USER_LIMIT = 1;

const stateNames = new Map<number, string>([
  [HandleState.held, "held"],
  [HandleState.queued, "queued"],
  [HandleState.lingering, "lingering"],
  [HandleState.borrowed, "borrowed"],
  [HandleState.cancelled, "cancelled"],
  [HandleState.overdue, "overdue"],
  [HandleState.denied, "denied"],
  [HandleState.otherUser, "named-user"],
  [HandleState.featureGone, "feature-missing"],
  [HandleState.outdated, "runtime-too-old"],
  [HandleState.moduleGone, "module-gone"],
  [HandleState.tooMany, "quantity-lowered"],
  [HandleState.notLocal, "not-local"],
]);

export class SeatLaws {
  readonly #model: Judged;
  #standing = new Map<string, Standing>();
  #rows = new Map<number, Row>();
  #rules: readonly NaiveRule[] = [];
  #units = new Map<string, number>();

  constructor(model: Judged) {
    this.#model = model;
  }

  /** To be called behind each batch. */
  check(): Broken | null {
    const { license, ledger, position } = this.#model;
    const rows = rowsOf(license);
    const standing = standingOf(license);
    const broken =
      this.#seats(license, standing, rows) ?? this.#queue(license, rows) ?? this.#counters(license) ?? this.#lent();
    this.#rows = rows;
    this.#standing = standing;
    this.#rules = license.rules;
    this.#units = new Map(license.unitsUsed);
    if (broken !== null || position % LOOK_EVERY !== 0) return broken;
    return lookInto(this.#model.machine.snapshot(), this.#model, ledger.units);
  }

  /** More than there is, more than a rule allows, or what a rule keeps for others: never taken, only left behind. */
  #seats(
    license: NaiveLicense,
    standing: ReadonlyMap<string, Standing>,
    rows: ReadonlyMap<number, Row>,
  ): Broken | null {
    const sameRules = this.#rules === license.rules;
    for (const [key, now] of standing) {
      // Of what was not shown nobody knows how it stood.
      const before = this.#standing.get(key);
      if (before === undefined) continue;
      if (now.taken > Math.max(now.quantity, before.quantity) && now.taken > before.taken) {
        return { invariant: "Q1", what: `${now.taken} of ${now.quantity} seats of ${key} are taken` };
      }
      // A station's seat passes on, and a user's lingering seat to where he is now: then another rule counts it.
      if (!sameRules || before.quantity !== now.quantity || this.#passedOn(rows, key)) continue;
      if (now.over > before.over)
        return { invariant: "Q2", what: `a limit of ${key} is exceeded by ${now.over} seats` };
      if (now.short > before.short) {
        return { invariant: "Q3", what: `${now.short - before.short} reserved seats of ${key} were given to others` };
      }
    }
    return null;
  }

  #passedOn(rows: ReadonlyMap<number, Row>, key: string): boolean {
    for (const [number, before] of this.#rows) {
      if (before.license !== key) continue;
      const now = rows.get(number);
      if (before.state === "held" && now?.state === "held" && now.seats > before.seats) return true;
      // What is released and lingers may be taken again in the same batch.
      if (before.lingers && before.seats > (now?.seats ?? 0)) return true;
    }
    return false;
  }

  /** Who asked earlier, for no more and under the same rule, is not passed by. */
  #queue(license: NaiveLicense, rows: ReadonlyMap<number, Row>): Broken | null {
    if (this.#rules !== license.rules) return null;
    for (const [number, waiting] of rows) {
      const before = this.#rows.get(number);
      if (waiting.state !== "queued" || before?.state !== "queued" || waiting.mode !== USER_LIMIT) continue;
      for (const [other, row] of rows) {
        const was = this.#rows.get(other);
        if (row.state !== "held" || row.license !== waiting.license || row.mode !== USER_LIMIT) continue;
        const isServed = was?.state === "queued" ? was.turn > before.turn : was === undefined;
        if (isServed && row.seats >= waiting.seats && this.#areAlike(license, number, other)) {
          return {
            invariant: "Q4",
            what: `handle ${other} of ${row.license} was served before ${number}, which waits longer`,
          };
        }
      }
    }
    return null;
  }

  /** Nothing but their places in the queue tells two handles apart. */
  #areAlike(license: NaiveLicense, a: number, b: number): boolean {
    const [one, other] = [license.handles.get(a), license.handles.get(b)];
    if (one === undefined || other === undefined) return false;
    const { terms, names, featureMap } = one;
    const isSameUser = names.user === other.names.user && names.user !== "";
    const isForUsers = terms.lingerSeconds !== undefined || terms.namedUser !== undefined;
    return (
      featureMap === other.featureMap &&
      (isSameUser || !isForUsers) &&
      license.ruleOf(names, terms) === license.ruleOf(other.names, terms)
    );
  }

  /** Units are used once and for all, never more than there are, and by nobody but consumptions. */
  #counters(license: NaiveLicense): Broken | null {
    for (const [key, before] of this.#units) {
      const used = license.unitsUsed.get(key) ?? 0;
      if (used < before) return { invariant: "U1", what: `${before} units of ${key} were used, ${used} now` };
    }
    for (const [key, used] of license.unitsUsed) {
      const before = this.#units.get(key) ?? 0;
      const terms = license.items.find((item) => keyOf(item.terms) === key)?.terms;
      if (terms !== undefined && used > before && used > (terms.unitCounter ?? 0)) {
        return { invariant: "U1", what: `${used} units of ${key} are used, there are ${terms.unitCounter}` };
      }
    }
    return null;
  }

  /** What was lent is lent until it ends, is returned, or is called back. */
  #lent(): Broken | null {
    const { ledger, license } = this.#model;
    const borrowed = new Map(
      [...license.handles.values()]
        .filter(({ state }) => state === "borrowed")
        .map(({ number, seats }) => [this.#model.realHandle(number), seats]),
    );
    for (const [handle, { seats }] of ledger.lent) {
      if (borrowed.get(handle) !== seats) return { invariant: "B1", what: `what handle ${handle} borrowed is gone` };
    }
    if (borrowed.size === ledger.lent.size) return null;
    return { invariant: "B1", what: `${borrowed.size} handles are borrowed, ${ledger.lent.size} should be` };
  }
}

/** Production's state behind a snapshot and back: it counts what its handles take, and as the oracle does. */
function lookInto(snapshot: Uint8Array, model: Judged, units: ReadonlyMap<number, number>): Broken | null {
  const state = new State(genesis, ports, LIMITS, allRules);
  readSnapshot(snapshot, state, sha256);
  const fault = faultInHandles(state, model) ?? faultInPools(state, model, units);
  return fault === null ? null : { invariant: "S7", what: fault };
}

function faultInHandles(state: State, model: Judged): string | null {
  const { handles, borrowings } = state;
  const expected = new Map([...model.license.handles.values()].map((row) => [model.realHandle(row.number), row]));
  if (expected.size !== handles.size) return `there are ${handles.size} handles, not ${expected.size}`;
  for (let slot = 0; slot < handles.slots; slot++) {
    if (handles.state(slot) === HandleState.free) continue;
    const handle = handles.handle(slot);
    const row = expected.get(handle);
    const what = `${stateNames.get(handles.state(slot))} with ${handles.seats(slot)} seats until ${borrowings.get(slot)?.untilMs}`;
    const wanted = `${row?.state} with ${row?.seats} seats until ${row?.borrowing?.untilMs}`;
    if (what !== wanted) return `handle ${handle} is ${what}, not ${wanted}`;
  }
  return null;
}

function faultInPools(state: State, model: Judged, units: ReadonlyMap<number, number>): string | null {
  for (const pool of state.container.pools()) {
    const { firmCode, productCode, tmrId, actId } = pool.key;
    const key = JSON.stringify([firmCode, productCode, tmrId, actId]);
    const license = `${productCode}:${tmrId}`;
    const taken = takenOf(state, pool);
    if (taken.used !== pool.used || taken.lingering !== pool.lingering || pool.used < 0 || pool.lingering < 0) {
      return `${license} counts ${pool.used} used and ${pool.lingering} lingering; its handles take ${taken.used} and ${taken.lingering}`;
    }
    const used = pool.memory.unitsUsed;
    if (used !== (units.get(tmrId) ?? 0))
      return `${used} units of ${license} are used; ${units.get(tmrId)} were confirmed`;
    const waiting: number[] = [];
    for (let slot = pool.waiting.first; slot !== NONE; slot = state.handles.nextPeer(slot)) {
      waiting.push(state.handles.handle(slot));
    }
    const expected = [...model.license.handles.values()]
      .filter(({ state: what, terms }) => what === "queued" && keyOf(terms) === key)
      .sort((a, b) => a.turn - b.turn)
      .map(({ number }) => model.realHandle(number));
    if (waiting.join() !== expected.join()) return `${waiting.join()} wait for ${license}, not ${expected.join()}`;
  }
  return null;
}

function takenOf({ handles }: State, pool: Pool): { used: number; lingering: number } {
  const taken = { used: 0, lingering: 0 };
  for (let slot = 0; slot < handles.slots; slot++) {
    const state = handles.state(slot);
    if (state === HandleState.free || isLost(state) || handles.pool(slot) !== pool.id) continue;
    if (state === HandleState.lingering) taken.lingering += handles.seats(slot);
    else if (state !== HandleState.queued) taken.used += handles.seats(slot);
  }
  return taken;
}

function rowsOf(license: NaiveLicense): Map<number, Row> {
  return new Map(
    [...license.handles.values()].map(({ number, state, seats, mode, turn, names, terms }) => [
      number,
      { state, seats, mode, turn, names, license: keyOf(terms), lingers: terms.lingerSeconds !== undefined },
    ]),
  );
}

function standingOf(license: NaiveLicense): Map<string, Standing> {
  const standing = new Map<string, Standing>();
  for (const { terms } of license.items) {
    const taken = license.used(terms) + license.lingering(terms);
    let over = 0;
    let kept = 0;
    for (const rule of license.rulesAt(terms)) {
      const { reserved = 0, limit = 0 } = rule;
      if (reserved === 0 && limit === 0) continue;
      const own = license.takenBy(terms, rule);
      if (limit > 0) over += Math.max(0, own - limit);
      kept += Math.max(0, reserved - own);
    }
    const { quantity } = terms;
    standing.set(keyOf(terms), { quantity, taken, over, short: Math.max(0, taken + kept - quantity) });
  }
  return standing;
}
