/**
 * Borrowing: a seat is taken offline for a bounded time. It is judged like an access with user limit, and what it gives
 * is a handle of no session: closing, time-outs and takeovers leave it alone. It ends by calendar time, by its return,
 * or by an administrator where the license allows that.
 */
import {
  BORROW_FORMAT,
  BORROW_KEY_BYTES,
  BORROW_SIGNATURE_BYTES,
  type BorrowDocument,
  borrowBytes,
  returnMessage,
} from "../wire/borrow.js";
import { AccessMode, Status, type StatusCode } from "../wire/kinds.js";
import { grantFirst, readWanted, type Taking, takeSeats, type Wanted } from "./access.js";
import type { Answer } from "./answer.js";
import type { Call } from "./call.js";
import { containerName } from "./genesis.js";
import { blobOf } from "./open-session.js";
import { noteUse, validUntilMs } from "./options.js";
import type { Item } from "./pool.js";
import { settleFreed } from "./queue.js";
import type { Asker } from "./seats.js";
import type { State } from "./state.js";
import { termsBytes } from "./terms.js";
import { RequestWord, ResultWord, u64At } from "./words.js";

const MS = 1000;
const nothing = Buffer.alloc(0);

/** Executes a borrowing of an open session. */
export function borrow(call: Call): void {
  const { state, out, words, at } = call;
  const wanted = readWanted(call);
  const key = blobOf(call);
  const fault = faultInBorrowing(wanted, key);
  if (fault !== null) {
    out.refuse(Status["bad-request"], fault);
  } else if (state.borrowings.find(key) !== -1) {
    borrowAgain(call, state.borrowings.find(key), wanted);
  } else {
    grantFirst(call, wanted, 0, new Borrow(u64At(words, at + RequestWord.durationMs), key));
  }
}

/** The client did not get its answer, and its session has ended meanwhile: it must not take a second seat. */
function borrowAgain({ state, out }: Call, slot: number, { firmCode, productCode, seats }: Wanted): void {
  const { handles } = state;
  const { key } = state.container.pool(handles.pool(slot));
  const isSame =
    key.firmCode === firmCode &&
    (handles.modules.productCode(slot) ?? key.productCode) === productCode &&
    handles.seats(slot) === seats;
  if (isSame) describeBorrowed(state, slot, out);
  else out.refuse(Status["bad-request"], `This key has borrowed handle ${handles.handle(slot)}: use another one.`);
}

function faultInBorrowing({ mode, seats }: Wanted, key: Buffer): string | null {
  if (mode !== AccessMode.userLimit) {
    return `A borrowing takes seats of its own: its access mode is user limit (1), not ${mode}.`;
  }
  if (seats === 0) return "A borrowing takes at least one seat; this one asked for 0.";
  if (key.length === BORROW_KEY_BYTES) return null;
  return `A borrowing names an Ed25519 public key of ${BORROW_KEY_BYTES} bytes; this one sent ${key.length}.`;
}

/** Takes seats of the first item that may be borrowed for so long. */
class Borrow implements Taking {
  readonly #askedMs: number;
  readonly #key: Buffer;

  /** `askedMs` 0: as long as the license allows. */
  constructor(askedMs: number, key: Buffer) {
    this.#askedMs = askedMs;
    this.#key = key;
  }

  judge({ terms }: Item): StatusCode {
    const isAllowed = terms.borrowSeconds !== undefined && this.#askedMs <= terms.borrowSeconds * MS;
    return isAllowed ? Status.ok : Status["not-borrowable"];
  }

  sentence({ terms: { borrowSeconds } }: Item): string {
    return borrowSeconds === undefined
      ? " may not be borrowed."
      : ` may be borrowed for at most ${borrowSeconds * MS} ms; this one asked for ${this.#askedMs}.`;
  }

