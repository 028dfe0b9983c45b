/**
 * Access to a license: the first item, in order of item reference, that satisfies the request; or the one reason why
 * there is none (licensing.md section 4).
 */
import { AccessMode, Status, type StatusCode } from "../wire/kinds.js";
import type { Answer } from "./answer.js";
import type { Call } from "./call.js";
import { containerName } from "./genesis.js";
import { HandleState, isLost } from "./handle-row.js";
import { MAX_WAIT_MS } from "./limits.js";
import { lossOf } from "./losses.js";
import { judgeOptions, noteUse, optionSentence, timeText } from "./options.js";
import { freeSeats, type Item, type Pool } from "./pool.js";
import type { SeatsTaken } from "./seat-book.js";
import {
  Asker,
  countedNumber,
  decide,
  isPlain,
  judgeSeats,
  placeOf,
  SeatAnswer,
  seatSentence,
  seatsNeeded,
  statusOf,
} from "./seats.js";
import type { State } from "./state.js";
import { countOf, isReached, upstreamsOf } from "./virtual-container.js";
import { RequestWord, ResultWord, u64At } from "./words.js";

/** What an access asks. */
export interface Wanted {
  readonly firmCode: number;
  readonly productCode: number;
  /** 0 = any */
  readonly itemRef: number;
  readonly featureMap: number;
  /** seats to be taken: 0 with no user limit */
  readonly seats: number;
  readonly mode: number;
  /** release date of the program, ms since 1970; 0 = not stated, -1 = judged before */
  readonly releaseMs: number;
}

/** When an access is judged. */
export interface Moment {
  readonly calendarMs: number;
  /** upstreams that the leader reaches, as a mask */
  readonly reached: number;
}

/**
 * The status of one item's terms for one access: ok, or why not; seats.ts judges seats. `not-found` means that too few
 * of its holders are reached.
 */
