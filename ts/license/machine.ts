/**
 * The license state machine: from a state and a batch of the log to the next state and the results. Nothing else goes
 * in, no clock and no randomness, so three upstreams with the same log have the same state and answer byte for byte
 * alike.
 */
import { blobAreaOffset, MAX_BATCH_RECORDS, readBatchHeader, recordOffset } from "../wire/batch.js";
import { Kind, Status } from "../wire/kinds.js";
import { allRules, type ProtocolRules } from "../wire/rules.js";
import { administer } from "./administer.js";
import { Answer } from "./answer.js";
import { borrowDocument } from "./borrow.js";
import type { Call } from "./call.js";
import { executeRequest } from "./execute.js";
import type { AnyGenesis, LicensePorts } from "./genesis.js";
import { LIMITS, type LicenseLimits } from "./limits.js";
import { blobOf } from "./open-session.js";
import { checkOwnStatement } from "./own-statement.js";
import { settleAll, settleFreed, settleUsable } from "./queue.js";
import { readSnapshot, writeSnapshot } from "./snapshot.js";
import { State } from "./state.js";
import { checkStatement } from "./statement.js";
import type { UpstreamNumber } from "./virtual-container.js";
import { bytesOf, RequestWord, ResultWord, u64At, WORD_BYTES } from "./words.js";

/** Results of one batch. Views, valid until the next {@link LicenseMachine.apply}. */
export interface BatchResults {
  /** one record of 128 bytes per request, in the batch's order; `mark` and `markProof` are left to the TMR server */
  readonly records: Buffer;
  /** what the records' blob fields point into */
  readonly blobs: Buffer;
}

/** From here on only a server proposes. */
const FIRST_SYSTEM_KIND = 128;

export class LicenseMachine {
  readonly #state: State;
  readonly #ports: LicensePorts;
  readonly #out = new Answer();
  /** Header and records of the batch at hand, where they can be read as words: a batch may lie anywhere. */
  readonly #words = new Uint32Array(blobAreaOffset(MAX_BATCH_RECORDS) / WORD_BYTES);
  readonly #bytes = bytesOf(this.#words, 0, this.#words.length);
  /** Records of the batch at hand that ask for a checkpoint. */
  #checkpointsAsked: number[] = [];
  #checkpoint: Uint8Array | null = null;
  readonly #call: { -readonly [K in keyof Call]: Call[K] };

  private constructor(state: State, ports: LicensePorts) {
    this.#state = state;
    this.#ports = ports;
    const none = { at: 0, batch: Buffer.alloc(0), blobArea: 0, reached: 0, session: -1, kind: 0, request: 0 };
    this.#call = { state, out: this.#out, words: this.#words, ...none };
  }

  /** The empty state of a system. Throws ERR_TMR_ARGUMENT when the genesis is malformed. */
  static create(
    genesis: AnyGenesis,
    ports: LicensePorts,
    limits: LicenseLimits = LIMITS,
    rules: ProtocolRules = allRules,
  ): LicenseMachine {
    return new LicenseMachine(new State(genesis, ports, limits, rules), ports);
  }

  /** The state that {@link snapshot} gave. Throws ERR_TMR_STORE when the bytes are damaged or of another system. */
  static restore(
    snapshot: Uint8Array,
    genesis: AnyGenesis,
    ports: LicensePorts,
    limits: LicenseLimits = LIMITS,
    rules: ProtocolRules = allRules,
  ): LicenseMachine {
    const state = new State(genesis, ports, limits, rules);
    readSnapshot(snapshot, state, ports.sha256);
    return new LicenseMachine(state, ports);
  }

  /** Position of the last batch applied, 0 = none. */
  get position(): number {
    return this.#state.position;
  }

  /** Log time of the last batch, ms. */
  get logMs(): number {
    return this.#state.logMs;
  }

  /** Calendar time of the last batch, ms since 1970. */
  get calendarMs(): number {
    return this.#state.calendarMs;
  }

  /** 32 bytes: SHA-256(the digest before ‖ what the last batch changed); the genesis digest before any batch. */
  get stateDigest(): Uint8Array {
    return this.#state.stateDigest;
  }

  /** Version of the statement of this upstream that counts, 0 = none. */
  statementVersion(upstream: UpstreamNumber): number {
    return this.#state.container.statement(upstream)?.version ?? 0;
  }

  /** SHA-256 of the payload of that statement. */
  statementDigest(upstream: UpstreamNumber): Uint8Array | null {
    return this.#state.container.statement(upstream)?.digest ?? null;
  }

