/**
 * One of the three replicas (protocol.md): what it promises, which log it adopts, what it votes for. A pure machine: messages
 * and time in, replies out; everything a reply depends on is durable in the store before it is returned. The sender is
 * trusted to be one of the two TMR servers and for no more: every message may be late, repeated, old, or malformed.
 */
import { type ReplicaMeta, type ReplicaStore, StoreDamageError } from "../store/store.js";
import { batchOfAppend } from "../wire/append.js";
import { BatchField } from "../wire/batch.js";
import { asBuffer, getU64 } from "../wire/bytes.js";
import { decodeLink, encodeLink, epochOf, type LinkMessage, type LinkMessageOf } from "../wire/link.js";
import { MAX_LINK_MESSAGE_BYTES } from "../wire/message.js";
import { allRules, type ProtocolRules } from "../wire/rules.js";
import { AppendRun } from "./append-run.js";
import { type Attester, attested } from "./attest.js";
import { Holding, type StatementMaker } from "./holding.js";
import { LeaderContact } from "./leader-contact.js";
import type { LicenseState } from "./license-state.js";
import { pong } from "./pong.js";
import { noCounts, type ReplicaCounters } from "./replica-counters.js";
import { type PlacedBatch, ReplicaLog, type ReplicaLogOptions } from "./replica-log.js";
import { sameBytes } from "./same-bytes.js";
import { SnapshotIntake } from "./snapshot-intake.js";
import type { UpstreamNumber } from "./types.js";

/** Part of a snapshot or burst of batches in one reply: leaves room for the header around it. */
const MAX_PART_BYTES = MAX_LINK_MESSAGE_BYTES / 2;
const INCARNATION_BYTES = 16;

export interface ReplicaOptions extends ReplicaLogOptions {
  readonly statement: StatementMaker;
  /** left out: it signs no borrowed license */
  readonly attest?: Attester | undefined;
  /** All of them, but in a simulation that shows what happens without one. */
  readonly rules?: ProtocolRules;
}

type Reply = LinkMessage | Buffer | null;

export class Replica {
  readonly #upstream: UpstreamNumber;
  readonly #store: ReplicaStore;
  readonly #log: ReplicaLog;
  readonly #holding: Holding;
  readonly #attest: Attester | undefined;
  readonly #rules: ProtocolRules;
  readonly #intake: SnapshotIntake;
  readonly #leader = new LeaderContact();
  readonly #counters = noCounts();

  /** Recovers from the store; throws what it throws for damage. */
  constructor(options: ReplicaOptions) {
    this.#upstream = options.upstream;
    this.#store = options.store;
    this.#rules = options.rules ?? allRules;
    this.#log = new ReplicaLog(options);
    this.#intake = new SnapshotIntake(options.sha256);
    this.#attest = options.attest;
    this.#holding = new Holding(options.upstream, options.store, options.statement);
  }

  connected(link: number): void {
    this.#leader.connected(link);
  }

  disconnected(link: number): void {
    this.#leader.disconnected(link);
  }

  /** The own containers may hold something else now. */
  containersChanged(): void {
    this.#holding.changed();
  }

  /** True when the own log has what the own containers hold. */
  get isStated(): boolean {
    return !this.#store.meta().blank && this.#holding.isStated(this.#log.state);
  }

  meta(): ReplicaMeta {
    return this.#store.meta();
  }

  get position(): number {
    return this.#log.position;
  }

  get digest(): Uint8Array {
    return this.#log.digest;
  }

  get state(): LicenseState {
    return this.#log.state;
  }

