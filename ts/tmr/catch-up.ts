/**
 * Brings one upstream's log to a prefix of the chosen log: finds the last position where both agree, then moves
 * bursts of batches (or a snapshot, where the source's log begins later) from a source upstream. One request is under
 * way at a time, so that repeated "behind" answers cannot multiply (protocol.md rule 15). Every request may be
 * repeated: a lost or doubled message changes nothing. Pure: messages in, messages out.
 */
import { acknowledgedBy } from "../wire/batch.js";
import type { LinkMessage } from "../wire/link.js";
import { sameBytes, type UpstreamId } from "./choose.js";

/** A position of a log and the chain digest there. */
export interface LogPoint {
  readonly position: number;
  readonly digest: Uint8Array;
}

export interface Outgoing {
  readonly to: UpstreamId;
  readonly message: LinkMessage;
}

export interface CatchUpOptions {
  readonly epoch: number;
  readonly target: UpstreamId;
  /** Where the target's log ends, as it said. */
  readonly targetEnd: LogPoint;
  /**
   * The epoch that its log was last synced under, where `targetEnd` is what its promise said; null where it is not, or
   * the disk is blank: then nothing can be said of what it acknowledged.
   */
  readonly promisedLogEpoch: number | null;
  readonly source: UpstreamId;
  readonly sourceEnd: LogPoint;
  readonly burstBytes: number;
  /** Whether a batch carries the twins' MAC: an upstream cannot forge an entry. */
  verifyMac(batch: Uint8Array): boolean;
  /**
   * The SHA-256 that two upstreams voted for the snapshot at a position, null where they did not. A snapshot's content is
   * not part of the chain, so one source alone could forge it.
   */
  stateHashAt(position: number): Uint8Array | null;
  /** Whether a snapshot without a voted hash may be taken: only where no second upstream could vote. */
  unvotedSnapshots(): boolean;
}

type Stage =
  | { readonly type: "compare"; readonly position: number; readonly source: Found; readonly target: Found }
  | { readonly type: "fetch" }
  | { readonly type: "deliver" }
  | { readonly type: "ready" };
/** A probe's answer: not yet, not in that log, or the digest. */
type Found = undefined | null | Uint8Array;

/** A target that answers "behind" this often without getting on has a log that cannot be joined. */
const MAX_RESTARTS = 5;

/** `rolled-back`: the target's log lacks what the target has acknowledged. */
export type CatchUpFault = "source-forged" | "no-common-history" | "rolled-back";

export class CatchUp {
  readonly source: UpstreamId;
  readonly target: UpstreamId;
  /** From here on the target needs what the source has; null while still looking for it. */
  base: LogPoint | null = null;
  /** The two logs are known to be the same up to `base`. Else only a snapshot of the source can bring the target on. */
  agreed = false;
  /** Set when the source cannot be trusted or the two share nothing; the leader decides what follows. */
  fault: CatchUpFault | null = null;
  /** The source offers a snapshot that nobody has voted on: a checkpoint is needed before this goes on. */
  wantsCheckpoint = false;
  /** The checkpoint that the last attempt was made with. */
  triedCheckpoint = 0;
  readonly #options: CatchUpOptions;
  #stage: Stage;
  #backStep = 1;
  /** The lowest position where the logs differ, and the highest one below it that the target cannot tell any more. */
  #differsAt = Number.POSITIVE_INFINITY;
  #untoldAt = -1;
  #restarts = 0;
  #snapshotOffset = 0;
  #waiting: Outgoing[] = [];
  #sentAtMs = 0;
  #askedAtMs = 0;

  constructor(options: CatchUpOptions) {
    this.#options = options;
    this.source = options.source;
    this.target = options.target;
    this.#stage = { type: "ready" };
  }

  /** True when the base is known and nothing is under way: the leader says whether to go on or to sync. */
  get ready(): boolean {
    return this.#stage.type === "ready" && this.base !== null && !this.wantsCheckpoint;
  }

  /** Since when the source owes an answer; null while it owes none. */
  get sourceOwesSinceMs(): number | null {
    const owes = this.#stage.type === "fetch" || (this.#stage.type === "compare" && this.#stage.source === undefined);
    return owes ? this.#askedAtMs : null;
  }

  begin(nowMs: number): Outgoing[] {
    const { sourceEnd, targetEnd } = this.#options;
    return this.#compare(Math.min(sourceEnd.position, targetEnd.position), nowMs);
  }

