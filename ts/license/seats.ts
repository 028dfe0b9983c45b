/**
 * Whether somebody may take seats of an item now, and if not why (licensing.md sections 4 and 6). Seats are free for
 * him when nobody takes them, when they linger for him, or when a rule of the access list keeps them for him; and then
 * only when nobody who waits longer could take them.
 */
import { AccessMode, Status, type StatusCode } from "../wire/kinds.js";
import { isCounted, type NumberedRule, ruleText } from "./access-list.js";
import { isLoopback, type Party, readParty } from "./party.js";
import { freeSeats, type Item, type Pool, reservedSeats } from "./pool.js";
import { NONE } from "./records.js";
import type { State } from "./state.js";

/** Who asks for seats, taken apart when a rule asks. */
export class Asker {
  readonly #identity: Buffer;
  #party: Party | null = null;

  constructor(
    state: State,
    readonly session: number,
  ) {
    this.#identity = state.sessions.identity(session);
  }

  get party(): Party {
    this.#party ??= readParty(this.#identity);
    return this.#party;
  }
}

/** What is asked for. */
export interface SeatsWanted {
  readonly mode: number;
  /** 0 with no user limit */
  readonly seats: number;
}

/** An answer to it. */
export const SeatAnswer = {
  fits: 0,
  /** too few free seats */
  taken: 1,
  /** the free seats are spoken for by those who wait */
  awaited: 2,
  /** the program runs on this station already */
  running: 3,
  /** a rule of the access list forbids it */
  denied: 4,
  /** all whom the rule fits take as many seats as it allows */
  limited: 5,
  /** the license is for programs on the server's own machine */
  notLocal: 6,
} as const;
export type SeatAnswer = (typeof SeatAnswer)[keyof typeof SeatAnswer];

/** The status that a client is told. */
export function statusOf(answer: SeatAnswer): StatusCode {
  switch (answer) {
    case SeatAnswer.fits:
      return Status.ok;
    case SeatAnswer.taken:
    case SeatAnswer.awaited:
    case SeatAnswer.running:
      return Status["no-free-license"];
    default:
      return Status["access-list"];
  }
}

/**
 * Who waits before somebody. For seats that nobody keeps all wait; for those that a rule keeps, only whom that rule
 * decides about. Whoever is held back by his own rule's limit does not keep seats from others.
 */
export class Ahead {
  readonly #rules = new Set<number>();
  #isForAll = false;

  get isEmpty(): boolean {
    return this.#rules.size === 0;
  }

