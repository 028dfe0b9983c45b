/**
 * How upstreams come into step with the chosen log and stay there: Sync where a log ends as it should, catch-up where
 * it does not, then a stream of appends (protocol.md rules 3 and 15).
 */
import type { LinkMessage, LinkMessageOf } from "../wire/link.js";
import { CatchUp, type LogPoint } from "./catch-up.js";
import { type Choice, sameBytes, upstreamIds } from "./choose.js";
import type { Peer } from "./peer.js";
import type { LeaderOptions, Term } from "./term.js";

/** How long a source may owe an answer, and how long it is passed over then, in suspect times. */
const SOURCE_PATIENCE_SUSPECTS = 5;
const PASSED_OVER_SUSPECTS = 20;

export class Alignment {
  readonly #term: Term;
  readonly #options: Pick<LeaderOptions, "burstBytes" | "verifyMac">;
  /** Called for an upstream that is still blank once the leader is active. */
  readonly #admit: (peer: Peer, nowMs: number) => void;

  constructor(
    term: Term,
    options: Pick<LeaderOptions, "burstBytes" | "verifyMac">,
    admit: (peer: Peer, nowMs: number) => void,
  ) {
    this.#term = term;
    this.#options = options;
    this.#admit = admit;
  }

  /** Brings an upstream that has promised to the chosen log: Sync when its log ends where it should, else catch-up. */
  bring(peer: Peer, nowMs: number): void {
    const goal = this.#goal();
    const atGoal = goal !== null && peer.end.position === goal.position && sameBytes(peer.end.digest, goal.digest);
    if (goal !== null && atGoal) return this.sync(peer, goal, nowMs);
    const source = this.#sourceFor(peer);
    if (source === null) {
      if (peer.phase !== "blank") peer.phase = "promised";
      return;
    }
    peer.phase = "catching-up";
    peer.waitingSinceMs = null;
    peer.catchUp = new CatchUp({
      epoch: this.#term.epoch,
      target: peer.id,
      targetEnd: peer.end,
      promisedLogEpoch: this.#promisedLogEpoch(peer),
      source: source.id,
      sourceEnd: this.#endOf(source),
      burstBytes: this.#options.burstBytes,
      verifyMac: (batch) => !this.#term.rules.entriesMaced || this.#options.verifyMac(batch),
      stateHashAt: (position) => {
        const { checkpoint } = this.#term;
        return checkpoint?.position === position ? checkpoint.stateHash : null;
      },
      unvotedSnapshots: () => !this.#term.rules.snapshotsVoted || this.#isLastPair(peer, source),
    });
    this.#term.sendAll(peer.catchUp.begin(nowMs));
  }

