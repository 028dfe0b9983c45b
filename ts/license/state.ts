/**
 * Everything that the upstreams must agree on, and the only functions that change it. Each change appends its bytes to
 * the journal of the batch, so that the chain of journals is a digest of the state that costs what the changes cost.
 */

import { TmrError } from "../errors.js";
import { RESULT_BYTES, ResultField } from "../wire/result.js";
import type { ProtocolRules } from "../wire/rules.js";
import { ByteWriter } from "./bytes.js";
import { EndedSessions } from "./ended.js";
import { type Genesis, genesisDigest, type LicensePorts, parseContainerNumber } from "./genesis.js";
import { HandleTable } from "./handles.js";
import type { LicenseLimits } from "./limits.js";
import { ResultStore } from "./results.js";
import { SessionTable } from "./sessions.js";
import type { Statement } from "./statement.js";
import { type Pool, type UpstreamNumber, VirtualContainer } from "./virtual-container.js";

/** First byte of each journal entry. */
const Change = {
  time: 1,
  sessionOpened: 2,
  sessionTouched: 3,
  answeredBelow: 4,
  resultStored: 5,
  sessionClosed: 6,
  sessionTimedOut: 7,
  openRefused: 8,
  granted: 9,
  released: 10,
  stated: 11,
} as const;

const DIGEST_BYTES = 32;
const noText = Buffer.alloc(0);

export class State {
  position = 0;
  /** log time: sessions */
  logMs = 0;
  /** calendar time: activation and expiration */
  calendarMs = 0;
  stateDigest: Uint8Array;
  readonly genesisDigest: Uint8Array;
  readonly sessions = new SessionTable();
  readonly handles = new HandleTable();
  readonly results = new ResultStore();
  readonly ended: EndedSessions;
  readonly container: VirtualContainer;
  readonly #sha256: LicensePorts["sha256"];
  readonly #journal = new ByteWriter(4096);

  constructor(
    genesis: Genesis,
    ports: LicensePorts,
    readonly limits: LicenseLimits,
    readonly rules: ProtocolRules,
  ) {
    const number = parseContainerNumber(genesis.virtualContainer);
    if (number === null) {
      throw new TmrError(
        "ERR_TMR_ARGUMENT",
        `genesis: virtualContainer: expected mask-serial, received ${genesis.virtualContainer}`,
      );
    }
    this.genesisDigest = genesisDigest(genesis, ports.sha256);
    this.stateDigest = this.genesisDigest;
    this.container = new VirtualContainer(number, ports.mergeContainers, rules);
    this.ended = new EndedSessions(limits.maxEndedSessions);
    this.#sha256 = ports.sha256;
  }

  /** Begins a batch. Neither time ever goes backwards, whatever a leader says. */
  begin(position: number, logMs: number, calendarMs: number): void {
    this.position = position;
    this.logMs = Math.max(this.logMs, logMs);
    this.calendarMs = Math.max(this.calendarMs, calendarMs);
    this.#journal.reset();
    this.#journal.raw(this.stateDigest);
    this.#journal.u8(Change.time);
    this.#journal.u64(this.position);
    this.#journal.u64(this.logMs);
    this.#journal.u64(this.calendarMs);
  }

  /** Ends a batch: the new state digest is SHA-256(old one ‖ journal). */
  end(): void {
    const digest = this.#sha256(this.#journal.view());
    if (digest.length !== DIGEST_BYTES) throw new TmrError("ERR_TMR_ARGUMENT", "sha256 did not return 32 bytes");
    this.stateDigest = digest;
  }

  openSession(key: string, names: Buffer, timeoutMs: number, answeredBelow: number): number {
    this.ended.delete(key);
    const slot = this.sessions.open(key, names, timeoutMs, this.logMs + timeoutMs, answeredBelow);
    this.#entry(Change.sessionOpened, slot);
    this.#journal.raw(Buffer.from(key, "latin1"));
    this.#journal.block(names);
    this.#journal.u32(timeoutMs);
    this.#journal.u64(answeredBelow);
    return slot;
  }

