/**
 * What is tracked of an operation: from the state to an event of {@link EventLog}. Called only while tracking is on.
 */
import { canonicalJson } from "../wire/canonical.js";
import { AccessMode, Kind, Status, statusName } from "../wire/kinds.js";
import type { Call } from "./call.js";
import { containerName } from "./genesis.js";
import { HandleState, isLost } from "./handle-row.js";
import { readParty } from "./party.js";
import type { Item, Pool } from "./pool.js";
import type { State } from "./state.js";
import { RequestWord, ResultWord, u64At } from "./words.js";

/** Why a handle ended. */
export type EndCause =
  | "released"
  | "closed"
  | "timed-out"
  | "cancelled"
  | "denied"
  | "waited-too-long"
  | "lingered"
  | "returned"
  | "other";

type Names = Readonly<Record<string, string>>;
/** of the one virtual container of a TMR system */
const VIRTUAL_MASK = 131;
const modeNames = new Map<number, string>([
  [AccessMode.userLimit, "user-limit"],
  [AccessMode.stationShare, "station-share"],
  [AccessMode.exclusive, "exclusive"],
  [AccessMode.noUserLimit, "no-user-limit"],
]);
/** Kinds whose success is told by {@link trackAnswer}; those that take or give seats are told where seats are counted. */
const toldByAnswer = new Map<number, string>([
  [Kind.consume, "units"],
  [Kind.borrow, "borrow"],
  [Kind.returnBorrow, "return"],
]);
const refusedKinds = new Set<number>([Kind.access, ...toldByAnswer.keys()]);

/** A handle was given its seats, or waits for them. */
export function trackBegin(state: State, slot: number, event: "access" | "queue"): void {
  const pool = poolOf(state, slot);
  state.events.add(pool.key.firmCode, { event, ...handleOf(state, slot, pool), ...stateOf(pool) });
}

/**
 * A handle is about to end; what is returned is to be called when it has: only then it is known how the license stands.
 * One that had nothing any more was told before.
 */
export function trackEnd(state: State, slot: number, cause: EndCause): (() => void) | null {
  const was = state.handles.state(slot);
  if (isLost(was)) return null;
  const pool = poolOf(state, slot);
  const event = was === HandleState.queued ? "queue-end" : was === HandleState.lingering ? "linger-end" : "release";
  const about = { event, ...handleOf(state, slot, pool), cause };
  return () => state.events.add(pool.key.firmCode, { ...about, ...stateOf(pool) });
}

function handleOf(state: State, slot: number, pool: Pool) {
  const { handles } = state;
  return {
    ...namesOf(handles.identity(slot)),
    ...licenseOf(pool),
    seats: handles.seats(slot),
    mode: modeName(handles.mode(slot)),
    handle: handles.handle(slot),
  };
}

function poolOf(state: State, slot: number): Pool {
  return state.container.pool(state.handles.pool(slot));
}

/** A request of a session was answered; its result is the current record. Tells refusals, and what no seat tells. */
export function trackAnswer(call: Call): void {
  const { state, out, words, at, kind } = call;
  const result = out.words;
  const status = (result[out.at] as number) >>> 16;
  const asked = {
    product: words[at + RequestWord.productCode] as number,
    item: words[at + RequestWord.itemRef] as number,
  };
  const codeOfResult = result[out.at + ResultWord.firmCode] as number;
  if (status === Status.queued) return;
  if (status !== Status.ok) {
    if (!refusedKinds.has(kind)) return;
    const reason = { status: statusName(status), reason: out.text()?.toString("utf8") ?? "" };
    const told = firmOf(state, codeOfResult || (words[at + RequestWord.firmCode] as number), asked);
    addAnswer(call, told.firmCode, "refusal", { ...told.license, ...reason });
    return;
  }
  const event = toldByAnswer.get(kind);
  if (event === undefined) return;
  const product = result[out.at + ResultWord.productCode] as number;
  const item = result[out.at + ResultWord.itemRef] as number;
  const left = kind === Kind.consume ? { units: result[out.at + ResultWord.units] as number } : {};
  addAnswer(call, codeOfResult, event, { product, item, ...left });
}

function addAnswer(call: Call, firmCode: number, event: string, about: Readonly<Record<string, unknown>>): void {
  const { state, words, at } = call;
  const mode = ((words[at + RequestWord.kind] as number) >>> 8) & 0xff;
  const handle = u64At(words, at + RequestWord.handle);
  state.events.add(firmCode, {
    event,
    ...namesOf(state.sessions.identity(call.session)),
    ...about,
    asked: words[at + RequestWord.quantity],
    ...(mode === 0 ? {} : { mode: modeName(mode) }),
    ...(handle === 0 ? {} : { handle }),
  });
}

/** Codes that no license ever had are a client's invention: they get no series, or anyone could fill a disk with series. */
function firmOf(state: State, firmCode: number, license: { product: number; item: number }) {
  if (state.events.has(firmCode) || state.container.hasFirm(firmCode)) return { firmCode, license };
  return { firmCode: 0, license: { firm: firmCode, ...license } };
}

/** All licenses, for whoever begins to read here. */
export function trackAllLicenses(state: State): void {
  for (const item of state.container.items) trackLicense(state, item.pool, item);
}

/** The licenses that are not as they were in `before`. */
export function trackChangedLicenses(state: State, before: readonly Item[]): void {
  const old = new Map(before.map((item) => [item.pool, canonicalJson(item.terms)]));
  for (const item of state.container.items) {
    const same = old.get(item.pool) === canonicalJson(item.terms);
    old.delete(item.pool);
    if (!same) trackLicense(state, item.pool, item);
  }
  for (const pool of old.keys()) trackLicense(state, pool, null);
}

function trackLicense(state: State, pool: Pool, item: Item | null): void {
  const { activationMs, expirationMs } = item?.terms ?? {};
  state.events.add(pool.key.firmCode, {
    event: "license",
    ...licenseOf(pool),
    text: item?.terms.text ?? "",
    ...(activationMs === undefined ? {} : { from: activationMs }),
    ...(expirationMs === undefined ? {} : { until: expirationMs }),
    used: pool.used + pool.lingering,
    total: item?.terms.quantity ?? 0,
  });
}

/** A standalone server shows several containers, each with item references of its own. */
function licenseOf({ key }: Pool) {
  const license = { product: key.productCode, item: key.tmrId };
  return key.container.mask === VIRTUAL_MASK ? license : { ...license, container: containerName(key.container) };
}

/** Seats that linger are taken. */
function stateOf(pool: Pool) {
  return { used: pool.used + pool.lingering, total: pool.item?.terms.quantity ?? 0 };
}

function modeName(mode: number): string {
  return modeNames.get(mode) ?? `mode-${mode}`;
}

/** The names that a session was opened with; empty ones are left out. */
function namesOf(identity: Buffer): Names {
  const { host, user, station, program, runtimeVersion } = readParty(identity);
  const names = Object.entries({ host, user, station, program, runtime: runtimeVersion });
  return Object.fromEntries(names.filter(([, name]) => name !== ""));
}
