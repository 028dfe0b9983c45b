/**
 * What a standalone license server does, without sockets, files or clocks: requests that have arrived become batches, the
 * batches of one turn are made durable by one write, applied to the license state, and only then answered. The order, the
 * bounds and the answers to clients are the engine's, as in a TMR server; here its own vote is the only one.
 */
import type { Ordering, PlainVotes } from "../engine/types.js";
import type { CommandOutcome } from "../server/commands.js";
import { LocalRequests, type Settle } from "../server/local-requests.js";
import { Proposals } from "../server/proposals.js";
import type { ReplicaStore } from "../store/store.js";
import { type Attester, attested } from "../upstream/attest.js";
import { Holding, type StatementMaker } from "../upstream/holding.js";
import type { LicenseStates } from "../upstream/license-state.js";
import { type PlacedBatch, ReplicaLog, type SnapshotPolicy } from "../upstream/replica-log.js";
import { BorrowVotes } from "../wire/borrow-votes.js";
import { Status } from "../wire/kinds.js";
import type { SystemRecord } from "../wire/system-record.js";
import { OwnClock } from "./own-clock.js";

/** Everything that leaves the sequencer, besides what the ordering sends to clients. */
export interface SequencerPorts {
  /** The document that answers a status request. */
  statusDocument(): Uint8Array;
  /** A client was answered from a position that the log does not have: the store is an old copy. */
  missing(position: number): void;
}

export interface SequencerOptions {
  /** with a quorum of one, and nobody else's */
  readonly ordering: Ordering & PlainVotes;
  readonly store: ReplicaStore;
  readonly states: LicenseStates;
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  /** signs what the own containers hold */
  readonly statement: StatementMaker;
  /** signs what is borrowed */
  readonly attest: Attester;
  readonly minTimeoutMs: number;
  readonly ports: SequencerPorts;
  /** default: that of every replica */
  readonly snapshots?: SnapshotPolicy;
}

/** This server, as the store and the log know it. */
const SELF = 1;
const INCARNATION_BYTES = 16;
/** Each start has an epoch of its own, so that the log shows when the server was started. */
const EPOCH_STEP = 2;

export class Sequencer {
  readonly epoch: number;
  readonly #ordering: Ordering & PlainVotes;
  readonly #log: ReplicaLog;
  readonly #proposals: Proposals;
  readonly #holding: Holding;
  readonly #clock: OwnClock;
  readonly #ports: SequencerPorts;
  readonly #attest: Attester;
  readonly #local: LocalRequests;
  #writes = 0;
  #stopped = false;

  /** Recovers from the store and begins an epoch. Throws what the store throws. */
  constructor(options: SequencerOptions) {
    const { ordering, store } = options;
    this.#ordering = ordering;
    this.#ports = options.ports;
    this.#attest = options.attest;
    this.#local = new LocalRequests({
      ordering,
      statusDocument: () => this.#ports.statusDocument(),
      attest: (handle, _nowMs, settle) => this.#attestAlone(handle, settle),
    });
    this.#log = new ReplicaLog({ ...options, upstream: SELF, votesKept: 1 });
    this.#proposals = new Proposals(ordering, options.minTimeoutMs);
    this.#holding = new Holding(SELF, store, options.statement);
    this.#clock = new OwnClock(this.#log.state.logMs, this.#log.state.calendarMs);
    this.epoch = store.meta().promised + EPOCH_STEP;
    store.writeMeta({ promised: this.epoch, logEpoch: this.epoch, blank: false });
    const members = Buffer.alloc(3 * INCARNATION_BYTES);
    members.set(store.meta().incarnation);
    ordering.activate(this.epoch, this.#log.position, this.#log.digest, members);
    ordering.stream(SELF, this.#log.position);
  }

  get position(): number {
    return this.#log.position;
  }

  get digest(): Uint8Array {
    return this.#log.digest;
  }

  get stateDigest(): Uint8Array {
    return this.#log.state.stateDigest;
  }

  /** Calendar time, ms since 1970: ahead of a wall clock that was put back. */
  get calendarMs(): number {
    return this.#clock.calendarMs;
  }

  /** Durable writes of batches: those of one turn share one. */
  get writes(): number {
    return this.#writes;
  }

  /** What the own containers hold may be something else now. */
  containersChanged(): void {
    this.#holding.changed();
  }

  /** Sessions that are opened from now on last at least so long. */
  minTimeout(ms: number): void {
    this.#proposals.minTimeout(ms);
  }

  /** Has a record ordered for whoever runs this server. `settle` is called once, maybe within the call. */
  command(record: SystemRecord, settle: (outcome: CommandOutcome) => void): void {
    if (this.#stopped) settle("not-active");
    else this.#proposals.commands.ask(record, settle);
  }

  /**
   * After anything has arrived, and at every tick: what waits is ordered, made durable, executed and answered. `nowMs` is
   * monotonic, `wallMs` the wall clock. Throws only what the store throws; then nothing more may be answered.
   */
  pump(nowMs: number, wallMs: number): void {
    if (this.#stopped) return;
    this.#local.take(nowMs);
    this.#clock.advance(nowMs, wallMs);
    const statement = this.#holding.next(this.#log.state, nowMs);
    if (statement !== null) this.#proposals.statement(SELF, Buffer.from(statement));
    this.#proposals.propose(this.#clock.logMs);
    this.#order(wallMs);
    this.#takeEvents();
  }

  /** No more batches: every client is told to ask again later. */
  stop(): void {
    this.#stopped = true;
    this.#proposals.commands.refuseAll("not-active");
    this.#ordering.refuseAll(Status["not-active"]);
  }

  /** Orders all that waits, as far as the window of batches under way reaches, with one durable write. */
  #order(wallMs: number): void {
    const batches: PlacedBatch[] = [];
    while (this.#ordering.nextBatch(this.#clock.logMs, this.#clock.calendarMs) > 0) {
      const { position } = this.#ordering;
      // The newest batch is always there.
      const batch = this.#ordering.batchAt(position) as Buffer;
      batches.push({ position, batch, digest: this.#log.chainDigest(batch) });
    }
    if (batches.length === 0) return;
    this.#writes++;
    for (const vote of this.#log.append(batches, wallMs)) this.#ordering.vote(SELF, vote);
  }

  #takeEvents(): void {
    for (let event = this.#ordering.takeEvent(); event !== null; event = this.#ordering.takeEvent()) {
      if (event.type === "proposed") this.#proposals.carried(event.record, event.blob);
      else if (event.type === "missing") this.#ports.missing(event.position);
    }
  }

  /** One server stands for an ordinary license, so its own signature is all that there is to collect. */
  #attestAlone(handle: number, settle: Settle): void {
    const votes = new BorrowVotes(handle, 1);
    votes.add(SELF, attested({ type: "attest", ask: 0, handle }, this.#log.state, this.#attest));
    const { status, blob } = votes.verdict([]) ?? { status: Status.busy, blob: Buffer.alloc(0) };
    settle(status, blob);
  }
}