export function judge(item: Item, wanted: Wanted, moment: Moment, asker: Asker): StatusCode {
  const { terms } = item;
  if (!isReached(item, moment.reached)) return Status["not-found"];
  if (terms.activationMs !== undefined && moment.calendarMs < terms.activationMs) return Status["not-yet-valid"];
  if (terms.expirationMs !== undefined && moment.calendarMs > terms.expirationMs) return Status.expired;
  if (item.isJudged) {
    const judged = judgeOptions(item, moment.calendarMs, wanted.releaseMs, asker);
    if (judged !== Status.ok) return judged;
  }
  if ((terms.featureMap & wanted.featureMap) >>> 0 !== wanted.featureMap) return Status["feature-missing"];
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

/** What becomes of the first item that satisfies everything: an access holds its seats, a borrowing takes them away. */
export interface Taking {
  /** what else an item has to satisfy */
  judge(item: Item): StatusCode;
  /** why it does not, behind the name of the license */
  sentence(item: Item): string;
  grant(call: Call, asker: Asker, item: Item, wanted: Wanted): void;
}

const holding: Taking = { judge: () => Status.ok, sentence: () => "", grant };

/** What a request asks for; its result names the license. */
export function readWanted({ out, words, at }: Call): Wanted {
  const mode = ((words[at + RequestWord.kind] as number) >>> 8) & 0xff;
  const firmCode = words[at + RequestWord.firmCode] as number;
  const productCode = words[at + RequestWord.productCode] as number;
  out.u32(ResultWord.firmCode, firmCode);
  out.u32(ResultWord.productCode, productCode);
  return {
    firmCode,
    productCode,
    itemRef: words[at + RequestWord.itemRef] as number,
    featureMap: words[at + RequestWord.featureMap] as number,
    seats: mode === AccessMode.noUserLimit ? 0 : (words[at + RequestWord.quantity] as number),
    mode,
    releaseMs: u64At(words, at + RequestWord.releaseMs),
  };
}

/** Executes an access of an open session; the answer is final. */
export function access(call: Call): void {
  const { out, words, at } = call;
  const wanted = readWanted(call);
  const waitMs = u64At(words, at + RequestWord.durationMs);
  const fault = faultInAccess(wanted.mode, words[at + RequestWord.quantity] as number, waitMs);
  if (fault !== null) out.refuse(Status["bad-request"], fault);
  else grantFirst(call, wanted, waitMs, holding);
}

function faultInAccess(mode: number, quantity: number, waitMs: number): string | null {
  if (mode < AccessMode.userLimit || mode > AccessMode.noUserLimit) {
    return `Access mode ${mode} is none: use user limit (1), station share (2), exclusive (3) or no user limit (4).`;
  }
  if (quantity === 0) return "An access asks for at least one seat; this one asked for 0.";
  if (quantity > 1 && (mode === AccessMode.stationShare || mode === AccessMode.exclusive)) {
    return `Station share and exclusive take one seat; this access asked for ${quantity}.`;
  }
  return waitMs > MAX_WAIT_MS ? `An access waits for at most ${MAX_WAIT_MS} ms; this one asked for ${waitMs}.` : null;
}

/** Takes the first item that satisfies everything, or waits for it, or tells the reason that weighs most. */
export function grantFirst(call: Call, wanted: Wanted, waitMs: number, taking: Taking): void {
  const { state, session, out } = call;
  const moment: Moment = { calendarMs: state.calendarMs, reached: call.reached };
  const asker = new Asker(state, session);
  let reason: Item | null = null;
  let status: StatusCode = Status["not-found"];
  let answer: SeatAnswer = SeatAnswer.fits;
  for (const item of candidates(state, asker, wanted)) {
    if (wanted.itemRef !== 0 && item.pool.key.tmrId !== wanted.itemRef) continue;
    let judged = judge(item, wanted, moment, asker);
    if (judged === Status.ok) judged = taking.judge(item);
    let seats: SeatAnswer = SeatAnswer.fits;
    if (judged === Status.ok) {
      seats = judgeItemSeats(state, asker, item, wanted);
      if (seats === SeatAnswer.fits) {
        taking.grant(call, asker, item, wanted);
        return;
      }
      judged = statusOf(seats);
    }
    if (reason === null || weight(judged) > weight(status)) {
      reason = item;
      status = judged;
      answer = seats;
    }
  }
  if (reason !== null && waitMs > 0 && canWait(reason, wanted, answer)) {
    enqueue(call, asker, reason, wanted, waitMs);
    return;
  }
  if (reason !== null) out.license(reason.pool, reason, state.container);
  else if (refuseTmrOnly(call, wanted)) return;
  out.refuse(status, sentenceOf(call, asker, status, reason, wanted, moment, answer, taking));
}

/** A station that shares a seat already comes back to that item, though an earlier one has free seats by now. */
function candidates(state: State, asker: Asker, wanted: Wanted): readonly Item[] {
  const items = state.container.find(wanted.firmCode, wanted.productCode);
  if (wanted.mode !== AccessMode.stationShare || items.length < 2) return items;
  const isShared = (item: Item): boolean => seatsNeeded(state, asker, item.pool, wanted) === 0;
  return [...items.filter(isShared), ...items.filter((item) => !isShared(item))];
}

function judgeItemSeats(state: State, asker: Asker, item: Item, wanted: Wanted): SeatAnswer {
  const isCountedOnly = wanted.mode === AccessMode.userLimit || wanted.mode === AccessMode.noUserLimit;
  if (!isCountedOnly || !isPlain(state, item)) return judgeSeats(state, asker, item, wanted);
  return wanted.seats > 0 && wanted.seats > freeSeats(item) ? SeatAnswer.taken : SeatAnswer.fits;
}

/** Waiting helps when seats are taken or spoken for that there are at all. */
function canWait({ terms }: Item, { seats }: Wanted, answer: SeatAnswer): boolean {
  return (answer === SeatAnswer.taken || answer === SeatAnswer.awaited) && seats <= terms.quantity;
}

/** A license with a TMR-ID is refused by every server but the TMR servers of its system (licensing.md section 5). */
function refuseTmrOnly(call: Call, { firmCode, productCode, itemRef }: Wanted): boolean {
  const tmr = call.state.container.tmrOnly(firmCode, productCode);
  if (tmr === null || (itemRef !== 0 && itemRef !== tmr.tmrId)) return false;
  call.out.refuse(
    Status["tmr-only"],
    `License ${firmCode}:${productCode} in container ${containerName(tmr.container)} has TMR-ID ${tmr.tmrId}: only the TMR servers of its system may use it.`,
  );
  return true;
}

function grant(call: Call, asker: Asker, item: Item, wanted: Wanted): void {
  const { state, session, out } = call;
  const { pool } = item;
  if (refuseBeyondLimits(call)) return;
  let { seats } = wanted;
  let rule = 0;
  if (!isPlain(state, item) || wanted.mode === AccessMode.stationShare) {
    ({ seats, rule } = takeSeats(state, asker, pool, wanted));
  }
  const slot = state.grant(session, item, seats, wanted.mode, rule);
  if (item.isJudged) noteUse(state, item, asker);
  describeHandle(state, slot, out);
}

/** Seats that are to be taken where others linger or are counted by rules; those that linger for the asker are his. */
export function takeSeats(state: State, asker: Asker, pool: Pool, wanted: Wanted): SeatsTaken {
  const seats = seatsNeeded(state, asker, pool, wanted);
  const rule = countedNumber(decide(state, asker, pool));
  if (pool.released.size > 0) state.giveUpLingering(pool, asker.party, seats);
  return { seats, rule };
}

function enqueue(call: Call, asker: Asker, item: Item, wanted: Wanted, waitMs: number): void {
  const { state, session, out } = call;
  if (refuseBeyondLimits(call)) return;
  const { maxWaiting } = state.limits;
  if (item.pool.waiting.size >= maxWaiting) {
    out.license(item.pool, item, state.container);
    const who = licenseText(item.pool);
    out.refuse(Status["no-free-license"], `No more can wait for ${who}: ${maxWaiting} do, the most allowed.`);
    return;
  }
  const { seats, mode, featureMap } = wanted;
  const rule = countedNumber(decide(state, asker, item.pool));
  const slot = state.enqueue(session, item, { seats, mode, featureMap, rule }, state.logMs + waitMs);
  describeHandle(state, slot, out);
}

/** True after refusing one handle too many. */
function refuseBeyondLimits({ state, session, out }: Call): boolean {
  const { maxHandles, maxHandlesPerSession } = state.limits;
  if (state.handles.size >= maxHandles) {
    out.refuse(Status["bad-request"], `All ${maxHandles} handles of this system are in use.`);
    return true;
  }
  if (state.handles.countOf(session) >= maxHandlesPerSession) {
    out.refuse(Status["bad-request"], `This session holds ${maxHandlesPerSession} handles, the most allowed.`);
    return true;
  }
  return false;
}

/** Fills in a handle and its license as they are now, and what became of one that waits or was lost. */
export function describeHandle(state: State, slot: number, out: Answer): void {
  const { handles, container } = state;
  const pool = container.pool(handles.pool(slot));
  const what = handles.state(slot);
  out.u64(ResultWord.handle, handles.handle(slot));
  out.mode(handles.mode(slot));
  out.license(pool, state.itemOf(slot), container);
  if (what === HandleState.queued) {
    const place = placeOf(state, slot);
    out.u32(ResultWord.free, place);
    out.refuse(Status.queued, `${licenseText(pool)}: place ${place} of ${pool.waiting.size} who wait.`);
  } else if (isLost(what)) {
    const { status, why } = lossOf(what);
    out.refuse(status, `Handle ${handles.handle(slot)} of ${licenseText(pool)} ${why}.`);
  } else {
    out.u32(ResultWord.quantity, handles.seats(slot));
  }
}

function licenseText({ key }: Pool): string {
  return `license ${key.firmCode}:${key.productCode} item ${key.tmrId} in container ${containerName(key.container)}`;
}

function sentenceOf(
  { state }: Call,
  asker: Asker,
  status: StatusCode,
  item: Item | null,
  wanted: Wanted,
  moment: Moment,
  answer: SeatAnswer,
  taking: Taking,
): string {
  const container = state.container.name;
  const codes = `${wanted.firmCode}:${wanted.productCode}`;
  if (item === null) {
    const reference = wanted.itemRef === 0 ? "" : ` with item reference ${wanted.itemRef}`;
    return `No license ${codes}${reference} in container ${container}.`;
  }
  const { terms } = item;
  const { key } = item.pool;
  const license = `License ${codes} item ${key.tmrId} in container ${containerName(key.container)}`;
  switch (status) {
    case Status["no-free-license"]:
    case Status["access-list"]:
      return `${license}${seatSentence(state, asker, item, wanted, answer)}`;
    case Status["usage-period-over"]:
    case Status.maintenance:
    case Status["runtime-too-old"]:
    case Status["named-user"]:
    case Status["units-used-up"]:
      return `${license} ${optionSentence(status, item, wanted.releaseMs, asker)}`;
    case Status["not-borrowable"]:
      return `${license}${taking.sentence(item)}`;
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
