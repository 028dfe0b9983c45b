/**
 * Snapshots of the state. Canonical: what is written, and in which order, depends on the state alone. Sections in the
 * order of this file, little-endian, SHA-256 of everything before it at the end.
 */
import { SESSION_BYTES } from "../wire/request.js";
import { RESULT_BYTES } from "../wire/result.js";
import { ByteReader, ByteWriter, malformed } from "./bytes.js";
import type { LicensePorts } from "./genesis.js";
import { sessionKey } from "./sessions.js";
import type { State } from "./state.js";
import { readStatement } from "./statement.js";
import type { Pool } from "./virtual-container.js";

/** "TMRS" read as a little-endian u32 */
const MAGIC = 0x53_52_4d_54;
const VERSION = 1;
const DIGEST_BYTES = 32;

/** Writes the whole state. */
export function writeSnapshot(state: State, sha256: LicensePorts["sha256"]): Uint8Array {
  const out = new ByteWriter(65_536);
  out.u32(MAGIC);
  out.u32(VERSION);
  out.raw(state.genesisDigest);
  out.u64(state.position);
  out.u64(state.logMs);
  out.u64(state.calendarMs);
  out.raw(state.stateDigest);
  for (const upstream of [1, 2, 3] as const)
    out.block(state.container.statement(upstream)?.payload ?? new Uint8Array());
  writeHandleSlots(state, out);
  writeSessions(state, out);
  writeEnded(state, out);
  out.raw(sha256(out.view()));
  return Buffer.from(out.view());
}