  /** Moves the next burst. */
  advance(nowMs: number): Outgoing[] {
    if (this.base === null) return this.begin(nowMs);
    this.#stage = { type: "fetch" };
    this.wantsCheckpoint = false;
    return this.#send(nowMs, {
      to: this.source,
      message: {
        type: "fetch",
        epoch: this.#options.epoch,
        after: this.base.position,
        offset: this.#snapshotOffset,
        maxBytes: this.#options.burstBytes,
      },
    });
  }

  /** Sends again what has had no answer for `retryMs`. */
  tick(nowMs: number, retryMs: number): Outgoing[] {
    if (this.#waiting.length === 0 || nowMs - this.#sentAtMs < retryMs) return [];
    this.#sentAtMs = nowMs;
    return this.#waiting;
  }

  /** A message of the source or the target that may be an answer to what is under way; others are passed over. */
  receive(from: UpstreamId, message: LinkMessage, nowMs: number): Outgoing[] {
    switch (message.type) {
      case "probed":
        return this.#probed(from, message.position, message.known === 1 ? message.digest : null, nowMs);
      case "entries": {
        if (from !== this.source || this.#stage.type !== "fetch" || message.after !== this.base?.position) return [];
        if (message.batches.length === 0) return this.#rest();
        if (!message.batches.every((batch) => this.#options.verifyMac(batch))) return this.#fail("source-forged");
        if (message.batches.some((batch) => this.#saysMoreOfTarget(batch))) return this.#fail("rolled-back");
        return this.#deliver(nowMs, {
          type: "extend",
          epoch: this.#options.epoch,
          after: this.base.position,
          afterDigest: this.base.digest,
          batches: message.batches,
        });
      }
      case "snapshot":
        if (from !== this.source || this.#stage.type !== "fetch" || message.offset !== this.#snapshotOffset) return [];
        // It may be the answer to another catch-up from the same source, whose target was further behind.
        if (message.position <= (this.base?.position ?? 0)) return [];
        return this.#install(message, nowMs);
      case "extended":
        return this.#extended(from, message, nowMs);
      case "behind":
        // The target's log is not what it seemed: compare afresh from where it says that it ends.
        if (from !== this.target || this.#stage.type !== "deliver") return [];
        this.base = null;
        this.#snapshotOffset = 0;
        this.#backStep = 1;
        this.#differsAt = Number.POSITIVE_INFINITY;
        this.#untoldAt = -1;
        if (++this.#restarts > MAX_RESTARTS) return this.#fail("no-common-history");
        return this.#compare(Math.min(message.position, this.#options.sourceEnd.position), nowMs);
      default:
        return [];
    }
  }

  /**
   * Rule 17: the batch, which only the twins can make, says that the target had acknowledged more than it has now. It
   * cannot have been told to drop that: then a later epoch would have synced it.
   */
  #saysMoreOfTarget(batch: Uint8Array): boolean {
    const { target, targetEnd, promisedLogEpoch } = this.#options;
    const acknowledged = acknowledgedBy(batch, target);
    const sinceSynced = promisedLogEpoch !== null && acknowledged.epoch >= promisedLogEpoch;
    return sinceSynced && acknowledged.position > targetEnd.position;
  }

  #install(snapshot: LinkMessage & { type: "snapshot" }, nowMs: number): Outgoing[] {
    const voted = this.#options.stateHashAt(snapshot.position);
    if (voted !== null || this.#options.unvotedSnapshots()) {
      const stateHash = voted ?? new Uint8Array(32);
      return this.#deliver(nowMs, { ...snapshot, type: "install", stateHash });
    }
    this.wantsCheckpoint = true;
    this.#snapshotOffset = 0;
    return this.#rest();
  }

  #extended(from: UpstreamId, message: LinkMessage & { type: "extended" }, nowMs: number): Outgoing[] {
    if (from !== this.target || this.#stage.type !== "deliver") return [];
    if (message.offset > 0) {
      // One part of a snapshot has arrived. An answer to an earlier part is a late repetition.
      if (message.offset <= this.#snapshotOffset) return [];
      this.#snapshotOffset = message.offset;
      return this.advance(nowMs);
    }
    if (this.base !== null && this.#snapshotOffset === 0 && message.position <= this.base.position) return [];
    this.#snapshotOffset = 0;
    return this.#found({ position: message.position, digest: Uint8Array.from(message.digest) }, true);
  }

  #probed(from: UpstreamId, position: number, digest: Uint8Array | null, nowMs: number): Outgoing[] {
    if (this.#stage.type !== "compare" || this.#stage.position !== position) return [];
    const found = digest === null ? null : Uint8Array.from(digest);
    const stage: Stage = from === this.source ? { ...this.#stage, source: found } : { ...this.#stage, target: found };
    this.#stage = stage;
    if (stage.source === undefined || stage.target === undefined) return [];
    // The source's log begins later than this.
    if (stage.source === null) return this.#found({ position, digest: new Uint8Array(32) }, false);
    if (stage.target === null) {
      // It ends earlier than it said: the attempt to bring it on makes it say where.
      if (this.#differsAt === Number.POSITIVE_INFINITY)
        return this.#found({ position, digest: new Uint8Array(32) }, false);
      // It begins later than this, but not later than where the two part.
      this.#untoldAt = position;
      const half = Math.floor((this.#differsAt - position) / 2);
      return this.#compareBelow(this.#differsAt, position + Math.max(1, half), nowMs);
    }
    if (sameBytes(stage.source, stage.target)) return this.#found({ position, digest: stage.source }, true);
    this.#differsAt = position;
    const back = Math.max(0, position - this.#backStep, this.#untoldAt + 1);
    this.#backStep *= 2;
    return this.#compareBelow(position, back, nowMs);
  }

  #compareBelow(limit: number, position: number, nowMs: number): Outgoing[] {
    return position < limit ? this.#compare(position, nowMs) : this.#fail("no-common-history");
  }

  #found(base: LogPoint, agreed: boolean): Outgoing[] {
    this.base = base;
    this.agreed = agreed;
    return this.#rest();
  }

  #compare(position: number, nowMs: number): Outgoing[] {
    const { epoch } = this.#options;
    this.#stage = { type: "compare", position, source: undefined, target: undefined };
    const message: LinkMessage = { type: "probe", epoch, position };
    return this.#send(nowMs, { to: this.source, message }, { to: this.target, message });
  }

  #deliver(nowMs: number, message: LinkMessage): Outgoing[] {
    this.#stage = { type: "deliver" };
    return this.#send(nowMs, { to: this.target, message });
  }

  #send(nowMs: number, ...outgoing: Outgoing[]): Outgoing[] {
    this.#waiting = outgoing;
    this.#sentAtMs = nowMs;
    this.#askedAtMs = nowMs;
    return outgoing;
  }

  #rest(): Outgoing[] {
    this.#stage = { type: "ready" };
    this.#waiting = [];
    return [];
  }

  #fail(fault: CatchUpFault): Outgoing[] {
    this.fault = fault;
    return this.#rest();
  }
}