  /** Every request of a session keeps it alive. */
  touchSession(session: number): void {
    const deadline = this.logMs + this.sessions.timeoutMs(session);
    if (deadline === this.sessions.deadline(session)) return;
    this.sessions.setDeadline(session, deadline);
    this.#entry(Change.sessionTouched, session);
    this.#journal.u64(deadline);
  }

  /** The client has the answers below this number: their stored results go. */
  raiseAnsweredBelow(session: number, request: number): void {
    if (request <= this.sessions.answeredBelow(session)) return;
    this.sessions.setAnsweredBelow(session, request);
    this.results.dropBelow(session, request);
    this.#entry(Change.answeredBelow, session);
    this.#journal.u64(request);
  }

  /** Keeps a copy of the 128 bytes at `offset`, without their blob fields, and the blob itself. */
  storeResult(session: number, request: number, records: Buffer, offset: number, text: Buffer | null): void {
    this.results.store(session, request, records, offset, text);
    this.#entry(Change.resultStored, session);
    this.#journal.copy(records, offset, offset + ResultField.blobOffset);
    this.#journal.copy(records, offset + ResultField.blobLength + 4, offset + RESULT_BYTES);
    this.#journal.block(text ?? noText);
  }

  /** A session that its client closed: its last result stays for a repeat. */
  closeSession(session: number, request: number, record: Buffer): void {
    const key = this.sessions.key(session);
    this.#entry(Change.sessionClosed, session);
    this.#journal.u64(request);
    this.#journal.raw(record);
    this.#dropSession(session);
    this.ended.add(key, { request, record, text: noText });
  }

  timeOutSession(session: number): void {
    this.#entry(Change.sessionTimedOut, session);
    this.#dropSession(session);
  }

  /** An opening that was refused for good: there is no session that could keep the result. */
  refuseOpen(key: string, request: number, record: Buffer, text: Buffer): void {
    this.#journal.u8(Change.openRefused);
    this.#journal.u64(request);
    this.#journal.raw(record);
    this.#journal.block(text);
    this.ended.add(key, { request, record, text });
  }

  /** Returns the handle's slot. */
  grant(session: number, pool: Pool, seats: number, mode: number): number {
    const slot = this.handles.grant(session, pool.id, seats, mode);
    this.container.take(pool, seats);
    this.#entry(Change.granted, session);
    this.#journal.u64(this.handles.handle(slot));
    this.#journal.u32(pool.key.firmCode);
    this.#journal.u32(pool.key.productCode);
    this.#journal.u32(pool.key.tmrId);
    this.#journal.u32(pool.key.actId);
    this.#journal.u32(seats);
    this.#journal.u8(mode);
    return slot;
  }

  /** Gives a handle's seats back. */
  release(slot: number): void {
    this.#journal.u8(Change.released);
    this.#journal.u64(this.handles.handle(slot));
    this.#giveBack(slot);
  }

  acceptStatement(upstream: UpstreamNumber, statement: Statement): void {
    this.container.state(upstream, statement);
    this.#entry(Change.stated, upstream);
    this.#journal.u64(statement.version);
    this.#journal.raw(statement.digest);
  }

  #dropSession(session: number): void {
    for (let slot = this.handles.firstOf(session); slot !== -1; slot = this.handles.firstOf(session)) {
      this.#giveBack(slot);
    }
    this.results.dropBelow(session, Number.POSITIVE_INFINITY);
    this.sessions.close(session);
  }

  #giveBack(slot: number): void {
    this.container.give(this.container.pool(this.handles.pool(slot)), this.handles.seats(slot));
    this.handles.release(slot);
  }

  #entry(change: number, slot: number): void {
    this.#journal.u8(change);
    this.#journal.u32(slot);
  }
}