/** Reads a snapshot into a fresh state. Throws ERR_TMR_STORE; the state is useless then. */
export function readSnapshot(snapshot: Uint8Array, state: State, sha256: LicensePorts["sha256"]): void {
  const bytes = Buffer.from(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
  const end = bytes.length - DIGEST_BYTES;
  if (end < 0 || !bytes.subarray(end).equals(sha256(bytes.subarray(0, end)))) {
    throw malformed("its digest does not match: it is damaged");
  }
  const input = new ByteReader(bytes.subarray(0, end));
  if (input.u32() !== MAGIC) throw malformed("it does not begin as one");
  const version = input.u32();
  if (version !== VERSION) throw malformed(`expected version ${VERSION}, received ${version}`);
  if (!input.raw(DIGEST_BYTES).equals(state.genesisDigest)) throw malformed("it belongs to another system");
  state.position = input.u64();
  state.logMs = input.u64();
  state.calendarMs = input.u64();
  state.stateDigest = input.raw(DIGEST_BYTES);
  readStatements(input, state, sha256);
  readHandleSlots(input, state);
  readSessions(input, state);
  if (!state.handles.isComplete()) throw malformed("a handle slot is neither held nor free");
  readEnded(input, state);
  input.end();
}

function readStatements(input: ByteReader, state: State, sha256: LicensePorts["sha256"]): void {
  for (const upstream of [1, 2, 3] as const) {
    const payload = input.block();
    if (payload.length === 0) continue;
    const statement = readStatement(payload, upstream, sha256);
    if (typeof statement === "string") throw malformed(`statement of upstream ${upstream}: ${statement}`);
    state.container.state(upstream, statement);
  }
}

/** Generations of all handle slots, then the free slots in their order. Who holds the others is said per session. */
function writeHandleSlots(state: State, out: ByteWriter): void {
  const { handles } = state;
  out.u32(handles.slots);
  for (let slot = 0; slot < handles.slots; slot++) out.u64(handles.generation(slot));
  writeSlots(handles.freeSlots, out);
}

function readHandleSlots(input: ByteReader, state: State): void {
  const { handles } = state;
  const slots = input.count(8);
  if (slots > state.limits.maxHandles) throw malformed(`${slots} handle slots`);
  for (let slot = 0; slot < slots; slot++) handles.placeFree(slot, input.u64());
  for (const slot of readSlots(input, slots)) {
    if (!handles.isUsable(slot)) throw malformed(`handle slot ${slot} cannot be free`);
    handles.pushFree(slot);
  }
}

function writeSlots(slots: readonly number[], out: ByteWriter): void {
  out.u32(slots.length);
  for (const slot of slots) out.u32(slot);
}

/** Distinct slots below `limit`. */
function readSlots(input: ByteReader, limit: number): Set<number> {
  const count = input.count(4);
  const slots = new Set<number>();
  for (let i = 0; i < count; i++) {
    const slot = input.u32();
    if (slot >= limit || slots.has(slot)) throw malformed(`slot ${slot} is out of range or free twice`);
    slots.add(slot);
  }
  return slots;
}

/** The session slots in order: those free, then the others with all that they hold. */
function writeSessions(state: State, out: ByteWriter): void {
  const { sessions } = state;
  out.u32(sessions.slots);
  writeSlots(sessions.freeSlots, out);
  for (let slot = 0; slot < sessions.slots; slot++) {
    if (!sessions.isOpen(slot)) continue;
    out.raw(Buffer.from(sessions.key(slot), "latin1"));
    out.block(sessions.names(slot));
    out.u32(sessions.timeoutMs(slot));
    out.u64(sessions.deadline(slot));
    out.u64(sessions.answeredBelow(slot));
    writeHandles(state, slot, out);
    writeResults(state, slot, out);
  }
}

function readSessions(input: ByteReader, state: State): void {
  const { sessions } = state;
  const slots = input.u32();
  if (slots > state.limits.maxSessions) throw malformed(`${slots} session slots`);
  const free = readSlots(input, slots);
  for (const slot of free) sessions.placeFree(slot);
  const freeHandles = new Set(state.handles.freeSlots);
  for (let slot = 0; slot < slots; slot++) {
    if (free.has(slot)) continue;
    const key = sessionKey(input.raw(SESSION_BYTES), 0);
    if (sessions.find(key) !== -1) throw malformed("a session is open twice");
    sessions.place(slot, key, input.block(), input.u32(), input.u64(), input.u64());
    readHandles(input, state, slot, freeHandles);
    readResults(input, state, slot);
  }
}

function writeHandles(state: State, session: number, out: ByteWriter): void {
  const { handles, container } = state;
  out.u32(handles.countOf(session));
  for (let slot = handles.firstOf(session); slot !== -1; slot = handles.nextOf(slot)) {
    const { key } = container.pool(handles.pool(slot));
    out.u32(slot);
    out.u32(key.firmCode);
    out.u32(key.productCode);
    out.u32(key.tmrId);
    out.u32(key.actId);
    out.u32(handles.seats(slot));
    out.u8(handles.mode(slot));
  }
}

function readHandles(input: ByteReader, state: State, session: number, free: ReadonlySet<number>): void {
  const { handles, container } = state;
  const count = input.count(25);
  for (let i = 0; i < count; i++) {
    const slot = input.u32();
    if (!handles.isUsable(slot) || handles.isHeld(slot) || free.has(slot))
      throw malformed(`handle slot ${slot} is held twice`);
    const pool: Pool = container.poolOf({
      firmCode: input.u32(),
      productCode: input.u32(),
      tmrId: input.u32(),
      actId: input.u32(),
    });
    const seats = input.u32();
    handles.place(slot, handles.generation(slot), session, pool.id, seats, input.u8());
    container.take(pool, seats);
  }
}

function writeResults(state: State, session: number, out: ByteWriter): void {
  const { results } = state;
  let count = 0;
  for (let slot = results.firstOf(session); slot !== -1; slot = results.nextOf(slot)) count += 1;
  out.u32(count);
  for (let slot = results.firstOf(session); slot !== -1; slot = results.nextOf(slot)) {
    out.u64(results.request(slot));
    out.raw(results.record(slot));
    out.block(results.text(slot));
  }
}

function readResults(input: ByteReader, state: State, session: number): void {
  const count = input.count(8 + RESULT_BYTES + 4);
  let before = 0;
  for (let i = 0; i < count; i++) {
    const request = input.u64();
    if (request <= before) throw malformed("stored results are not ascending");
    before = request;
    state.results.store(session, request, input.raw(RESULT_BYTES), 0, input.block());
  }
}

/** Oldest first. */
function writeEnded(state: State, out: ByteWriter): void {
  out.u32(state.ended.size);
  for (const [key, ended] of state.ended.entries()) {
    out.raw(Buffer.from(key, "latin1"));
    out.u64(ended.request);
    out.raw(ended.record);
    out.block(ended.text);
  }
}

function readEnded(input: ByteReader, state: State): void {
  const count = input.count(SESSION_BYTES + 8 + RESULT_BYTES + 4);
  if (count > state.limits.maxEndedSessions) throw malformed(`${count} ended sessions`);
  for (let i = 0; i < count; i++) {
    const key = sessionKey(input.raw(SESSION_BYTES), 0);
    state.ended.add(key, { request: input.u64(), record: input.raw(RESULT_BYTES), text: input.block() });
  }
  if (state.ended.size !== count) throw malformed("a session ended twice");
}
