/**
 * The books on seats from the handles of a snapshot: who waits, lingers, shares and runs. Every link is checked: a
 * handle must be in the one list that its state says, and each list must have one beginning and no circle.
 */
import { AccessMode } from "../wire/kinds.js";
import type { Chain } from "./chain.js";
import { HandleState, isLost } from "./handle-row.js";
import { NONE } from "./records.js";
import type { State } from "./state.js";
import { malformed } from "./word-reader.js";

/** Sessions, handles and pools have been read; pools have counted nothing yet. Throws ERR_TMR_STORE. */
export function restoreSeats(state: State): void {
  const { handles, container, seats, accessList } = state;
  let listed = 0;
  for (let slot = 0; slot < handles.slots; slot++) {
    const what = handles.state(slot);
    if (what === HandleState.free) continue;
    if (!container.hasPool(handles.pool(slot))) throw malformed(`handle slot ${slot} is of no pool`);
    const pool = container.pool(handles.pool(slot));
    pool.handles += 1;
    if (what === HandleState.lingering) pool.lingering += handles.seats(slot);
    else if (what === HandleState.held || what === HandleState.borrowed) pool.used += handles.seats(slot);
    if (handles.rule(slot) !== 0 && accessList.rule(handles.rule(slot)) === undefined) {
      throw malformed(`handle slot ${slot} is counted by no rule`);
    }
    if (isRunning(state, slot)) {
      const party = seats.party(slot);
      const product = seats.product(slot);
      if (seats.claims.isRunning(product, party, handles.session(slot))) throw malformed("a program runs twice");
      seats.claims.addRunning(product, party, handles.session(slot));
    }
    if (isListed(state, slot)) listed += 1;
    else if (handles.nextPeer(slot) !== NONE || handles.previousPeer(slot) !== NONE) throw misplaced(slot);
  }
  for (let slot = 0; slot < handles.slots; slot++) {
    if (isListed(state, slot) && handles.previousPeer(slot) === NONE) listed -= restoreList(state, slot);
  }
  if (listed !== 0) throw malformed("handles are in no list");
  seats.restoreAccessList(accessList);
}

/** The list that begins with a handle. Returns how many are in it. */
function restoreList(state: State, first: number): number {
  const { handles } = state;
  const chain = listOf(state, first, true);
  if (chain === undefined || chain.size !== 0) throw misplaced(first);
  for (let slot = first, before = NONE; slot !== NONE; slot = handles.nextPeer(slot)) {
    const isThere = slot >= 0 && slot < handles.slots && isListed(state, slot);
    if (!isThere || handles.previousPeer(slot) !== before || listOf(state, slot, false) !== chain)
      throw misplaced(slot);
    if (handles.state(slot) === HandleState.held && handles.seats(slot) !== (slot === first ? 1 : 0))
      throw misplaced(slot);
    if (handles.state(slot) === HandleState.lingering) {
      state.claims.addLingering(state.container.pool(handles.pool(slot)), state.seats.party(slot), slot);
    }
    handles.link(chain, slot, handles.nextPeer(slot));
    if (handles.state(slot) === HandleState.queued) {
      state.seats.noteWaiting(state.container.pool(handles.pool(slot)), slot, 1);
    }
    before = slot;
  }
  return chain.size;
}

/** The list that a handle's state says it is in. */
function listOf(state: State, slot: number, isFirst: boolean): Chain | undefined {
  const { handles, claims, seats } = state;
  const pool = state.container.pool(handles.pool(slot));
  switch (handles.state(slot)) {
    case HandleState.queued:
      return pool.waiting;
    case HandleState.lingering:
      return pool.released;
    case HandleState.held: {
      const party = seats.party(slot);
      const known = claims.share(pool, party, handles.session(slot));
      return known === undefined && isFirst ? claims.addShare(pool, party, handles.session(slot)) : known;
    }
    default:
      return handles.lost;
  }
}

function isListed({ handles }: State, slot: number): boolean {
  const what = handles.state(slot);
  return (
    what === HandleState.queued ||
    what === HandleState.lingering ||
    isLost(what) ||
    (what === HandleState.held && handles.mode(slot) === AccessMode.stationShare)
  );
}

function isRunning({ handles }: State, slot: number): boolean {
  const what = handles.state(slot);
  return handles.mode(slot) === AccessMode.exclusive && (what === HandleState.held || what === HandleState.queued);
}

function misplaced(slot: number): Error {
  return malformed(`handle slot ${slot} is in a list where it cannot be`);
}
