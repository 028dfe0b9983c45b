/**
 * Grants to those who wait: at the end of every operation that gave seats back, and at the beginning of every batch for
 * what time or an upstream that is back made possible. Whoever can never be granted any more, because the license is
 * another one now, waits no more: he would keep it from those behind him.
 */
import { AccessMode, Status } from "../wire/kinds.js";
import { judge, type Moment } from "./access.js";
import { HandleState } from "./handle-row.js";
import { isUsable, noteUse } from "./options.js";
import type { Item, Pool } from "./pool.js";
import { NONE } from "./records.js";
import {
  Ahead,
  Asker,
  countedNumber,
  decide,
  isOnServersHost,
  judgeSeats,
  SeatAnswer,
  seatsLeft,
  seatsNeeded,
} from "./seats.js";
import type { State } from "./state.js";
import { isReached } from "./virtual-container.js";

/** Lets those who wait have the seats that were given back since the last call. */
export function settleFreed(state: State, reached: number): void {
  const { freed } = state.seats;
  // A pool that is given back to meanwhile comes to the end again; many handles of one that end together are one.
  for (const pool of freed) {
    freed.delete(pool);
    settle(state, pool, reached);
  }
}

/** Looks at everybody who waits, and whether he may still: licenses or rules are others. */
export function settleAll(state: State, reached: number): void {
  for (const pool of state.seats.awaited(() => true)) state.seats.review(pool);
  settleFreed(state, reached);
}

/** Looks at those who wait for licenses that can be used again, by time or by an upstream that is back. */
export function settleUsable(state: State, reached: number): void {
  const moment: Moment = { calendarMs: state.calendarMs, reached };
  const isUsableAgain = (pool: Pool): boolean => {
    if (canBeUsed(pool.item, moment)) return !pool.areJudged;
    pool.areJudged = false;
    return false;
  };
  for (const pool of state.seats.awaited(isUsableAgain)) state.seats.review(pool);
  settleFreed(state, reached);
}

function canBeUsed(item: Item | null, { calendarMs, reached }: Moment): boolean {
  return item !== null && isReached(item, reached) && isUsable(item, calendarMs);
}

/** First in, first out; who cannot have what he waits for keeps it from those behind him. */
function settle(state: State, pool: Pool, reached: number): void {
  if (pool.waiting.size === 0) return;
  const moment: Moment = { calendarMs: state.calendarMs, reached };
  if (!canBeUsed(pool.item, moment)) {
    pool.areJudged = false;
    return;
  }
  if (!pool.areJudged) {
    pool.areJudged = true;
    endHopeless(state, pool, moment);
  }
  const ahead = new Ahead();
  const { handles } = state;
  for (let slot = pool.waiting.first; slot !== NONE && canAnybody(state, pool, ahead); ) {
    const next = handles.nextPeer(slot);
    if (isBehind(state, pool, slot, ahead) || !grantWaiting(state, slot, moment, ahead)) ahead.add(state, pool, slot);
    slot = next;
  }
}

/** Ends the waiting of those who can never be granted by the license as it is. */
function endHopeless(state: State, pool: Pool, moment: Moment): void {
  for (let slot = pool.waiting.first; slot !== NONE; ) {
    const next = state.handles.nextPeer(slot);
    const why = whyHopeless(state, slot, moment);
    if (why !== null) state.lose(slot, why);
    slot = next;
  }
}

/** The {@link HandleState} that tells why a handle that waits can never be granted; null: it can. */
function whyHopeless(state: State, slot: number, moment: Moment): number | null {
  const item = state.itemOf(slot);
  if (item === null) return HandleState.moduleGone;
  const asker = new Asker(state, state.handles.session(slot));
  switch (judge(item, wantedBy(state, slot, item), moment, asker)) {
    case Status["runtime-too-old"]:
      return HandleState.outdated;
    case Status["named-user"]:
      return HandleState.otherUser;
    case Status["feature-missing"]:
      return HandleState.featureGone;
    default:
  }
  if (state.handles.seats(slot) > item.terms.quantity) return HandleState.tooMany;
  return item.terms.localOnly === true && !isOnServersHost(item, asker) ? HandleState.notLocal : null;
}

function wantedBy({ handles }: State, slot: number, { pool }: Item) {
  const { firmCode, productCode } = pool.key;
  return {
    firmCode,
    productCode,
    itemRef: 0,
    featureMap: handles.featureMap(slot),
    seats: handles.seats(slot),
    mode: handles.mode(slot),
    releaseMs: -1,
  };
}

/**
 * Behind somebody who waits, free seats can be had only by whom a rule keeps them for; without any, only by whom seats
 * linger for or whose station has one.
 */
function canAnybody(state: State, pool: Pool, ahead: Ahead): boolean {
  if (pool.comingBack > 0 || pool.sharesWaiting > 0) return true;
  return seatsLeft(pool) > 0 && (ahead.isEmpty || !state.accessList.isEmpty);
}

/** True when those ahead want the same seats, and no other could be had. */
function isBehind({ handles, claims }: State, pool: Pool, slot: number, ahead: Ahead): boolean {
  if (!ahead.wantsSame(handles.rule(slot), false)) return false;
  const isShare = handles.mode(slot) === AccessMode.stationShare;
  return (pool.comingBack === 0 && !isShare) || !claims.hasClaim(slot, isShare);
}

function grantWaiting(state: State, slot: number, moment: Moment, ahead: Ahead): boolean {
  const item = state.itemOf(slot);
  if (item === null) return false;
  const wanted = wantedBy(state, slot, item);
  const asker = new Asker(state, state.handles.session(slot));
  if (judge(item, wanted, moment, asker) !== Status.ok) return false;
  if (judgeSeats(state, asker, item, wanted, ahead) !== SeatAnswer.fits) return false;
  const { pool } = item;
  const isShare = wanted.mode === AccessMode.stationShare;
  const taken = isShare ? seatsNeeded(state, asker, pool, wanted) : wanted.seats;
  if (pool.released.size > 0) state.giveUpLingering(pool, asker.party, taken);
  state.promote(slot, taken, countedNumber(decide(state, asker, pool)));
  if (item.isJudged) noteUse(state, item, asker);
  return true;
}
