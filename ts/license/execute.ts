/**
 * One request of a client, in the order in which it is judged: is there such a session, was the request executed
 * before, does it fit the window of stored results; then what it asks for.
 */
import { Kind, Status } from "../wire/kinds.js";
import { access, describeHandle } from "./access.js";
import { borrow, returnBorrow } from "./borrow.js";
import type { Call } from "./call.js";
import { crypt } from "./crypt.js";
import { readData, writeUserData } from "./data.js";
import { HandleState, isLost } from "./handle-row.js";
import { itemInUse } from "./in-use.js";
import { MAX_SENTENCE_BYTES, RESULT_WINDOW } from "./limits.js";
import { type ListPart, listContainers, listHandles, listItems } from "./listing.js";
import { openSession, repeatEnded } from "./open-session.js";
import type { Item } from "./pool.js";
import { settleFreed } from "./queue.js";
import { trackAnswer } from "./tracked.js";
import { consume } from "./units.js";
import { RequestWord, ResultWord, u64At } from "./words.js";

/** Executes the request that `call` points at; its result is the current record of `call.out`. */
export function executeRequest(call: Call & { session: number }): void {
  const { words, out, request } = call;
  const key = call.at + RequestWord.session;
  if (request === 0 || !namesSession(words, key)) {
    out.refuse(Status["bad-request"], "A request names its session and has a number from 1.");
    return;
  }
  call.session = call.state.sessions.find(words, key);
  if (call.session !== -1) inSession(call);
  else if (call.kind === Kind.openSession) openSession(call);
  else repeatEnded(call);
}

function namesSession(words: Uint32Array, at: number): boolean {
  return words[at] !== 0 || words[at + 1] !== 0 || words[at + 2] !== 0 || words[at + 3] !== 0;
}

function inSession(call: Call): void {
  const { state, session, request, out } = call;
  state.touchSession(session);
  out.lease(state.sessions.timeoutMs(session));
  if (!isNumberInTurn(call)) return;
  const stored = state.results.find(session, request);
  if (stored !== -1 && state.rules.answersKept) {
    if (state.results.records.text(stored).length > MAX_SENTENCE_BYTES && !out.hasRoomForList) refuseForNow(call);
    else out.repeat(state.results.records, stored);
    return;
  }
  if (request >= state.sessions.answeredBelow(session) + RESULT_WINDOW) {
    refuseBeyondWindow(call);
  } else if (!isStored(call.kind)) {
    read(call);
  } else if (call.kind === Kind.closeSession) {
    closeSession(call);
  } else if (state.results.size >= state.limits.maxStoredResults) {
    out.refuse(Status.busy, "Too many answers wait to be acknowledged by their clients; ask again.");
  } else if (call.kind === Kind.borrow && !out.hasRoomForList) {
    // Before anything is stored: the client asks again with the same number.
    refuseForNow(call);
  } else {
    write(call);
    if (state.events.on) trackAnswer(call);
    state.storeResult(session, out.words, out.at, out.text());
  }
}

/** Notes which answers the client has. False: this request is below them, and refused. */
function isNumberInTurn(call: Call): boolean {
  const { state, session, request, out } = call;
  const claimed = u64At(call.words, call.at + RequestWord.answeredBelow);
  const answeredBelow = Math.max(claimed, state.sessions.answeredBelow(session));
  if (request < answeredBelow) {
    out.refuse(Status["stale-request"], `Request ${request} is below ${answeredBelow}, so the client was answered.`);
    return false;
  }
  state.raiseAnsweredBelow(session, claimed);
  return true;
}

/** False for kinds whose result is a function of the present state: they are executed anew when repeated. */
function isStored(kind: number): boolean {
  switch (kind) {
    case Kind.heartbeat:
    case Kind.info:
    case Kind.containers:
    case Kind.items:
    case Kind.handles:
    case Kind.crypt:
    case Kind.readData:
      return false;
    default:
      return true;
  }
}