  /** Only the promise is known to be newer than every vote of this upstream that was counted. */
  #promisedLogEpoch({ answer, end }: Peer): number | null {
    if (answer?.type !== "promise" || answer.promise.position !== end.position) return null;
    return this.#term.rules.marksChecked ? answer.promise.logEpoch : null;
  }

  /** Before the first activation every log must end exactly where the chosen one does. */
  #goal(): LogPoint | null {
    return this.#term.phase === "syncing" ? (this.#term.choice?.promise ?? null) : null;
  }

  #sourceFor(target: Peer): Peer | null {
    if (this.#term.phase === "syncing") {
      const source = this.#term.choice === null ? null : this.#term.peers[this.#term.choice.source];
      return source === null || source === target || !source.connected ? null : source;
    }
    return this.#term.streaming().find((peer) => peer !== target && !target.failedSources.has(peer.id)) ?? null;
  }

  /**
   * Whether nobody is left to vote with: before service with two promises or fewer (with three, the two that are close
   * serve first), at any time when the third upstream is away or has lost its disk too.
   */
  #isLastPair(target: Peer, source: Peer): boolean {
    if (this.#term.phase === "syncing" && (this.#term.choice?.valid.size ?? 3) < 3) return true;
    return upstreamIds.every((id) => {
      const { phase } = this.#term.peers[id];
      return id === target.id || id === source.id || phase === "down" || phase === "blank" || phase === "quarantined";
    });
  }

  /** An upstream that streams has got on since it last said where its log ends. */
  #endOf(peer: Peer): LogPoint {
    const acknowledged = this.#term.ordering.acknowledged(peer.id);
    return acknowledged > peer.end.position ? { ...peer.end, position: acknowledged } : peer.end;
  }

  feedCatchUps(from: Peer, message: LinkMessage, nowMs: number): void {
    for (const id of upstreamIds) {
      const peer = this.#term.peers[id];
      const { catchUp } = peer;
      if (catchUp === null || (catchUp.source !== from.id && catchUp.target !== from.id)) continue;
      this.#term.sendAll(catchUp.receive(from.id, message, nowMs));
      if (catchUp.fault !== null) this.#catchUpFailed(peer, catchUp, nowMs);
      else if (catchUp.ready && catchUp.base !== null) this.#catchUpRested(peer, catchUp, catchUp.base, nowMs);
    }
  }

  #catchUpRested(peer: Peer, catchUp: CatchUp, base: LogPoint, nowMs: number): void {
    const goal = this.#goal();
    if (goal !== null) {
      if (catchUp.agreed && base.position >= goal.position) return this.sync(peer, goal, nowMs);
      return this.#term.sendAll(catchUp.advance(nowMs));
    }
    // While active the log grows: as soon as the engine still holds the rest, the upstream syncs and is streamed to.
    const beyondChoice = base.position >= (this.#term.choice?.promise.position ?? 0);
    if (catchUp.agreed && beyondChoice && this.#retains(base.position)) {
      return this.sync(peer, base, nowMs);
    }
    this.#term.sendAll(catchUp.advance(nowMs));
  }

  #retains(after: number): boolean {
    const { ordering } = this.#term;
    return after === ordering.position || ordering.batchAt(after + 1) !== null;
  }

  #catchUpFailed(peer: Peer, catchUp: CatchUp, nowMs: number): void {
    peer.catchUp = null;
    if (catchUp.fault === "source-forged") {
      this.#term.distrust(this.#term.peers[catchUp.source]);
      this.#term.alarm({ alarm: "forged-entry", upstream: catchUp.source });
      return this.#term.renewSoon(nowMs);
    }
    if (catchUp.fault === "rolled-back") {
      this.#term.distrust(peer);
      this.#term.alarm({ alarm: "rolled-back", upstream: peer.id });
      if (this.#term.phase === "syncing" && !this.canSync()) this.#term.renewSoon(nowMs);
      return;
    }
    // One of the two is at fault: which one shows when another source is tried.
    peer.failedSources.add(catchUp.source);
    if (this.#sourceFor(peer) !== null && this.#term.phase === "active") return this.bring(peer, nowMs);
    const { choice, phase } = this.#term;
    if (phase === "syncing" && choice?.valid.size === 3) {
      // Before service there is one source. Two that it does not fit are right; one waits until the other two serve.
      peer.phase = "promised";
      const others = upstreamIds.filter((id) => id !== catchUp.source);
      if (!others.every((id) => this.#term.peers[id].failedSources.has(catchUp.source))) return;
      this.#term.distrust(this.#term.peers[catchUp.source]);
      this.#term.alarm({ alarm: "no-common-history", upstream: catchUp.source });
      return this.#term.renewSoon(nowMs);
    }
    this.#term.distrust(peer);
    this.#term.alarm({ alarm: "no-common-history", upstream: peer.id });
  }

  /**
   * While an upstream waits for a snapshot that was voted on: orders a checkpoint, or tries again behind one. Before
   * service it only tries again: the snapshot offered may have been meant for another upstream, further behind.
   */
  awaitCheckpoint(peer: Peer, nowMs: number): void {
    const { catchUp } = peer;
    if (catchUp?.wantsCheckpoint !== true) return;
    const { checkpoint } = this.#term;
    const source = this.#term.peers[catchUp.source];
    if (this.#isLastPair(peer, source)) return this.#term.sendAll(catchUp.advance(nowMs));
    if (checkpoint !== null && checkpoint.position !== catchUp.triedCheckpoint) {
      catchUp.triedCheckpoint = checkpoint.position;
      return this.#term.sendAll(catchUp.advance(nowMs));
    }
    // None yet, or the source has made a snapshot of its own since: that one needs a checkpoint too.
    const askedAtMs = this.#term.checkpointAskedAtMs;
    if (askedAtMs !== null && nowMs - askedAtMs < this.#term.timing.suspectMs) return;
    this.#term.checkpointAskedAtMs = nowMs;
    if (this.#term.phase === "active") this.#term.actions.push({ type: "checkpoint" });
    else this.#term.sendAll(catchUp.advance(nowMs));
  }

  sync(peer: Peer, to: LogPoint, nowMs: number): void {
    peer.catchUp = null;
    peer.phase = "syncing";
    peer.syncTo = to;
    peer.waitingSinceMs = nowMs;
    this.#term.send(peer, {
      type: "sync",
      epoch: this.#term.epoch,
      members: this.#term.members,
      stamp: this.#term.stamps.make(this.#term.epoch, peer.id, this.#term.members),
      position: to.position,
      digest: to.digest,
    });
  }

  synced(peer: Peer, message: LinkMessageOf<"synced">, nowMs: number): void {
    if (peer.phase !== "syncing" || !sameBytes(message.incarnation, this.#term.memberOf(peer.id))) return;
    peer.logEpoch = this.#term.epoch;
    peer.end = { position: message.position, digest: message.digest };
    peer.waitingSinceMs = null;
    peer.promised = Math.max(peer.promised, this.#term.epoch);
    if (this.#term.phase === "active") {
      if (!this.resume(peer, nowMs)) this.bring(peer, nowMs);
      return;
    }
    peer.phase = "promised";
    const choice = this.#term.choice;
    if (choice === null) return;
    const inStep = upstreamIds.map((id) => this.#term.peers[id]).filter((other) => this.#isSynced(other, choice));
    if (inStep.length >= (this.#term.rules.twoSynced ? 2 : 1)) this.#activate(choice, inStep, nowMs);
  }

  #isSynced(peer: Peer, choice: Choice): boolean {
    return peer.connected && peer.logEpoch === this.#term.epoch && peer.end.position === choice.promise.position;
  }

  #activate(choice: Choice, inStep: readonly Peer[], nowMs: number): void {
    const { promise } = choice;
    this.#term.knowFounded();
    this.#term.phase = "active";
    this.#term.clearAlarms();
    this.#term.servedEpoch = this.#term.epoch;
    this.#term.servedMembers = this.#term.members;
    this.#term.ordering.activate(this.#term.epoch, promise.position, promise.digest, this.#term.members);
    for (const peer of inStep) this.resume(peer, nowMs);
    this.#term.actions.push({ type: "active", epoch: this.#term.epoch, from: promise });
    for (const id of upstreamIds) {
      const peer = this.#term.peers[id];
      if (peer.phase === "blank") this.#admit(peer, nowMs);
      else if (peer.phase === "promised") this.bring(peer, nowMs);
    }
  }

  /** Streams from where the upstream's log ends, if the engine still holds what follows. */
  resume(peer: Peer, nowMs: number): boolean {
    if (this.#term.phase !== "active" || !this.#term.ordering.stream(peer.id, peer.end.position)) return false;
    peer.phase = "streaming";
    peer.catchUp = null;
    peer.waitingSinceMs = null;
    peer.progress = peer.end.position;
    peer.progressAtMs = nowMs;
    peer.lastHeardMs = nowMs;
    peer.lastRestreamMs = nowMs;
    peer.failedSources.clear();
    return true;
  }

  restream(peer: Peer, nowMs: number): void {
    if (nowMs - peer.lastRestreamMs < this.#term.timing.heartbeatMs) return;
    this.#term.ordering.unstream(peer.id);
    if (peer.logEpoch === this.#term.epoch && this.resume(peer, nowMs)) return;
    this.bring(peer, nowMs);
  }

  dropCatchUpsFrom(source: Peer, nowMs: number): void {
    for (const id of upstreamIds) {
      const peer = this.#term.peers[id];
      if (peer.catchUp?.source !== source.id) continue;
      peer.catchUp = null;
      this.bring(peer, nowMs);
    }
  }

  /** Its connection is there, but it answers nothing, not even a ping: the others must not wait for it. */
  sourceIsSilent(nowMs: number): boolean {
    const source = this.#term.choice === null ? null : this.#term.peers[this.#term.choice.source];
    return source !== null && nowMs - source.lastHeardMs > this.#term.timing.suspectMs;
  }

  /** Two that can still come into step are left: the source, and one that it can bring on. */
  canSync(): boolean {
    const { choice } = this.#term;
    if (choice === null) return false;
    const joining = choice.forced === null ? [...choice.valid.keys()] : [...choice.valid.keys(), choice.forced];
    const left = joining.filter((id) => {
      const { connected, failedSources, phase } = this.#term.peers[id];
      return connected && phase !== "quarantined" && !failedSources.has(choice.source);
    });
    return this.#term.peers[choice.source].connected && left.length >= 2;
  }

  /**
   * A source that answers pings but not what a catch-up asks must not hold the others up. Before service the next epoch
   * does without it, if it can; in service another source is tried.
   */
  watchSource(peer: Peer, nowMs: number): void {
    const { catchUp } = peer;
    const sinceMs = catchUp?.sourceOwesSinceMs ?? null;
    const patienceMs = SOURCE_PATIENCE_SUSPECTS * this.#term.timing.suspectMs;
    if (catchUp === null || sinceMs === null || nowMs - sinceMs < patienceMs) return;
    if (this.#term.phase === "syncing") {
      this.#term.peers[catchUp.source].passedOverUntilMs = nowMs + PASSED_OVER_SUSPECTS * this.#term.timing.suspectMs;
      return this.#term.renewSoon(nowMs);
    }
    peer.failedSources.add(catchUp.source);
    // With no other source the same one is asked afresh.
    if (this.#sourceFor(peer) === null) peer.failedSources.delete(catchUp.source);
    this.bring(peer, nowMs);
  }
}
