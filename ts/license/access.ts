/**
 * Access to a license: the first item, in order of item reference, that satisfies the request; or the one reason why
 * there is none (licensing.md section 4).
 */
import { AccessMode, Status, type StatusCode } from "../wire/kinds.js";
import type { Answer } from "./answer.js";
import type { Call } from "./call.js";
import type { State } from "./state.js";
import { countOf, freeSeats, type Item, isReached, upstreamsOf } from "./virtual-container.js";
import { RequestWord, ResultWord } from "./words.js";

/** What an access asks. */
export interface Wanted {
  readonly firmCode: number;
  readonly productCode: number;
  /** 0 = any */
  readonly itemRef: number;
  readonly featureMap: number;
  /** seats to be taken: 0 with no user limit */
  readonly seats: number;
}

/** When an access is judged. */
export interface Moment {
  readonly calendarMs: number;
  /** upstreams that the leader reaches, as a mask */
  readonly reached: number;
}

/** The status of one item for one access: ok, or why not. `not-found` means that too few of its holders are reached. */
export function judge(item: Item, wanted: Wanted, moment: Moment): StatusCode {
  const { terms } = item;
  if (!isReached(item, moment.reached)) return Status["not-found"];
  if (terms.activationMs !== undefined && moment.calendarMs < terms.activationMs) return Status["not-yet-valid"];
  if (terms.expirationMs !== undefined && moment.calendarMs > terms.expirationMs) return Status.expired;
  if ((terms.featureMap & wanted.featureMap) >>> 0 !== wanted.featureMap) return Status["feature-missing"];
  if (wanted.seats > freeSeats(item)) return Status["no-free-license"];
  return Status.ok;
}

/**
 * Of several reasons the one that is told: no free license before the terms of an item, these before an item that too
 * few upstreams confirm. Of equal ones the first item's.
 */
function weight(status: StatusCode): number {
  if (status === Status["no-free-license"]) return 3;
  return status === Status["not-found"] ? 1 : 2;
}

/** Executes an access of an open session; the answer is final. */
export function access(call: Call): void {
  const { out, words, at } = call;
  const mode = ((words[at + RequestWord.kind] as number) >>> 8) & 0xff;
  const quantity = words[at + RequestWord.quantity] as number;
  const firmCode = words[at + RequestWord.firmCode] as number;
  const productCode = words[at + RequestWord.productCode] as number;
  out.u32(ResultWord.firmCode, firmCode);
  out.u32(ResultWord.productCode, productCode);
  if (mode !== AccessMode.userLimit && mode !== AccessMode.noUserLimit) {
    out.refuse(
      Status["bad-request"],
      `Access mode ${mode} is not offered here: use user limit (1) or no user limit (4).`,
    );
    return;
  }
  if (quantity === 0) {
    out.refuse(Status["bad-request"], "An access asks for at least one seat; this one asked for 0.");
    return;
  }
  const wanted: Wanted = {
    firmCode,
    productCode,
    itemRef: words[at + RequestWord.itemRef] as number,
    featureMap: words[at + RequestWord.featureMap] as number,
    seats: mode === AccessMode.noUserLimit ? 0 : quantity,
  };
  grantFirst(call, wanted, mode);
}

/** Grants the first item that satisfies everything, or tells the reason that weighs most. */
function grantFirst(call: Call, wanted: Wanted, mode: number): void {
  const { state, out } = call;
  const moment: Moment = { calendarMs: state.calendarMs, reached: call.reached };
  let reason: Item | null = null;
  let status: StatusCode = Status["not-found"];
  for (const item of state.container.find(wanted.firmCode, wanted.productCode)) {
    if (wanted.itemRef !== 0 && item.terms.tmrId !== wanted.itemRef) continue;
    const judged = judge(item, wanted, moment);
    if (judged === Status.ok) {
      grant(call, item, wanted.seats, mode);
      return;
    }
    if (reason === null || weight(judged) > weight(status)) {
      reason = item;
      status = judged;
    }
  }
  if (reason !== null) out.license(reason.pool, reason, state.container);
  out.refuse(status, sentenceOf(status, reason, wanted, moment, state.container.name));
}

function grant(call: Call, item: Item, seats: number, mode: number): void {
  const { state, session, out } = call;
  const { maxHandles, maxHandlesPerSession } = state.limits;
  if (state.handles.size >= maxHandles) {
    out.refuse(Status["bad-request"], `All ${maxHandles} handles of this system are in use.`);
  } else if (state.handles.countOf(session) >= maxHandlesPerSession) {
    out.refuse(Status["bad-request"], `This session holds ${maxHandlesPerSession} handles, the most allowed.`);
  } else {
    describeHandle(state, state.grant(session, item.pool, seats, mode), out);
  }
}

/** Fills in a handle and its license as they are now. */
export function describeHandle(state: State, slot: number, out: Answer): void {
  const pool = state.container.pool(state.handles.pool(slot));
  out.u64(ResultWord.handle, state.handles.handle(slot));
  out.mode(state.handles.mode(slot));
  out.u32(ResultWord.quantity, state.handles.seats(slot));
  out.license(pool, pool.item, state.container);
}

function sentenceOf(status: StatusCode, item: Item | null, wanted: Wanted, moment: Moment, container: string): string {
  const codes = `${wanted.firmCode}:${wanted.productCode}`;
  if (item === null) {
    const reference = wanted.itemRef === 0 ? "" : ` with item reference ${wanted.itemRef}`;
    return `No license ${codes}${reference} in container ${container}.`;
  }
  const { terms } = item;
  const license = `License ${codes} item ${terms.tmrId} in container ${container}`;
  switch (status) {
    case Status["no-free-license"]:
      return `${license}: ${freeSeats(item)} of ${terms.quantity} seats are free, ${wanted.seats} asked for.`;
    case Status["not-yet-valid"]:
      return `${license} is valid from ${timeText(terms.activationMs)} on.`;
    case Status.expired:
      return `${license} was valid until ${timeText(terms.expirationMs)}.`;
    case Status["feature-missing"]: {
      const missing = (wanted.featureMap & ~terms.featureMap) >>> 0;
      return `${license} lacks the feature bits 0x${missing.toString(16)}.`;
    }
    default: {
      const holders = upstreamsOf(item.holders).join(", ");
      const reached = countOf(item.holders & moment.reached);
      return `${license}: upstreams ${holders} hold it, ${reached} of them reached, two are needed.`;
    }
  }
}

/** Times of terms are bounded, so that each has a text. */
function timeText(ms: number | undefined): string {
  return new Date(ms ?? 0).toISOString();
}