  counters(): ReplicaCounters {
    return { ...this.#counters };
  }

  /** {@link receiveAll} of one message. */
  receive(message: Uint8Array, link: number, nowMs: number, clockMs: number): Buffer[] {
    return this.receiveAll([message], link, nowMs, clockMs);
  }

  /**
   * Takes the opened messages of a TMR server that wait together, in their order, and returns the messages to send back
   * on the same link. Batches among them that follow each other are made durable by one write. `nowMs` is monotonic,
   * `clockMs` the wall clock that is reported for voted time. Throws only what the store throws.
   */
  receiveAll(messages: readonly Uint8Array[], link: number, nowMs: number, clockMs: number): Buffer[] {
    const replies: Buffer[] = [];
    const run = new AppendRun(this.#log);
    for (const message of messages) {
      const bytes = asBuffer(message);
      const batch = batchOfAppend(bytes);
      if (batch !== null && this.#mayAppend(batch) && run.take(batch)) continue;
      this.#finish(run, link, nowMs, clockMs, replies);
      const control = batch === null ? decodeLink(bytes) : null;
      if (batch !== null) {
        this.#say(this.#notNext(batch, clockMs), getU64(batch, BatchField.epoch), link, nowMs, replies);
      } else if (control !== null) {
        this.#say(this.#control(control, nowMs, clockMs), epochOf(control), link, nowMs, replies);
      } else {
        this.#counters.malformed++;
      }
    }
    this.#finish(run, link, nowMs, clockMs, replies);
    return replies;
  }

  #finish(run: AppendRun, link: number, nowMs: number, clockMs: number, replies: Buffer[]): void {
    if (run.size === 0) return;
    this.#counters.appends += run.size;
    this.#counters.appendWrites++;
    replies.push(...run.finish(clockMs));
    this.#heard(this.#store.meta().logEpoch, link, nowMs, replies);
  }

  #say(reply: Reply, epoch: number, link: number, nowMs: number, replies: Buffer[]): void {
    if (reply !== null) replies.push(Buffer.isBuffer(reply) ? reply : encodeLink(reply));
    this.#heard(epoch, link, nowMs, replies);
  }

  /** Notes that the leader of `epoch` is alive on this link; adds the holding statement when it is to be offered. */
  #heard(epoch: number, link: number, nowMs: number, replies: Buffer[]): void {
    const { promised, logEpoch, blank } = this.#store.meta();
    if (epoch === 0 || epoch !== promised) return;
    this.#leader.heard(epoch, link, nowMs);
    if (blank || logEpoch !== epoch) return;
    const statement = this.#holding.next(this.#log.state, nowMs);
    if (statement !== null) replies.push(encodeLink({ type: "holding", statement }));
  }

  #control(message: LinkMessage, nowMs: number, clockMs: number): Reply {
    switch (message.type) {
      case "prepare":
        return this.#prepare(message, clockMs);
      case "found":
        return this.#found(message, clockMs);
      case "probe":
        return this.#bound(message.epoch, () => this.#probe(message));
      case "fetch":
        return this.#bound(message.epoch, () => this.#fetch(message));
      case "extend":
        return this.#bound(message.epoch, () => this.#extend(message));
      case "install":
        return this.#bound(message.epoch, () => this.#install(message));
      case "sync":
        return this.#bound(message.epoch, () => this.#sync(message));
      case "ping":
        return pong(this.#store.meta(), this.#log, this.#leader, nowMs, clockMs);
      case "reset":
        return this.#bound(message.epoch, () => this.#reset(message));
      case "attest":
        return attested(message, this.#log.state, this.#attest);
      case "promise":
      case "refused":
      case "blank":
      case "probed":
      case "entries":
      case "snapshot":
      case "extended":
      case "synced":
      case "behind":
      case "pong":
      case "holding":
      case "attested":
      case "askContext":
      case "contextIs":
      case "update":
      case "updated":
      case "vouch":
      case "vouched":
      case "heartbeat":
      case "handOver":
      case "handOverReply":
        return this.#unexpected();
      default:
        return message satisfies never;
    }
  }

  // ---- promises (rules 1, 8) -----------------------------------------------------------------------------------

  #prepare({ epoch, ask }: Pick<LinkMessageOf<"prepare">, "epoch" | "ask">, clockMs: number): Reply {
    const { promised, blank } = this.#store.meta();
    if (blank) return this.#blank(epoch);
    if (epoch < promised) return this.#refused(epoch);
    if (epoch > promised) this.#store.writeMeta({ promised: epoch });
    return this.#promise(epoch, ask, clockMs);
  }

  /**
   * A system begins: the three blank stores become its members. Not with a log that a leader began to refill: then the
   * system has run before, and what it knew must not be founded away.
   */
  #found({ epoch, ask, members }: LinkMessageOf<"found">, clockMs: number): Reply {
    const meta = this.#store.meta();
    if (epoch < meta.promised) return this.#refused(epoch);
    if (!meta.blank)
      return sameBytes(members, meta.members) ? this.#prepare({ epoch, ask }, clockMs) : this.#unexpected();
    if (epoch === meta.promised || this.#log.position !== 0 || !this.#isMember(members)) return this.#blank(epoch);
    this.#store.writeMeta({ blank: false, members: Uint8Array.from(members), promised: epoch, logEpoch: 0 });
    return this.#promise(epoch, ask, clockMs);
  }

