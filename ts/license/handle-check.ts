/** Whether the handle rows of a snapshot can be what was written: every link and state, against the sessions. */

import { AccessMode } from "../wire/kinds.js";
import { HandleState, isLost, isOfSession, LAST_HANDLE_STATE, HandleRow as Row, takesSeats } from "./handle-row.js";
import type { HandleTable } from "./handles.js";
import { NONE } from "./records.js";
import { SessionRow, type SessionTable } from "./sessions.js";
import { malformed } from "./word-reader.js";
import { isSafeU64At } from "./words.js";

/** `free` has a 1 for each free slot. Returns how many slots are in use. Throws ERR_TMR_STORE. */
export function checkHandles(
  handles: HandleTable,
  sessions: SessionTable,
  rows: Uint32Array,
  free: Uint8Array,
  identities: ReadonlyMap<number, Buffer>,
): number {
  let ofSessions = 0;
  for (let session = 0; session < sessions.slots; session++) {
    if (sessions.isOpen(session)) ofSessions += checkSession(handles, sessions, rows, session);
  }
  let used = 0;
  let withoutSession = 0;
  for (let slot = 0; slot < handles.slots; slot++) {
    checkRow(handles, rows, slot);
    if (handles.state(slot) === HandleState.free) {
      if ((free[slot] === 1) !== handles.isUsable(slot))
        throw malformed(`handle slot ${slot} is neither held nor free`);
      continue;
    }
    if (free[slot] === 1) throw malformed("a free handle slot is held");
    if (!handles.isUsable(slot)) throw malformed(`handle slot ${slot}`);
    used += 1;
    if (isOfSession(handles.state(slot))) continue;
    if (handles.session(slot) !== NONE || !identities.has(slot)) throw malformed(`handle slot ${slot} is of nobody`);
    withoutSession += 1;
  }
  if (ofSessions + withoutSession !== used) throw malformed("a handle is of no session");
  if (withoutSession !== identities.size) throw malformed("names are of no handle");
  return used;
}

function checkRow(handles: HandleTable, rows: Uint32Array, slot: number): void {
  const at = slot * Row.size;
  const isSafe =
    isSafeU64At(rows, at + Row.generation) && isSafeU64At(rows, at + Row.since) && isSafeU64At(rows, at + Row.deadline);
  const state = handles.state(slot);
  if (!isSafe || state > LAST_HANDLE_STATE) throw malformed(`handle slot ${slot}`);
  if (state === HandleState.free) return;
  const mode = handles.mode(slot);
  const timed = state === HandleState.queued || state === HandleState.lingering;
  const isSound =
    mode >= AccessMode.userLimit &&
    mode <= AccessMode.noUserLimit &&
    timed === (handles.deadline(slot) !== 0) &&
    (state !== HandleState.borrowed || (mode === AccessMode.userLimit && handles.seats(slot) > 0)) &&
    (takesSeats(state) || handles.state(slot) === HandleState.queued || handles.seats(slot) === 0) &&
    (isLost(state) || mode === AccessMode.userLimit || handles.seats(slot) <= 1);
  if (!isSound) throw malformed(`handle slot ${slot}`);
}

/** The handles of a session, each behind the one before it; so none can come twice. Returns how many they are. */
function checkSession(handles: HandleTable, sessions: SessionTable, rows: Uint32Array, session: number): number {
  let count = 0;
  let before = NONE;
  for (let slot = handles.firstOf(session); slot !== NONE; slot = handles.nextOf(slot)) {
    const isThere = slot >= 0 && slot < handles.slots && isOfSession(handles.state(slot));
    const previous = ((rows[slot * Row.size + Row.previous] as number) ?? 0) | 0;
    if (!isThere || handles.session(slot) !== session || previous !== before) throw malformed(`handle slot ${slot}`);
    before = slot;
    count += 1;
  }
  const last = (sessions.words[session * SessionRow.size + SessionRow.lastHandle] as number) | 0;
  if (count !== handles.countOf(session) || before !== last) throw malformed(`the handles of session slot ${session}`);
  return count;
}
