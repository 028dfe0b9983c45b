/** What an administrator does through his server: takes handles away, sets named users, sets the access list and reads it. */
import { Kind, Status } from "../wire/kinds.js";
import { MAX_RESULT_BLOB_BYTES } from "../wire/result.js";
import { AccessList } from "./access-list.js";
import type { Call } from "./call.js";
import { answerEvents, switchTracking } from "./event-records.js";
import { HandleState, isLost } from "./handle-row.js";
import { setNamedUser } from "./named-user.js";
import { blobOf } from "./open-session.js";
import { settleAll, settleFreed } from "./queue.js";
import { succeed } from "./succession.js";
import { RequestWord, ResultWord, u64At } from "./words.js";

/** Executes a record that only a server proposes. */
export function administer(call: Call): void {
  switch (call.kind) {
    case Kind.cancelHandle:
      cancelHandle(call);
      return;
    case Kind.setAccessList:
      setAccessList(call);
      return;
    case Kind.readAccessList:
      readAccessList(call);
      return;
    case Kind.setNamedUser:
      setNamedUser(call);
      return;
    case Kind.tracking:
      switchTracking(call);
      return;
    case Kind.events:
      answerEvents(call);
      return;
    case Kind.succession:
      succeed(call);
      return;
    default:
      call.out.refuse(Status["bad-request"], `Records of kind ${call.kind} are not known here.`);
  }
}

/** The handle's seats are free at once; its client is told `handle-lost` when it next asks. */
function cancelHandle(call: Call): void {
  const { state, out } = call;
  const { handles } = state;
  const handle = u64At(call.words, call.at + RequestWord.handle);
  const slot = handles.findAny(handle);
  if (slot === -1 || isLost(handles.state(slot))) {
    out.refuse(Status["handle-unknown"], `There is no handle ${handle} in container ${state.container.name}.`);
    return;
  }
  const borrowing = state.borrowings.get(slot);
  if (borrowing?.isRevocable === false) {
    const until = new Date(borrowing.untilMs).toISOString();
    out.refuse(
      Status["not-borrowable"],
      `Handle ${handle} is borrowed until ${until}, and its license does not allow to call it back.`,
    );
    return;
  }
  const pool = state.container.pool(handles.pool(slot));
  const item = state.itemOf(slot);
  out.u64(ResultWord.handle, handle);
  out.mode(handles.mode(slot));
  if (borrowing !== undefined) state.endBorrowing(slot, "cancelled");
  else if (handles.state(slot) === HandleState.lingering) state.endLingering(slot);
  else state.lose(slot, HandleState.cancelled);
  settleFreed(state, call.reached);
  out.license(pool, item, state.container);
}

function setAccessList(call: Call): void {
  const { state, out } = call;
  const list = AccessList.parse(blobOf(call));
  if (!(list instanceof AccessList)) {
    const more = list.length === 1 ? "" : ` (and ${list.length - 1} more)`;
    out.refuse(Status["bad-request"], `The access list is refused${more}: ${list[0]}.`);
    return;
  }
  state.setAccessList(list);
  settleAll(state, call.reached);
}

/** The document from byte `cursor` on, as canonical JSON; no bytes for the empty list. */
function readAccessList(call: Call): void {
  const { state, out } = call;
  if (!out.hasRoomForList) {
    out.refuse(Status.busy, "Too many lists were asked for at once; ask again.");
    return;
  }
  const { bytes } = state.accessList;
  const cursor = call.words[call.at + RequestWord.cursor] as number;
  let end = cursor + MAX_RESULT_BLOB_BYTES;
  // A character is not cut in two, so that each part is a text.
  while (end < bytes.length && ((bytes[end] as number) & 0xc0) === 0x80) end -= 1;
  out.bytes(bytes.subarray(cursor, end), end < bytes.length ? end : 0);
  out.u32(ResultWord.total, bytes.length);
}