  #promise(epoch: number, ask: number, clockMs: number): Reply {
    const { incarnation, members, stamp, logEpoch: stamped } = this.#store.meta();
    const logEpoch = this.#rules.restamp ? stamped : (this.#log.lastEpoch ?? stamped);
    const { stateDigest, logMs, calendarMs } = this.#log.state;
    const { position, digest, start } = this.#log;
    return {
      type: "promise",
      epoch,
      ask,
      incarnation,
      members,
      stamp,
      logEpoch,
      position,
      digest,
      stateDigest,
      logStart: start,
      logMs,
      calendarMs,
      clockMs,
    };
  }

  /**
   * Acts on a message of the promised epoch. A blank store has promised nobody, but keeps to the highest leader that
   * fills it, so that an old one cannot mix its log in.
   */
  #bound(epoch: number, act: () => Reply): Reply {
    const { promised, blank } = this.#store.meta();
    if (epoch < promised) return this.#refused(epoch);
    if (epoch > promised && !blank) return this.#unexpected();
    if (epoch > promised) this.#store.writeMeta({ promised: epoch });
    return epoch === 0 ? this.#unexpected() : act();
  }

  // ---- adopting a log (rules 3, 8) -----------------------------------------------------------------------------

  #probe({ epoch, position }: LinkMessageOf<"probe">): Reply {
    const digest = this.#log.digestAt(position);
    return { type: "probed", epoch, position, known: digest === null ? 0 : 1, digest: digest ?? Buffer.alloc(32) };
  }

  #fetch({ epoch, after, offset, maxBytes }: LinkMessageOf<"fetch">): Reply {
    if (this.#store.meta().blank) return this.#blank(epoch);
    const bytes = Math.min(Math.max(maxBytes, 1), MAX_PART_BYTES);
    if (after >= this.#log.start - 1) {
      const batches = after > this.#log.position ? [] : this.#log.read(after, bytes);
      return { type: "entries", epoch, after, position: this.#log.position, batches };
    }
    const part = this.#log.snapshotPart(offset, bytes);
    return part === null ? this.#unexpected() : { type: "snapshot", epoch, offset, ...part };
  }

  /**
   * Adopts batches of the chosen log. What is here already is kept, and what lies behind the batches too, until Sync
   * says where the chosen log ends: cutting more than what differs could drop carried batches when the leader dies
   * before it has sent the rest.
   */
  #extend({ epoch, after, afterDigest, batches }: LinkMessageOf<"extend">): Reply {
    if (!sameBytes(this.#log.digestAt(after), afterDigest)) return this.#behind(epoch);
    const placed: PlacedBatch[] = [];
    let end = { position: after, digest: afterDigest };
    for (const batch of batches) {
      const next = this.#log.place(batch, end.position + 1, end.digest, epoch);
      if (next === null) return this.#malformed();
      placed.push(next);
      end = next;
    }
    const fresh = placed.filter(({ position, digest }) => !sameBytes(this.#log.digestAt(position), digest));
    const first = fresh[0];
    if (first !== undefined && first.position <= this.#log.position) {
      // Under the own epoch's leader a position has one content: another is a fault, not a reason to cut.
      const ownEpoch = this.#store.meta().logEpoch === epoch;
      if (ownEpoch || !this.#log.canCut(first.position - 1)) return this.#behind(epoch);
      this.#log.cut(first.position - 1);
    }
    this.#log.append(fresh, 0);
    return { type: "extended", epoch, position: end.position, digest: end.digest, offset: 0 };
  }

  #install(message: LinkMessageOf<"install">): Reply {
    const { epoch, position, digest } = message;
    const done: Reply = { type: "extended", epoch, position, digest, offset: 0 };
    if (sameBytes(this.#log.digestAt(position), digest)) return done;
    // Within an epoch a log only grows. A snapshot of the own was carried, so the chosen log has it. Either way an
    // older snapshot would take carried batches away.
    const { logEpoch, blank } = this.#store.meta();
    const older = logEpoch === epoch ? position <= this.#log.position : !blank && !this.#log.canCut(position);
    if (older) return this.#behind(epoch);
    const outcome = this.#intake.take(message);
    switch (outcome.type) {
      case "part":
        return {
          type: "extended",
          epoch,
          position: this.#log.position,
          digest: this.#log.digest,
          offset: outcome.offset,
        };
      case "whole":
        return this.#log.install(position, digest, outcome.bytes) ? done : this.#malformed();
      case "unfit":
        this.#intake.clear();
        return this.#behind(epoch);
      default:
        return outcome satisfies never;
    }
  }

  #sync({ epoch, members, stamp, position, digest }: LinkMessageOf<"sync">): Reply {
    const { logEpoch, incarnation } = this.#store.meta();
    if (!this.#isMember(members)) return this.#blank(epoch);
    if (!sameBytes(this.#log.digestAt(position), digest)) return this.#behind(epoch);
    // A Sync that comes again after appends of its epoch must not cut them.
    if (logEpoch !== epoch) {
      if (!this.#log.canCut(position)) return this.#behind(epoch);
      this.#log.cut(position);
      this.#store.writeMeta({
        logEpoch: epoch,
        members: Uint8Array.from(members),
        stamp: Uint8Array.from(stamp),
        blank: false,
      });
      this.#intake.clear();
      this.#holding.announce();
    }
    return { type: "synced", epoch, incarnation, position, digest };
  }

  /** Rule 11: what this store answered differs from what two others agreed on. It is treated like a lost disk. */
  #reset({ epoch, incarnation }: LinkMessageOf<"reset">): Reply {
    const meta = this.#store.meta();
    if (meta.blank || !sameBytes(incarnation, meta.incarnation)) return this.#blankOrNothing(epoch);
    throw new StoreDamageError("two upstreams agreed on another answer than this store gave: it is set aside");
  }

  // ---- appending (rules 4, 5, 16) --------------------------------------------------------------------------------

  /** True for a batch of the leader that synced this log; whether it is the next one is another question. */
  #mayAppend(batch: Buffer): boolean {
    const epoch = getU64(batch, BatchField.epoch);
    const { promised, logEpoch, blank } = this.#store.meta();
    return !blank && epoch === logEpoch && (epoch === promised || (epoch < promised && !this.#rules.promiseFences));
  }

  /** A batch that is not the next one of this log: here already, or the reason why it is not taken. */
  #notNext(batch: Buffer, clockMs: number): Reply {
    const epoch = getU64(batch, BatchField.epoch);
    const position = getU64(batch, BatchField.position);
    const { promised, blank } = this.#store.meta();
    if (blank) return this.#blank(epoch);
    if (epoch < promised && this.#rules.promiseFences) return this.#refused(epoch);
    if (epoch > promised || position === 0) return this.#unexpected();
    if (!this.#mayAppend(batch) || !sameBytes(this.#log.digestAt(position), this.#log.chainDigest(batch))) {
      return this.#behind(epoch);
    }
    this.#counters.repeated++;
    return this.#log.vote(position, epoch, clockMs) ?? this.#behind(epoch);
  }

  // ---- small replies -----------------------------------------------------------------------------------------------

  #isMember(members: Uint8Array): boolean {
    const at = (this.#upstream - 1) * INCARNATION_BYTES;
    return sameBytes(members.subarray(at, at + INCARNATION_BYTES), this.#store.meta().incarnation);
  }

  #blankOrNothing(epoch: number): Reply {
    return this.#store.meta().blank ? this.#blank(epoch) : this.#unexpected();
  }

  #blank(epoch: number): Reply {
    return { type: "blank", epoch, incarnation: this.#store.meta().incarnation };
  }

  #refused(epoch: number): Reply {
    this.#counters.refused++;
    return { type: "refused", epoch, promised: this.#store.meta().promised };
  }

  #behind(epoch: number): Reply {
    const { logEpoch } = this.#store.meta();
    return { type: "behind", epoch, logEpoch, position: this.#log.position, digest: this.#log.digest };
  }

  #malformed(): null {
    this.#counters.malformed++;
    return null;
  }

  #unexpected(): null {
    this.#counters.unexpected++;
    return null;
  }
}
