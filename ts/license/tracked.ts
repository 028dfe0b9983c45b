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

type Names = Readonly<Record<string, string>>;
/** of the one virtual container of a TMR system */
const VIRTUAL_MASK = 131;
const modeNames = new Map<number, string>([
  [AccessMode.userLimit, "user-limit"],
  [AccessMode.stationShare, "station-share"],
  [AccessMode.exclusive, "exclusive"],
  [AccessMode.noUserLimit, "no-user-limit"],
]);
/** Kinds whose refusals are told, by what they ask. */
const refusedKinds = new Map<number, string>([
  [Kind.access, "access"],
  [Kind.consume, "consume"],
  [Kind.borrow, "borrow"],
  [Kind.returnBorrow, "return"],
]);
/** What the end of a handle is called, by what it was; of all others it is a release. */
const endNames = new Map<number, string>([
  [HandleState.queued, "queue-end"],
  [HandleState.lingering, "linger-end"],
  [HandleState.borrowed, "return"],
]);

/** A handle was given its seats, is used offline until a time, or waits. */
export function trackBegin(state: State, slot: number, event: "access" | "borrow" | "queue"): void {
  const pool = poolOf(state, slot);
  const untilMs = state.borrowings.get(slot)?.untilMs;
  state.events.add(pool.key.firmCode, {
    event,
    ...handleOf(state, slot, pool),
    ...(untilMs === undefined ? {} : { until: untilMs }),
    ...stateOf(pool),
  });
}

/**
 * A handle is about to end; what is returned is to be called when it has: only then it is known how the license stands.
 * One that had nothing any more was told before.
 */
export function trackEnd(state: State, slot: number, cause: string): (() => void) | null {
  const was = state.handles.state(slot);
  if (isLost(was)) return null;
  const pool = poolOf(state, slot);
  const about = { event: endNames.get(was) ?? "release", ...handleOf(state, slot, pool), cause };
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

/**
 * A request of a session was answered; its result is the current record. Tells refusals, and units: whatever takes or gives
 * seats is told where seats are counted, so that what is asked twice is told once.
 */
export function trackAnswer(call: Call): void {
  const { out, kind } = call;
  const status = (out.words[out.at] as number) >>> 16;
  if (status === Status.ok) {
    if (kind === Kind.consume) trackUnits(call);
  } else if (status !== Status.queued) {
    const request = refusedKinds.get(kind);
    if (request !== undefined) trackRefusal(call, request, status);
  }
}

function trackUnits({ state, out, words, at }: Call): void {
  const slot = state.handles.findAny(u64At(words, at + RequestWord.handle));
  const pool = poolOf(state, slot);
  state.events.add(pool.key.firmCode, {
    event: "units",
    ...handleOf(state, slot, pool),
    asked: words[at + RequestWord.quantity],
    units: out.words[out.at + ResultWord.units],
  });
}

function trackRefusal(call: Call, request: string, status: number): void {
  const { state, session, out, words, at } = call;
  const mode = ((words[at + RequestWord.kind] as number) >>> 8) & 0xff;
  const handle = u64At(words, at + RequestWord.handle);
  const told = refusedLicense(call, handle);
  state.events.add(told.firmCode, {
    event: "refusal",
    request,
    ...namesOf(state.sessions.identity(session)),
    ...told.license,
    status: statusName(status),
    reason: out.text()?.toString("utf8") ?? "",
    asked: words[at + RequestWord.quantity],
    ...(mode === 0 ? {} : { mode: modeName(mode) }),
    ...(handle === 0 ? {} : { handle }),
  });
}

/** What a refused request was about: the license of a handle that its session has, or the codes that it asked for. */
function refusedLicense({ state, session, out, words, at }: Call, handle: number) {
  const slot = handle === 0 ? -1 : state.handles.findAny(handle);
  if (slot !== -1 && state.handles.session(slot) === session) {
    const pool = poolOf(state, slot);
    return { firmCode: pool.key.firmCode, license: licenseOf(pool) };
  }
  const codeOfResult = out.words[out.at + ResultWord.firmCode] as number;
  return firmOf(state, codeOfResult || (words[at + RequestWord.firmCode] as number), {
    product: words[at + RequestWord.productCode] as number,
    item: words[at + RequestWord.itemRef] as number,
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