  /** The signing key of this upstream that counts now. */
  signingKey(upstream: UpstreamNumber): Uint8Array | null {
    return this.#state.signingKeys[upstream - 1] ?? null;
  }

  /** The document of what is borrowed under a handle, null when nothing is. */
  borrowDocument(handle: number): Uint8Array | null {
    return borrowDocument(this.#state, handle);
  }

  /** Applies the next batch of the log, which the caller has checked to be well-formed and next. */
  apply(batch: Buffer): BatchResults {
    const header = readBatchHeader(batch);
    this.#state.begin(header.position, header.logMs, header.calendarMs);
    this.#out.begin(header.count);
    this.#call.batch = batch;
    this.#call.blobArea = blobAreaOffset(header.count);
    batch.copy(this.#bytes, 0, 0, this.#call.blobArea);
    this.#call.reached = header.reached;
    this.#state.lapse();
    settleUsable(this.#state, header.reached);
    for (let i = 0; i < header.count; i++) this.#execute(i, recordOffset(i) / WORD_BYTES);
    this.#state.end();
    this.#answerCheckpoints();
    return this.#out.finish(header.count);
  }

  /** The snapshot that the last batch asked for, null when it did not: every upstream makes it at the same position. */
  get checkpoint(): Uint8Array | null {
    return this.#checkpoint;
  }

  /** The whole state; equal states give equal bytes. */
  snapshot(): Uint8Array {
    return writeSnapshot(this.#state, this.#ports.sha256);
  }

  #execute(index: number, at: number): void {
    const call = this.#call;
    call.at = at;
    call.kind = (call.words[at + RequestWord.kind] as number) & 0xff;
    call.request = u64At(call.words, at + RequestWord.request);
    call.session = -1;
    this.#out.open(index, call.words, at);
    this.#state.events.record = index;
    if (call.kind === Kind.expire) this.#expire();
    else if (call.kind === Kind.statement) this.#applyStatement();
    else if (call.kind === Kind.checkpoint) this.#checkpointsAsked.push(index);
    else if (call.kind >= FIRST_SYSTEM_KIND) administer(call);
    else executeRequest(call);
    if (this.#state.seats.freed.size > 0) settleFreed(this.#state, call.reached);
  }

  /** Ends every session whose time is over, and says when the next end of a session, a wait or a lingering will be. */
  #expire(): void {
    const state = this.#state;
    for (;;) {
      const session = state.sessions.firstToTimeOut();
      if (session === -1 || state.sessions.deadline(session) > state.logMs) break;
      state.timeOutSession(session);
    }
    settleFreed(state, this.#call.reached);
    this.#out.u64(ResultWord.nextExpiryMs, state.nextDeadline());
  }

  /**
   * The answer to a checkpoint is the SHA-256 of the state behind the whole batch. Being voted like any other answer, it
   * tells which snapshot is genuine when one upstream's state has to be taken over by another.
   */
  #answerCheckpoints(): void {
    this.#checkpoint = this.#checkpointsAsked.length === 0 ? null : this.snapshot();
    if (this.#checkpoint === null) return;
    const hash = this.#ports.sha256(this.#checkpoint);
    for (const index of this.#checkpointsAsked) this.#out.attach(index, hash);
    this.#checkpointsAsked = [];
  }

  #applyStatement(): void {
    const { words, at } = this.#call;
    const upstream = u64At(words, at + RequestWord.durationMs);
    const { signingKeys } = this.#state;
    const key = signingKeys[upstream - 1];
    if (key === undefined || !isUpstream(upstream)) {
      const known = signingKeys.length === 1 ? "upstream 1" : "upstream 1, 2 or 3";
      this.#out.refuse(Status["bad-request"], `A statement is by ${known}, not ${upstream}.`);
      return;
    }
    const check = this.#state.container.standalone ? checkOwnStatement : checkStatement;
    const statement = check(blobOf(this.#call), upstream, this.statementVersion(upstream), key, this.#ports);
    if (typeof statement === "string") {
      this.#out.refuse(Status["bad-request"], `The statement of upstream ${upstream} is refused: ${statement}.`);
      return;
    }
    this.#state.acceptStatement(upstream, statement);
    settleAll(this.#state, this.#call.reached);
  }
}

function isUpstream(number: number): number is UpstreamNumber {
  return number === 1 || number === 2 || number === 3;
}