function read(call: Call): void {
  const { state, out, words, at, reached } = call;
  const cursor = words[at + RequestWord.cursor] as number;
  switch (call.kind) {
    case Kind.info: {
      const handle = findAsked(call);
      if (handle !== -1) describeHandle(state, handle, out);
      return;
    }
    case Kind.containers:
      answerList(call, () => listContainers(state, cursor, reached));
      return;
    case Kind.items:
      answerList(call, () => listItems(state, cursor, reached));
      return;
    case Kind.handles:
      answerList(call, () => listHandles(state, cursor, words, at));
      return;
    case Kind.crypt:
      onHandle(call, crypt);
      return;
    case Kind.readData:
      onHandle(call, readData);
      return;
    default: // a heartbeat: keeping the session alive is all that it asks
  }
}

function write(call: Call): void {
  switch (call.kind) {
    case Kind.openSession: // again: it is the same session, with the time-out and names that it was opened with
      return;
    case Kind.access:
      access(call);
      return;
    case Kind.release:
      release(call);
      return;
    case Kind.consume:
      onHandle(call, consume);
      return;
    case Kind.borrow:
      borrow(call);
      return;
    case Kind.returnBorrow:
      returnBorrow(call);
      return;
    case Kind.writeUserData:
      onHandle(call, writeUserData);
      return;
    default:
      call.out.refuse(Status["bad-request"], `Requests of kind ${call.kind} are not known here.`);
  }
}

/** What is done with a license that is held, if it can be used now. */
function onHandle(call: Call, act: (call: Call, slot: number, item: Item) => void): void {
  const slot = findHandle(call);
  if (slot === -1) return;
  const item = itemInUse(call, slot);
  if (item !== null) act(call, slot, item);
}

/** Of a handle that waits: withdraws it. Of one that was lost: tells so once more, and forgets it. */
function release(call: Call): void {
  const { state, out } = call;
  const handle = findAsked(call);
  if (handle === -1) return;
  const pool = state.container.pool(state.handles.pool(handle));
  if (isLost(state.handles.state(handle))) {
    describeHandle(state, handle, out);
    state.release(handle);
    return;
  }
  const module = state.handles.modules.productCode(handle);
  out.u64(ResultWord.handle, state.handles.handle(handle));
  out.mode(state.handles.mode(handle));
  if (state.handles.state(handle) === HandleState.held) out.u32(ResultWord.quantity, state.handles.seats(handle));
  state.release(handle);
  settleFreed(state, call.reached);
  out.license(pool, state.container.itemOf(pool, module), state.container);
}

function closeSession(call: Call): void {
  const { state, out } = call;
  out.u32(ResultWord.timeoutMs, 0);
  out.u32(ResultWord.heartbeatMs, 0);
  state.closeSession(call.session, out.words, out.at);
}

/** The slot of the handle asked about, which takes its seats; -1 after refusing any other. */
export function findHandle(call: Call): number {
  const slot = findAsked(call);
  if (slot === -1 || call.state.handles.state(slot) === HandleState.held) return slot;
  describeHandle(call.state, slot, call.out);
  return -1;
}

/** The slot of the handle asked about; -1 after refusing one that never was, was released, or is another session's. */
function findAsked(call: Call): number {
  const { state, out } = call;
  const handle = u64At(call.words, call.at + RequestWord.handle);
  const slot = state.handles.find(handle, call.session);
  if (slot === -1) {
    out.refuse(
      Status["handle-unknown"],
      `This session holds no handle ${handle} in container ${state.container.name}.`,
    );
  }
  return slot;
}

/** Lists share what the answer to one batch may hold; beyond it the client asks again. */
function answerList(call: Call, list: () => ListPart): void {
  if (!call.out.hasRoomForList) {
    refuseForNow(call);
    return;
  }
  const part = list();
  call.out.list(part.text, part.nextCursor);
}

function refuseForNow({ out }: Call): void {
  out.refuse(Status.busy, "Too many long answers were asked for at once; ask again.");
}

function refuseBeyondWindow(call: Call): void {
  const oldest = call.state.sessions.answeredBelow(call.session);
  call.out.refuse(
    Status.busy,
    `Request ${call.request} is ${RESULT_WINDOW} or more beyond ${oldest}, the oldest without an answer.`,
  );
}