  add(state: State, pool: Pool, slot: number): void {
    const number = state.handles.rule(slot);
    this.#rules.add(number);
    if (this.#isForAll) return;
    const rule = state.accessList.rule(number);
    if (rule === undefined || !isOverLimit(pool, { rule, number }, state.handles.seats(slot))) this.#isForAll = true;
  }

  /** True when one of them waits for seats that this rule's own may take, or that all may. */
  wantsSame(rule: number, isOpenToAll: boolean): boolean {
    return this.#rules.has(rule) || (isOpenToAll && this.#isForAll);
  }
}

/** Judges an access; `ahead`: who waited before it, null = it is new and everybody who waits did. */
export function judgeSeats(
  state: State,
  asker: Asker,
  item: Item,
  wanted: SeatsWanted,
  ahead: Ahead | null = null,
): SeatAnswer {
  const { pool, terms } = item;
  if (terms.localOnly === true && !isOnServersHost(item, asker)) return SeatAnswer.notLocal;
  const decided = decide(state, asker, pool);
  if (decided?.rule.effect === "deny") return SeatAnswer.denied;
  if (wanted.mode === AccessMode.exclusive && ahead === null) {
    if (state.claims.isRunning(terms, asker.party, asker.session)) return SeatAnswer.running;
  }
  const seats = seatsNeeded(state, asker, pool, wanted);
  if (seats === 0) return SeatAnswer.fits;
  const rule = countedNumber(decided);
  const own = lingeringFor(state, asker, pool, seats, rule);
  const extra = seats - own.seats;
  if (decided !== null && isOverLimit(pool, decided, seats - own.ofRule)) return SeatAnswer.limited;
  const left = seatsLeft(pool);
  if (extra === 0) return left >= 0 ? SeatAnswer.fits : SeatAnswer.taken;
  const kept = keptFor(pool, decided);
  if (extra > left - (pool.reserved - kept)) return SeatAnswer.taken;
  const isAwaited = ahead === null ? isWaitedFor(state, pool, rule, extra > kept) : ahead.wantsSame(rule, extra > kept);
  return isAwaited ? SeatAnswer.awaited : SeatAnswer.fits;
}

/** Seats that nobody takes, kept or not; below 0 after the quantity was lowered. */
export function seatsLeft({ item, used, lingering }: Pool): number {
  return (item?.terms.quantity ?? 0) - used - lingering;
}

/** True while the answer to user limit and no user limit is a matter of free seats alone. */
export function isPlain(state: State, item: Item): boolean {
  const { pool } = item;
  return (
    pool.waiting.size === 0 && pool.released.size === 0 && state.accessList.isEmpty && item.terms.localOnly !== true
  );
}

/** Seats that an access would take: a station that shares one already takes no other. */
export function seatsNeeded(state: State, asker: Asker, pool: Pool, { mode, seats }: SeatsWanted): number {
  if (mode !== AccessMode.stationShare) return seats;
  return state.claims.share(pool, asker.party, asker.session) === undefined ? 1 : 0;
}

/** The rule that decides about somebody at a license, null = none. */
export function decide(state: State, asker: Asker, pool: Pool): NumberedRule | null {
  return state.accessList.isEmpty ? null : state.accessList.decide(asker.party, state.licenseName(pool));
}

/** The number that a handle keeps of the rule that counts its seats, 0 = none does. */
export function countedNumber(decided: NumberedRule | null): number {
  return decided !== null && isCounted(decided.rule) ? decided.number : 0;
}

/** Seats that a rule keeps and that nobody uses. */
function keptFor({ ruleSeats }: Pool, decided: NumberedRule | null): number {
  const reserved = decided?.rule.reserved ?? 0;
  return decided === null ? 0 : Math.max(0, reserved - (ruleSeats?.get(decided.number) ?? 0));
}

function isOverLimit({ ruleSeats }: Pool, { rule, number }: NumberedRule, more: number): boolean {
  const limit = rule.limit ?? 0;
  return limit > 0 && more > 0 && (ruleSeats?.get(number) ?? 0) + more > limit;
}

/** Of at most `most` seats those that linger for the same user, and how many of them the same rule counts. */
function lingeringFor(
  state: State,
  asker: Asker,
  pool: Pool,
  most: number,
  rule: number,
): { seats: number; ofRule: number } {
  let seats = 0;
  let ofRule = 0;
  if (pool.released.size > 0) {
    for (const slot of state.claims.lingering(pool, asker.party)) {
      const given = Math.min(most - seats, state.handles.seats(slot));
      seats += given;
      if (state.handles.rule(slot) === rule) ofRule += given;
      if (seats === most) break;
    }
  }
  return { seats, ofRule };
}

/** {@link Ahead.wantsSame} of all who wait. */
function isWaitedFor(state: State, pool: Pool, rule: number, isOpenToAll: boolean): boolean {
  const ahead = new Ahead();
  for (let slot = pool.waiting.first; slot !== NONE; slot = state.handles.nextPeer(slot)) {
    ahead.add(state, pool, slot);
    if (ahead.wantsSame(rule, isOpenToAll)) return true;
  }
  return false;
}

/**
 * A license of a TMR system is held by three servers, so no client's machine is the one that holds it. An ordinary one
 * is held by the server that the client talks to.
 */
export function isOnServersHost({ terms }: Item, asker: Asker): boolean {
  return terms.tmrId === 0 && isLoopback(asker.party.address);
}

/** Why seats are refused: the end of a sentence that begins with the license. */
export function seatSentence(state: State, asker: Asker, item: Item, wanted: SeatsWanted, answer: SeatAnswer): string {
  const { pool, terms } = item;
  const decided = decide(state, asker, pool);
  const rule = decided === null ? "" : ruleText(decided);
  switch (answer) {
    case SeatAnswer.notLocal:
      return " is for programs on the machine of its license server only.";
    case SeatAnswer.denied:
      return `: ${rule} of the access list denies it.`;
    case SeatAnswer.limited:
      return `: ${rule} of the access list allows ${decided?.rule.limit} seats, not ${wanted.seats} more.`;
    case SeatAnswer.running:
      return ": the program runs on this station already, and it is exclusive.";
    default: {
      const reserved = reservedSeats(item);
      const more = [
        ...(reserved > 0 ? [`${reserved} reserved`] : []),
        ...(pool.lingering > 0 ? [`${pool.lingering} lingering`] : []),
        ...(pool.waiting.size > 0 ? [`${pool.waiting.size} waiting`] : []),
      ];
      const others = more.length === 0 ? "" : `; ${more.join(", ")}`;
      return `: ${freeSeats(item)} of ${terms.quantity} seats are free, ${wanted.seats} asked for${others}.`;
    }
  }
}

/** The place of a handle that waits, 1 = the next. */
export function placeOf(state: State, slot: number): number {
  const { handles } = state;
  // As a rule it is asked for by whoever comes, last.
  if (handles.nextPeer(slot) === NONE) return state.container.pool(handles.pool(slot)).waiting.size;
  let place = 1;
  for (let before = handles.previousPeer(slot); before !== NONE; before = handles.previousPeer(before)) place += 1;
  return place;
}
