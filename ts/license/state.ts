/**
 * Everything that the upstreams must agree on, and the only functions that change it. Each change appends its bytes to
 * the journal of the batch, so that the chain of journals is a digest of the state that costs what the changes cost.
 */

import { TmrError } from "../errors.js";
import type { ProtocolRules } from "../wire/rules.js";
import { AccessList, type LicenseName } from "./access-list.js";
import { type Borrowing, Borrowings, writeBorrowing } from "./borrowings.js";
import type { Claims } from "./claims.js";
import { EndedSessions } from "./ended.js";
import { EventLog } from "./events.js";
import {
  type AnyGenesis,
  genesisDigest,
  isStandalone,
  type LicensePorts,
  signingKeysOf,
  virtualNumberOf,
} from "./genesis.js";
import { HandleState } from "./handle-row.js";
import { HandleTable } from "./handles.js";
import type { LicenseLimits } from "./limits.js";
import { lossOf } from "./losses.js";
import type { Party } from "./party.js";
import { type Item, licenseNameOf, type Pool } from "./pool.js";
import { ResultStore } from "./results.js";
import { SeatBook, type SeatsTaken, type WaitWanted } from "./seat-book.js";
import { SessionTable } from "./sessions.js";
import type { Statement } from "./statement.js";
import { trackBegin, trackChangedLicenses, trackEnd } from "./tracked.js";
import { type UpstreamNumber, VirtualContainer } from "./virtual-container.js";
import { WordWriter } from "./word-writer.js";
import { RECORD_WORDS, ResultWord, SESSION_WORDS } from "./words.js";

