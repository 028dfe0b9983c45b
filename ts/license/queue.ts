/**
 * Grants to those who wait: at the end of every operation that gave seats back, and at the beginning of every batch for
 * what time, another statement or an upstream that is back made possible.
 */
import { AccessMode, Status } from "../wire/kinds.js";
import { judge, type Moment } from "./access.js";
import { noteUse } from "./options.js";
import type { Item, Pool } from "./pool.js";
import { NONE } from "./records.js";
import { Ahead, Asker, countedNumber, decide, judgeSeats, SeatAnswer, seatsNeeded } from "./seats.js";
import type { State } from "./state.js";

/** Lets those who wait have the seats that were given back since the last call. */
export function settleFreed(state: State, reached: number): void {
  const { freed } = state.seats;
  // A pool that is given back to meanwhile comes to the end again; many handles of one that end together are one.
  for (const pool of freed) {
    freed.delete(pool);
    settle(state, pool, reached);
  }
}

/** Looks at everybody who waits. */
export function settleAll(state: State, reached: number): void {
  state.seats.freed.clear();
  for (const pool of state.seats.awaited()) settle(state, pool, reached);
  settleFreed(state, reached);
}

/** First in, first out; who cannot have what he waits for keeps it from those behind him. */
function settle(state: State, pool: Pool, reached: number): void {
  if (pool.item === null || pool.waiting.size === 0) return;
  const moment: Moment = { calendarMs: state.calendarMs, reached };
  const ahead = new Ahead();
  const { handles } = state;
  for (let slot = pool.waiting.first; slot !== NONE; ) {
    const next = handles.nextPeer(slot);
    const item = state.itemOf(slot);
    if (item === null || !grantWaiting(state, item, slot, moment, ahead)) {
      ahead.add(state, pool, slot);
      if (!mayPass(state, pool)) return;
    }
    slot = next;
  }
}

/** Behind somebody who waits, seats can be had only by whom they linger or are kept for, or whose station has one. */
function mayPass(state: State, pool: Pool): boolean {
  return !state.accessList.isEmpty || pool.released.size > 0 || pool.sharesWaiting > 0;
}

function grantWaiting(state: State, item: Item, slot: number, moment: Moment, ahead: Ahead): boolean {
  const { handles } = state;
  const { firmCode, productCode } = item.pool.key;
  const mode = handles.mode(slot);
  const seats = handles.seats(slot);
  const wanted = {
    firmCode,
    productCode,
    itemRef: 0,
    featureMap: handles.featureMap(slot),
    seats,
    mode,
    releaseMs: -1,
  };
  const asker = new Asker(state, handles.session(slot));
  if (judge(item, wanted, moment, asker) !== Status.ok) return false;
  if (judgeSeats(state, asker, item, wanted, ahead) !== SeatAnswer.fits) return false;
  const { pool } = item;
  const taken = mode === AccessMode.stationShare ? seatsNeeded(state, asker, pool, wanted) : seats;
  if (pool.released.size > 0) state.giveUpLingering(pool, asker.party, taken);
  state.promote(slot, taken, countedNumber(decide(state, asker, pool)));
  if (item.isJudged) noteUse(state, item, asker);
  return true;
}