  grant(call: Call, asker: Asker, item: Item, wanted: Wanted): void {
    const { state, session, out } = call;
    const { limits } = state;
    if (state.borrowings.size >= limits.maxBorrowings || state.handles.size >= limits.maxHandles) {
      out.refuse(Status["bad-request"], `This system lends no more: it has lent ${state.borrowings.size} licenses.`);
      return;
    }
    const { pool } = item;
    // Of a module the license is what the firm signed and what is counted.
    const terms = (pool.item ?? item).terms;
    if (item.isJudged) noteUse(state, item, asker);
    const untilMs = state.calendarMs + (this.#askedMs || (terms.borrowSeconds ?? 0) * MS);
    const slot = state.borrow(session, item, takeSeats(state, asker, pool, wanted), wanted.featureMap, {
      untilMs: Math.min(untilMs, validUntilMs(item) || Number.POSITIVE_INFINITY),
      isRevocable: terms.borrowRevocable === true,
      key: this.#key,
      terms: Buffer.from(state.sha256(termsBytes(terms))),
    });
    describeBorrowed(state, slot, out);
  }
}

/** The handle, its license, its end, and the document as the blob. */
function describeBorrowed(state: State, slot: number, out: Answer): void {
  const { handles, container } = state;
  out.u64(ResultWord.handle, handles.handle(slot));
  out.mode(handles.mode(slot));
  out.u32(ResultWord.quantity, handles.seats(slot));
  out.license(container.pool(handles.pool(slot)), state.itemOf(slot), container);
  out.u64(ResultWord.validUntilMs, state.borrowings.get(slot)?.untilMs ?? 0);
  out.bytes(documentOf(state, slot) ?? nothing);
}

/** Gives a borrowed license back: whoever has its key may, in any session. */
export function returnBorrow(call: Call): void {
  const { state, out, words, at } = call;
  const handle = u64At(words, at + RequestWord.handle);
  const slot = state.handles.findAny(handle);
  const document = slot === -1 ? null : documentOf(state, slot);
  const borrowing = state.borrowings.get(slot);
  if (document === null || borrowing === undefined) {
    out.refuse(Status["handle-unknown"], `Nothing is borrowed as handle ${handle} from ${state.container.name}.`);
    return;
  }
  const signature = blobOf(call);
  const isOwner =
    signature.length === BORROW_SIGNATURE_BYTES &&
    state.verifyEd25519(borrowing.key, returnMessage(document), signature);
  if (!isOwner) {
    out.refuse(Status["bad-request"], `What gives handle ${handle} back is not signed by the key that borrowed it.`);
    return;
  }
  const pool = state.container.pool(state.handles.pool(slot));
  const module = state.handles.modules.productCode(slot);
  out.u64(ResultWord.handle, handle);
  out.mode(state.handles.mode(slot));
  out.u32(ResultWord.quantity, state.handles.seats(slot));
  state.endBorrowing(slot, "returned");
  settleFreed(state, call.reached);
  out.license(pool, state.container.itemOf(pool, module), state.container);
}

/** The document of a borrowed handle, which an upstream signs; null when there is no such handle. */
export function borrowDocument(state: State, handle: number): Buffer | null {
  const slot = state.handles.findAny(handle);
  return slot === -1 ? null : documentOf(state, slot);
}

function documentOf(state: State, slot: number): Buffer | null {
  const { handles, container } = state;
  const borrowing = state.borrowings.get(slot);
  if (borrowing === undefined) return null;
  const { key } = container.pool(handles.pool(slot));
  const { user, host, station } = state.seats.party(slot);
  const document: BorrowDocument = {
    format: BORROW_FORMAT,
    system: Buffer.from(state.genesisDigest).toString("base64url"),
    container: containerName(key.container),
    actId: key.actId,
    firmCode: key.firmCode,
    productCode: handles.modules.productCode(slot) ?? key.productCode,
    // An ordinary license is only served where nothing is virtual; its pool has the item reference in place of a TMR-ID.
    tmrId: container.standalone ? 0 : key.tmrId,
    itemRef: key.tmrId,
    terms: borrowing.terms.toString("base64url"),
    featureMap: handles.featureMap(slot),
    quantity: handles.seats(slot),
    handle: handles.handle(slot),
    user,
    host,
    station,
    key: borrowing.key.toString("base64url"),
    fromMs: handles.sinceMs(slot),
    untilMs: borrowing.untilMs,
    revocable: borrowing.isRevocable,
  };
  return borrowBytes(document);
}