/** First word of each journal entry. */
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
  queued: 12,
  promoted: 13,
  lost: 14,
  lapsed: 15,
  givenUp: 16,
  accessListSet: 17,
  borrowed: 18,
  borrowingEnded: 19,
  succeeded: 20,
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
  /** of upstreams 1, 2, 3, or of the one that there is: whose statements count */
  readonly signingKeys: Buffer[];
  /** those that the system began with */
  readonly foundingKeys: readonly Buffer[];
  readonly sessions: SessionTable;
  readonly handles: HandleTable;
  readonly results: ResultStore;
  readonly ended: EndedSessions;
  readonly container: VirtualContainer;
  readonly seats: SeatBook;
  readonly borrowings = new Borrowings();
  accessList = AccessList.empty;
  readonly events: EventLog;
  readonly sha256: LicensePorts["sha256"];
  readonly verifyEd25519: LicensePorts["verifyEd25519"];
  readonly #journal = new WordWriter(4096);

  constructor(
    genesis: AnyGenesis,
    ports: LicensePorts,
    readonly limits: LicenseLimits,
    readonly rules: ProtocolRules,
  ) {
    const number = isStandalone(genesis) ? null : virtualNumberOf(genesis);
    this.genesisDigest = genesisDigest(genesis, ports.sha256);
    this.stateDigest = this.genesisDigest;
    this.foundingKeys = signingKeysOf(genesis);
    this.signingKeys = [...this.foundingKeys];
    this.container = new VirtualContainer(number, ports.mergeContainers, rules, limits.maxRemembered);
    const seed = ports.indexSeed ?? 1;
    this.sessions = new SessionTable(seed);
    this.handles = new HandleTable(this.sessions);
    this.results = new ResultStore(this.sessions);
    this.ended = new EndedSessions(limits.maxEndedSessions, seed);
    this.seats = new SeatBook(this.handles, this.container);
    this.sha256 = ports.sha256;
    this.events = new EventLog(this, this.#journal, limits.maxEventBytes);
    this.verifyEd25519 = ports.verifyEd25519;
  }

  /** What is claimed by what somebody is. */
  get claims(): Claims {
    return this.seats.claims;
  }

  /** Begins a batch. Neither time ever goes backwards, whatever a leader says. */
  begin(position: number, logMs: number, calendarMs: number): void {
    this.position = position;
    this.logMs = Math.max(this.logMs, logMs);
    this.calendarMs = Math.max(this.calendarMs, calendarMs);
    // What happens before the first record is numbered with it, not with the last one of the batch before.
    this.events.record = 0;
    this.#journal.reset();
    this.#journal.raw(this.stateDigest);
    this.#journal.u32(Change.time);
    this.#journal.u64(this.position);
    this.#journal.u64(this.logMs);
    this.#journal.u64(this.calendarMs);
  }

  /** Ends a batch: the new state digest is SHA-256(old one ‖ journal). */
  end(): void {
    const digest = this.sha256(this.#journal.view());
    if (digest.length !== DIGEST_BYTES) throw new TmrError("ERR_TMR_ARGUMENT", "sha256 did not return 32 bytes");
    this.stateDigest = digest;
  }

  /** Opens the session in the four words of `key` from `at` on. Returns its slot. */
  openSession(key: Uint32Array, at: number, identity: Buffer, timeoutMs: number, answeredBelow: number): number {
    this.ended.delete(key, at);
    const slot = this.sessions.open(key, at, identity, timeoutMs, this.logMs + timeoutMs, answeredBelow);
    this.#journal.three(Change.sessionOpened, slot, timeoutMs);
    this.#journal.words(key, at, SESSION_WORDS);
    this.#journal.u64(answeredBelow);
    this.#journal.block(identity);
    return slot;
  }

  /** Every request of a session keeps it alive. */
  touchSession(session: number): void {
    const deadline = this.logMs + this.sessions.timeoutMs(session);
    if (deadline === this.sessions.deadline(session)) return;
    this.sessions.setDeadline(session, deadline);
    this.#entry(Change.sessionTouched, session, deadline);
  }

  /** The client has the answers below this number: their stored results go. */
  raiseAnsweredBelow(session: number, request: number): void {
    if (request <= this.sessions.answeredBelow(session)) return;
    this.sessions.setAnsweredBelow(session, request);
    this.results.dropBelow(session, request);
    this.#entry(Change.answeredBelow, session, request);
  }

  /** Keeps a copy of the record at word `at` without its blob fields, and its blob; the record names its request. */
  storeResult(session: number, words: Uint32Array, at: number, text: Buffer | null): void {
    this.results.store(session, words, at, text);
    this.#journal.u32(Change.resultStored);
    this.#journal.u32(session);
    this.#record(words, at, text);
  }

  /** A session that its client closed: its last result, the record at word `at`, stays for a repeat. */
  closeSession(session: number, words: Uint32Array, at: number): void {
    this.#journal.u32(Change.sessionClosed);
    this.#journal.u32(session);
    this.#record(words, at, null);
    this.#dropSession(session, "closed");
    this.ended.add(words, at, null);
  }

  timeOutSession(session: number): void {
    this.#journal.u32(Change.sessionTimedOut);
    this.#journal.u32(session);
    this.#dropSession(session, "timed-out");
  }

  /** An opening that was refused for good: there is no session that could keep the result. */
  refuseOpen(words: Uint32Array, at: number, text: Buffer | null): void {
    this.#journal.u32(Change.openRefused);
    this.#record(words, at, text);
    this.ended.add(words, at, text);
  }

  /** Grants seats of an item or module; `rule` counts them. Returns the handle's slot. */
  grant(session: number, item: Item, seats: number, mode: number, rule = 0): number {
    const slot = this.seats.grant(session, item, seats, mode, rule, this.calendarMs);
    this.#granted(Change.granted, slot, item.pool);
    if (this.events.on) trackBegin(this, slot, "access");
    this.#noteModule(slot, item);
    return slot;
  }

  /** A handle that waits for its seats until `deadline`. Returns its slot. */
  enqueue(session: number, item: Item, wanted: WaitWanted, deadline: number): number {
    const slot = this.seats.enqueue(session, item, wanted, this.calendarMs, deadline);
    this.#granted(Change.queued, slot, item.pool);
    this.#journal.u64(deadline);
    if (this.events.on) trackBegin(this, slot, "queue");
    this.#noteModule(slot, item);
    return slot;
  }

  /** A handle that waited gets its seats. */
  promote(slot: number, seats: number, rule: number): void {
    this.seats.promote(slot, seats, rule, this.calendarMs);
    this.#entry(Change.promoted, seats, this.handles.handle(slot));
    if (this.events.on) trackBegin(this, slot, "access");
  }

  /** Gives a handle back: its seats, its place among those that wait, or what is left of one that was lost. */
  release(slot: number): void {
    this.#journal.u32(Change.released);
    this.#journal.u64(this.handles.handle(slot));
    this.#release(slot, "released");
  }

  /** Takes a handle away; its client is told `why` until it gives the handle back. */
  lose(slot: number, why: number): void {
    this.#entry(Change.lost, why, this.handles.handle(slot));
    const end = this.events.on ? trackEnd(this, slot, lossOf(why).cause) : null;
    this.seats.lose(slot, why, this.limits.maxLostHandles);
    end?.();
  }

  /** Gives up seats that linger for a user who asks for seats. */
  giveUpLingering(pool: Pool, party: Party, seats: number): void {
    const given = this.seats.giveUp(pool, party, seats);
    if (given > 0) this.#entry(Change.givenUp, pool.id, given);
  }

  /**
   * Seats that are used offline: the handle is of no session any more. What else a granted access notes is the caller's.
   * Returns the slot.
   */
  borrow(session: number, item: Item, taken: SeatsTaken, featureMap: number, borrowing: Borrowing): number {
    const slot = this.seats.borrow(session, item, taken.seats, taken.rule, this.calendarMs);
    this.handles.setFeatureMap(slot, featureMap);
    this.borrowings.add(slot, borrowing);
    this.#entry(Change.borrowed, featureMap, this.handles.handle(slot));
    this.#journal.three(item.pool.id, taken.seats, taken.rule);
    this.#journal.block(this.handles.identity(slot));
    writeBorrowing(borrowing, this.#journal);
    if (this.events.on) trackBegin(this, slot, "borrow");
    this.#noteModule(slot, item);
    return slot;
  }

  /** A borrowed license is back, or its time is over: its seats are free. */
  endBorrowing(slot: number, cause: "returned" | "ended" | "cancelled"): void {
    this.#entry(Change.borrowingEnded, slot, this.handles.handle(slot));
    const end = this.events.on ? trackEnd(this, slot, cause) : null;
    this.borrowings.delete(slot);
    this.seats.drop(slot);
    end?.();
  }

  /**
   * Log time of the next end of a session, of waiting or of lingering, 0 = none. Borrowings end by calendar time, which
   * need not go as fast: what is said of them only brings the next look at them.
   */
  nextDeadline(): number {
    const session = this.sessions.firstToTimeOut();
    const handle = this.handles.firstDue();
    const borrowed = this.borrowings.firstToEnd();
    const next = Math.min(
      session === -1 ? Number.POSITIVE_INFINITY : this.sessions.deadline(session),
      handle === -1 ? Number.POSITIVE_INFINITY : this.handles.deadline(handle),
      borrowed === -1 ? Number.POSITIVE_INFINITY : this.logMs + Math.max(0, this.#leftOf(borrowed)) + 1,
    );
    return next === Number.POSITIVE_INFINITY ? 0 : next;
  }

  #leftOf(borrowed: number): number {
    return (this.borrowings.get(borrowed)?.untilMs ?? 0) - this.calendarMs;
  }

  /** Ends the lingering, the waiting and the borrowings whose time is over. */
  lapse(): void {
    for (
      let slot = this.borrowings.firstToEnd();
      slot !== -1 && this.#leftOf(slot) < 0;
      slot = this.borrowings.firstToEnd()
    ) {
      this.endBorrowing(slot, "ended");
    }
    const { handles } = this;
    for (
      let slot = handles.firstDue();
      slot !== -1 && handles.deadline(slot) <= this.logMs;
      slot = handles.firstDue()
    ) {
      if (handles.state(slot) === HandleState.queued) {
        this.lose(slot, HandleState.overdue);
      } else {
        this.endLingering(slot);
      }
    }
  }

  /** Frees seats that linger. */
  endLingering(slot: number): void {
    this.#entry(Change.lapsed, slot, this.handles.handle(slot));
    const end = this.events.on ? trackEnd(this, slot, "lingered") : null;
    this.seats.drop(slot);
    end?.();
  }

  /** Another access list: what is taken is counted by its rules; who waits and is not allowed any more does not wait. */
  setAccessList(list: AccessList): void {
    this.accessList = list;
    this.#journal.u32(Change.accessListSet);
    this.#journal.block(list.bytes);
    for (const slot of this.seats.applyAccessList(list)) this.lose(slot, HandleState.denied);
  }

  /** How the access list names the license of a pool. */
  licenseName(pool: Pool): LicenseName {
    return licenseNameOf(pool);
  }

  /** The item or module that a handle is of; null when it is gone. */
  itemOf(slot: number): Item | null {
    return this.container.itemOf(this.container.pool(this.handles.pool(slot)), this.handles.modules.productCode(slot));
  }

  /** Takes units; the caller checked that there are so many. */
  consume({ id, memory }: Pool, units: number): void {
    memory.consume(id, units, this.#journal);
  }

  /** The usage period runs from now on, if it does not yet. */
  useFirst({ id, memory }: Pool): void {
    memory.useFirst(id, this.calendarMs, this.#journal);
  }

  /** Binds a license to a user instead of the issued one. */
  bindUser(pool: Pool, user: string, issuedUser: string): void {
    pool.memory.bind(pool.id, user, issuedUser, this.calendarMs, this.#journal);
    // Whoever else waits can have it no more.
    this.seats.review(pool);
  }

  writeUserData({ id, memory }: Pool, data: Buffer): void {
    memory.writeUserData(id, data, this.#journal);
  }

  acceptStatement(upstream: UpstreamNumber, statement: Statement): void {
    const before = this.container.items;
    this.container.state(upstream, statement);
    if (!this.accessList.isEmpty) this.seats.countAgain();
    this.#entry(Change.stated, upstream, statement.version);
    this.#journal.raw(statement.digest);
    if (this.events.on) trackChangedLicenses(this, before);
  }

  /** The upstream has another key from now on; what was stated under the old one is gone. */
  succeed(upstream: UpstreamNumber, key: Buffer): void {
    const before = this.container.items;
    this.signingKeys[upstream - 1] = key;
    this.container.forget(upstream);
    if (!this.accessList.isEmpty) this.seats.countAgain();
    this.#entry(Change.succeeded, upstream, 0);
    this.#journal.raw(key);
    if (this.events.on) trackChangedLicenses(this, before);
  }

  #dropSession(session: number, cause: "closed" | "timed-out"): void {
    for (let slot = this.handles.firstOf(session); slot !== -1; slot = this.handles.firstOf(session)) {
      this.#release(slot, cause);
    }
    this.results.dropBelow(session, Number.POSITIVE_INFINITY);
    this.sessions.close(session);
  }

  #release(slot: number, cause: "released" | "closed" | "timed-out"): void {
    const end = this.events.on ? trackEnd(this, slot, cause) : null;
    this.seats.release(slot, this.logMs, this.calendarMs);
    end?.();
  }

  /** Notes when a handle is of a module, not of the pool's item itself. */
  #noteModule(slot: number, { isModule, terms }: Item): void {
    if (isModule) this.handles.modules.add(slot, terms.productCode, this.#journal);
  }

  #granted(change: number, slot: number, { key }: Pool): void {
    const { handles } = this;
    this.#entry(change, handles.session(slot), handles.handle(slot));
    this.#journal.three(key.firmCode, key.productCode, key.tmrId);
    this.#journal.three(key.actId, handles.seats(slot), handles.mode(slot));
  }

  /** An entry about a slot, with a 64-bit integer. */
  #entry(change: number, slot: number, value: number): void {
    this.#journal.u32(change);
    this.#journal.u32(slot);
    this.#journal.u64(value);
  }

  /** A record as it is kept: where its blob lay is not part of it. */
  #record(words: Uint32Array, at: number, text: Buffer | null): void {
    const after = ResultWord.blobLength + 1;
    this.#journal.words(words, at, ResultWord.blobOffset);
    this.#journal.words(words, at + after, RECORD_WORDS - after);
    this.#journal.block(text ?? noText);
  }
}
