/**
 * The leader: takes an epoch, chooses a log, brings two upstreams into step, then keeps three of them in it
 * (protocol.md rules 1 to 3, 8, 11 to 13, 15, 17). A pure machine: events and time in, actions out; order and votes are
 * the engine's `Ordering`, which it steers.
 *
 *   idle ── lead ──► preparing ── two promises, grace ──► syncing ── two synced ──► active
 *                       ▲                                    │                        │
 *                       └──────────── renew: a new epoch ────┴────────────────────────┘
 *   any ── two refuse, or one and no quorum ──► fenced          any ── marks missing ──► stopped
 */
import type { Ordering } from "../engine/types.js";
import type { LinkMessage, LinkMessageOf } from "../wire/link.js";
import { allRules, type ProtocolRules } from "../wire/rules.js";
import { CatchUp, type LogPoint, type Outgoing } from "./catch-up.js";
import { type Choice, choose, foundingMembers, sameBytes, type UpstreamId, upstreamIds, withMember } from "./choose.js";
import { nextEpoch, type Twin } from "./epoch.js";
import { Peer } from "./peer.js";

export type LeaderOrdering = Pick<
  Ordering,
  "activate" | "deactivate" | "stream" | "unstream" | "position" | "acknowledged" | "resend" | "batchAt"
>;

export interface LeaderOptions {
  readonly twin: Twin;
  readonly ordering: LeaderOrdering;
  verifyMac(batch: Uint8Array): boolean;
  /** The highest epoch this server ever used, from its durable record. */
  readonly highestUsedEpoch: number;
  /** True once this server knows that the system has run: blank disks are then a loss, not a beginning. */
  readonly founded: boolean;
  readonly timing: { readonly heartbeatMs: number; readonly suspectMs: number; readonly graceMs: number };
  readonly burstBytes: number;
  /** All of them, but in a simulation that shows what happens without one. */
  readonly rules?: ProtocolRules;
}

/** The highest carried point that this server was told of while passive (rule 17). */
export interface Mark extends LogPoint {
  readonly epoch: number;
}

export type LeaderEvent =
  | { readonly type: "lead"; readonly mark: Mark | null }
  | { readonly type: "stop" }
  | { readonly type: "connected"; readonly upstream: UpstreamId }
  | { readonly type: "disconnected"; readonly upstream: UpstreamId }
  | { readonly type: "message"; readonly upstream: UpstreamId; readonly message: LinkMessage }
  | { readonly type: "voted"; readonly upstream: UpstreamId }
  | { readonly type: "diverged"; readonly upstream: UpstreamId; readonly position: number }
  | { readonly type: "split"; readonly position: number }
  | { readonly type: "missing"; readonly position: number }
  /** `eager`: ask every upstream now how its leader is, without waiting for the next heartbeat. */
  | { readonly type: "tick"; readonly eager?: boolean };

export type LeaderAlarm =
  | { readonly alarm: "diverged"; readonly upstream: UpstreamId; readonly position: number }
  | { readonly alarm: "split"; readonly position: number }
  | { readonly alarm: "answered-missing"; readonly position: number }
  | { readonly alarm: "all-blank" }
  | { readonly alarm: "forged-entry"; readonly upstream: UpstreamId }
  | { readonly alarm: "no-common-history"; readonly upstream: UpstreamId }
  | { readonly alarm: "void-promise"; readonly upstream: UpstreamId };

export type LeaderAction =
  /** Must be durable before any later action of the list is done. */
  | { readonly type: "use-epoch"; readonly epoch: number }
  /** Must be durable before any later action of the list is done. */
  | { readonly type: "founded" }
  | { readonly type: "send"; readonly upstream: UpstreamId; readonly message: LinkMessage }
  | { readonly type: "active"; readonly epoch: number; readonly from: LinkMessageOf<"promise"> }
  | { readonly type: "suspended"; readonly epoch: number }
  | { readonly type: "fenced"; readonly promised: number }
  | ({ readonly type: "alarm" } & LeaderAlarm);

export type LeaderPhase = "idle" | "preparing" | "syncing" | "active" | "fenced" | "stopped";

export class Leader {
  readonly peers: Readonly<Record<UpstreamId, Peer>> = { 1: new Peer(1), 2: new Peer(2), 3: new Peer(3) };
  #phase: LeaderPhase = "idle";
  #epoch: number;
  #founded: boolean;
  #mark: Mark | null = null;
  /** Incarnations of blank upstreams known before this epoch was prepared: only these may be admitted by it (rule 8). */
  #admissible = new Map<UpstreamId, Uint8Array>();
  #choice: Choice | null = null;
  #members: Uint8Array = new Uint8Array(48);
  #graceUntilMs: number | null = null;
  #renewAtMs: number | null = null;
  #alarmed = new Set<string>();
  readonly #options: LeaderOptions;
  readonly #rules: ProtocolRules;
  #actions: LeaderAction[] = [];

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#rules = options.rules ?? allRules;
    this.#epoch = options.highestUsedEpoch;
    this.#founded = options.founded;
  }

  get phase(): LeaderPhase {
    return this.#phase;
  }

  /** The epoch in use, or the last one used. */
  get epoch(): number {
    return this.#epoch;
  }

  get members(): Uint8Array {
    return this.#members;
  }

  /** True while two upstreams take appends: requests can be carried. */
  get hasQuorum(): boolean {
    return this.#phase === "active" && this.#streaming().length >= 2;
  }

  step(event: LeaderEvent, nowMs: number): LeaderAction[] {
    this.#actions = [];
    this.#handle(event, nowMs);
    return this.#actions;
  }

  #handle(event: LeaderEvent, nowMs: number): void {
    switch (event.type) {
      case "lead":
        if (this.#phase !== "idle" && this.#phase !== "fenced") return;
        this.#mark = event.mark;
        return this.#prepare(nowMs);
      case "stop":
        return this.#leave("idle");
      case "connected":
        return this.#connected(this.peers[event.upstream], nowMs);
      case "disconnected":
        return this.#disconnected(this.peers[event.upstream], nowMs);
      case "message":
        this.peers[event.upstream].lastHeardMs = nowMs;
        return this.#message(this.peers[event.upstream], event.message, nowMs);
      case "voted":
        this.peers[event.upstream].lastHeardMs = nowMs;
        return;
      case "diverged":
        return this.#quarantine(this.peers[event.upstream], event.position, nowMs);
      case "split":
        this.#alarm({ alarm: "split", position: event.position });
        return this.#leave("stopped");
      case "missing":
        this.#alarm({ alarm: "answered-missing", position: event.position });
        return this.#leave("stopped");
      case "tick":
        return this.#tick(nowMs, event.eager === true);
      default:
        return event satisfies never;
    }
  }

  // ---- an epoch begins -------------------------------------------------------------------------------------------

  #prepare(nowMs: number): void {
    if (this.#phase === "active") this.#actions.push({ type: "suspended", epoch: this.#epoch });
    this.#options.ordering.deactivate();
    this.#epoch = nextEpoch(this.#options.twin, this.#epoch, ...upstreamIds.map((id) => this.peers[id].promised));
    this.#phase = "preparing";
    this.#choice = null;
    this.#graceUntilMs = null;
    this.#renewAtMs = null;
    this.#actions.push({ type: "use-epoch", epoch: this.#epoch });
    this.#admissible = new Map();
    for (const id of upstreamIds) {
      const peer = this.peers[id];
      if (peer.answer?.type === "blank" && peer.connected) this.#admissible.set(id, peer.answer.incarnation);
      peer.forget();
      if (peer.connected && peer.phase !== "quarantined") this.#ask(peer, nowMs);
    }
  }

  #ask(peer: Peer, nowMs: number): void {
    peer.forget();
    peer.phase = "asked";
    peer.waitingSinceMs = nowMs;
    this.#send(peer, { type: "prepare", epoch: this.#epoch });
  }

  #connected(peer: Peer, nowMs: number): void {
    peer.connected = true;
    peer.lastHeardMs = nowMs;
    if (peer.phase === "quarantined" || !this.#leading()) return;
    this.#ask(peer, nowMs);
  }

  #disconnected(peer: Peer, nowMs: number): void {
    peer.connected = false;
    if (peer.phase === "streaming") this.#options.ordering.unstream(peer.id);
    if (peer.phase !== "quarantined") peer.phase = "down";
    // A promise stays given when the connection breaks, but what it said of the log may be old: it is asked again.
    peer.forget();
    this.#dropCatchUpsFrom(peer, nowMs);
    if (this.#phase === "syncing" && !this.#canSync()) this.#renewSoon(nowMs);
  }

  #message(peer: Peer, message: LinkMessage, nowMs: number): void {
    if (message.type === "refused") return this.#refused(peer, message.promised, nowMs);
    if (message.type === "pong") return this.#pong(peer, message, nowMs);
    if (!this.#leading() || peer.phase === "quarantined") return;
    // Everything below answers this epoch's requests; an answer to an older one says nothing now.
    if ("epoch" in message && message.epoch !== this.#epoch) return;
    switch (message.type) {
      case "promise":
        return this.#promised(peer, message, nowMs);
      case "blank":
        return this.#blank(peer, message.incarnation, nowMs);
      case "synced":
        return this.#synced(peer, message, nowMs);
      case "behind":
        peer.end = { position: message.position, digest: Uint8Array.from(message.digest) };
        peer.logEpoch = message.logEpoch;
        if (peer.phase === "streaming") return this.#restream(peer, nowMs);
        if (peer.phase === "syncing") return this.#bring(peer, nowMs);
        return this.#feedCatchUps(peer, message, nowMs);
      case "probed":
      case "entries":
      case "snapshot":
      case "extended":
        return this.#feedCatchUps(peer, message, nowMs);
      default:
        return;
    }
  }

  // ---- promises, founding, the choice (rules 1, 2, 8) --------------------------------------------------------------

  #promised(peer: Peer, promise: LinkMessageOf<"promise">, nowMs: number): void {
    peer.promised = Math.max(peer.promised, promise.epoch);
    if (peer.phase !== "asked" && peer.phase !== "blank") return;
    peer.answer = { type: "promise", promise };
    peer.waitingSinceMs = null;
    peer.phase = "promised";
    peer.logEpoch = promise.logEpoch;
    peer.end = { position: promise.position, digest: promise.digest };
    if (this.#phase === "preparing") return this.#considerChoice(nowMs);
    // Once the log is chosen, a later promise joins what is under way, if its disk is still the member.
    if (!sameBytes(promise.incarnation, this.#memberOf(peer.id))) {
      return this.#alarm({ alarm: "void-promise", upstream: peer.id });
    }
    if (promise.logEpoch === this.#epoch && this.#resume(peer, nowMs)) return;
    this.#bring(peer, nowMs);
  }

  #blank(peer: Peer, incarnation: Uint8Array, nowMs: number): void {
    peer.answer = { type: "blank", incarnation: Uint8Array.from(incarnation) };
    peer.waitingSinceMs = null;
    peer.phase = "blank";
    if (this.#phase === "preparing") return this.#considerChoice(nowMs);
    this.#considerAdmission(peer, nowMs);
  }

  /** Admission takes a new epoch that both others promise after the disk was emptied: now, when both are in step. */
  #considerAdmission(peer: Peer, nowMs: number): void {
    if (this.#phase !== "active" || peer.phase !== "blank") return;
    const incarnation = peer.answer?.type === "blank" ? peer.answer.incarnation : null;
    if (incarnation === null) return;
    if (sameBytes(incarnation, this.#memberOf(peer.id))) return this.#bring(peer, nowMs);
    if (!this.#rules.admissionByNewEpoch) {
      this.#members = withMember(this.#members, peer.id, incarnation);
      return this.#bring(peer, nowMs);
    }
    if (this.#streaming().length === 2) this.#renewSoon(nowMs);
  }

  #considerChoice(nowMs: number): void {
    const answers = new Map(
      upstreamIds.flatMap((id) => {
        const { answer } = this.peers[id];
        return answer === null ? [] : [[id, answer] as const];
      }),
    );
    if ([...answers.values()].every((answer) => answer.type === "blank") && answers.size === 3 && this.#founded) {
      return this.#alarm({ alarm: "all-blank" });
    }
    const founders = this.#founded ? null : foundingMembers(answers);
    if (founders !== null) return this.#found(founders, nowMs);
    const choice = choose(answers, this.#rules);
    if (choice === null) return;
    const allAnswered = answers.size === 3 || upstreamIds.every((id) => this.#cannotPromise(this.peers[id], answers.has(id)));
    if (!allAnswered && this.#rules.graceForThird) {
      this.#graceUntilMs ??= nowMs + this.#options.timing.graceMs;
      if (nowMs < this.#graceUntilMs) return;
    }
    this.#take(choice, nowMs);
  }

  #cannotPromise(peer: Peer, answered: boolean): boolean {
    return answered || peer.phase === "quarantined" || peer.phase === "refusing";
  }

  #found(members: Uint8Array, nowMs: number): void {
    for (const id of upstreamIds) {
      const peer = this.peers[id];
      if (peer.answer?.type !== "blank" || peer.waitingSinceMs !== null) continue;
      peer.waitingSinceMs = nowMs;
      this.#send(peer, { type: "found", epoch: this.#epoch, members });
    }
  }

  #take(choice: Choice, nowMs: number): void {
    const { promise } = choice;
    const mark = this.#mark;
    const sameEnd = mark !== null && mark.position === promise.position;
    if (this.#rules.marksChecked && mark !== null && (mark.position > promise.position || (sameEnd && !sameBytes(mark.digest, promise.digest)))) {
      this.#alarm({ alarm: "answered-missing", position: mark.position });
      return this.#leave("stopped");
    }
    this.#choice = choice;
    this.#members = this.#membersFor(choice);
    this.#phase = "syncing";
    for (const [id] of choice.valid) this.#bring(this.peers[id], nowMs);
  }

  /** The chosen members; a blank upstream takes its place when it was known to be blank before the epoch (rule 8). */
  #membersFor(choice: Choice): Uint8Array {
    return [...this.#admissible].reduce((members, [id, incarnation]) => {
      const others = upstreamIds.filter((other) => other !== id);
      const { answer } = this.peers[id];
      const stillBlank = answer?.type === "blank" && sameBytes(answer.incarnation, incarnation);
      return stillBlank && others.every((other) => choice.valid.has(other))
        ? withMember(members, id, incarnation)
        : members;
    }, choice.promise.members);
  }

  // ---- into step (rules 3, 15) ---------------------------------------------------------------------------------

  /** Brings an upstream that has promised to the chosen log: Sync when its log ends where it should, else catch-up. */
  #bring(peer: Peer, nowMs: number): void {
    const goal = this.#goal();
    const atGoal = goal !== null && peer.end.position === goal.position && sameBytes(peer.end.digest, goal.digest);
    if (goal !== null && atGoal) return this.#sync(peer, goal, nowMs);
    const source = this.#sourceFor(peer);
    if (source === null) {
      if (peer.phase !== "blank") peer.phase = "promised";
      return;
    }
    peer.phase = "catching-up";
    peer.waitingSinceMs = null;
    peer.catchUp = new CatchUp({
      epoch: this.#epoch,
      target: peer.id,
      targetEnd: peer.end,
      source: source.id,
      sourceEnd: this.#endOf(source),
      burstBytes: this.#options.burstBytes,
      verifyMac: (batch) => !this.#rules.entriesMaced || this.#options.verifyMac(batch),
    });
    this.#sendAll(peer.catchUp.begin(nowMs));
  }

  /** Before the first activation every log must end exactly where the chosen one does. */
  #goal(): LogPoint | null {
    return this.#phase === "syncing" ? (this.#choice?.promise ?? null) : null;
  }

  #sourceFor(target: Peer): Peer | null {
    if (this.#phase === "syncing") {
      const source = this.#choice === null ? null : this.peers[this.#choice.source];
      return source === null || source === target || !source.connected ? null : source;
    }
    return this.#streaming().find((peer) => peer !== target) ?? null;
  }

  /** An upstream that streams has got on since it last said where its log ends. */
  #endOf(peer: Peer): LogPoint {
    const acknowledged = this.#options.ordering.acknowledged(peer.id);
    return acknowledged > peer.end.position ? { ...peer.end, position: acknowledged } : peer.end;
  }

  #feedCatchUps(from: Peer, message: LinkMessage, nowMs: number): void {
    for (const id of upstreamIds) {
      const peer = this.peers[id];
      const { catchUp } = peer;
      if (catchUp === null || (catchUp.source !== from.id && catchUp.target !== from.id)) continue;
      this.#sendAll(catchUp.receive(from.id, message, nowMs));
      if (catchUp.fault !== null) this.#catchUpFailed(peer, catchUp, nowMs);
      else if (catchUp.ready && catchUp.base !== null) this.#catchUpRested(peer, catchUp, catchUp.base, nowMs);
    }
  }

  #catchUpRested(peer: Peer, catchUp: CatchUp, base: LogPoint, nowMs: number): void {
    const goal = this.#goal();
    if (goal !== null) {
      if (catchUp.agreed && base.position >= goal.position) return this.#sync(peer, goal, nowMs);
      return this.#sendAll(catchUp.advance(nowMs));
    }
    // While active the log grows: as soon as the engine still holds the rest, the upstream syncs and is streamed to.
    const beyondChoice = base.position >= (this.#choice?.promise.position ?? 0);
    if (catchUp.agreed && beyondChoice && this.#retains(base.position)) {
      return this.#sync(peer, base, nowMs);
    }
    this.#sendAll(catchUp.advance(nowMs));
  }

  #retains(after: number): boolean {
    const { ordering } = this.#options;
    return after === ordering.position || ordering.batchAt(after + 1) !== null;
  }

  #catchUpFailed(peer: Peer, catchUp: CatchUp, nowMs: number): void {
    peer.catchUp = null;
    if (catchUp.fault === "source-forged") {
      this.#alarm({ alarm: "forged-entry", upstream: catchUp.source });
      const source = this.peers[catchUp.source];
      this.#options.ordering.unstream(source.id);
      source.phase = "quarantined";
      return this.#renewSoon(nowMs);
    }
    peer.phase = "quarantined";
    this.#alarm({ alarm: "no-common-history", upstream: peer.id });
  }

  #sync(peer: Peer, to: LogPoint, nowMs: number): void {
    peer.catchUp = null;
    peer.phase = "syncing";
    peer.syncTo = to;
    peer.waitingSinceMs = nowMs;
    this.#send(peer, {
      type: "sync",
      epoch: this.#epoch,
      members: this.#members,
      position: to.position,
      digest: to.digest,
    });
  }

  #synced(peer: Peer, message: LinkMessageOf<"synced">, nowMs: number): void {
    if (peer.phase !== "syncing" || !sameBytes(message.incarnation, this.#memberOf(peer.id))) return;
    peer.logEpoch = this.#epoch;
    peer.end = { position: message.position, digest: message.digest };
    peer.waitingSinceMs = null;
    peer.promised = Math.max(peer.promised, this.#epoch);
    if (this.#phase === "active") {
      if (!this.#resume(peer, nowMs)) this.#bring(peer, nowMs);
      return;
    }
    peer.phase = "promised";
    const choice = this.#choice;
    if (choice === null) return;
    const inStep = upstreamIds.map((id) => this.peers[id]).filter((other) => this.#isSynced(other, choice));
    if (inStep.length >= (this.#rules.twoSynced ? 2 : 1)) this.#activate(choice, inStep, nowMs);
  }

  #isSynced(peer: Peer, choice: Choice): boolean {
    return peer.connected && peer.logEpoch === this.#epoch && peer.end.position === choice.promise.position;
  }

  #activate(choice: Choice, inStep: readonly Peer[], nowMs: number): void {
    const { promise } = choice;
    if (!this.#founded) {
      this.#founded = true;
      this.#actions.push({ type: "founded" });
    }
    this.#phase = "active";
    this.#alarmed.clear();
    this.#options.ordering.activate(this.#epoch, promise.position, promise.digest, this.#members);
    for (const peer of inStep) this.#resume(peer, nowMs);
    this.#actions.push({ type: "active", epoch: this.#epoch, from: promise });
    for (const id of upstreamIds) {
      const peer = this.peers[id];
      if (peer.phase === "blank") this.#considerAdmission(peer, nowMs);
      else if (peer.phase === "promised") this.#bring(peer, nowMs);
    }
  }

  /** Streams from where the upstream's log ends, if the engine still holds what follows. */
  #resume(peer: Peer, nowMs: number): boolean {
    if (this.#phase !== "active" || !this.#options.ordering.stream(peer.id, peer.end.position)) return false;
    peer.phase = "streaming";
    peer.catchUp = null;
    peer.waitingSinceMs = null;
    peer.progress = peer.end.position;
    peer.progressAtMs = nowMs;
    peer.lastHeardMs = nowMs;
    peer.lastRestreamMs = nowMs;
    return true;
  }

  #restream(peer: Peer, nowMs: number): void {
    if (nowMs - peer.lastRestreamMs < this.#options.timing.heartbeatMs) return;
    this.#options.ordering.unstream(peer.id);
    if (peer.logEpoch === this.#epoch && this.#resume(peer, nowMs)) return;
    this.#bring(peer, nowMs);
  }

  // ---- what goes wrong -------------------------------------------------------------------------------------------

  /**
   * One refusal takes that upstream out; the leader is fenced when two refuse or when no quorum is left without it.
   * A single lying upstream therefore cannot stop the service, and a true successor holds two promises, so that
   * nothing can be carried any more either way.
   */
  #refused(peer: Peer, promised: number, nowMs: number): void {
    peer.promised = Math.max(peer.promised, promised);
    if (!this.#leading() || promised <= this.#epoch) return;
    this.#options.ordering.unstream(peer.id);
    peer.forget();
    peer.phase = "refusing";
    this.#dropCatchUpsFrom(peer, nowMs);
    const refusing = upstreamIds.filter((id) => this.peers[id].phase === "refusing").length;
    const others = upstreamIds.filter((id) => this.peers[id].connected && this.peers[id].phase !== "refusing").length;
    if (refusing >= 2 || others < 2) {
      this.#leave("fenced");
      this.#actions.push({ type: "fenced", promised });
    }
  }

  #pong(peer: Peer, pong: LinkMessageOf<"pong">, nowMs: number): void {
    peer.promised = Math.max(peer.promised, pong.promised);
    peer.leaderSilentMs = pong.silentMs;
    peer.leaderConnected = pong.leaderConnected === 1;
    peer.pongAtMs = nowMs;
    if (!this.#leading()) return;
    if (pong.promised > this.#epoch) {
      if (peer.phase !== "refusing" && peer.phase !== "quarantined") return this.#refused(peer, pong.promised, nowMs);
      return;
    }
    if (peer.phase === "silent") {
      peer.end = { position: pong.position, digest: Uint8Array.from(pong.digest) };
      peer.logEpoch = pong.logEpoch;
      if (pong.logEpoch === this.#epoch && this.#resume(peer, nowMs)) return;
      this.#ask(peer, nowMs);
    }
  }

  #quarantine(peer: Peer, position: number, nowMs: number): void {
    this.#options.ordering.unstream(peer.id);
    peer.forget();
    peer.phase = "quarantined";
    this.#dropCatchUpsFrom(peer, nowMs);
    this.#alarm({ alarm: "diverged", upstream: peer.id, position });
  }

  #dropCatchUpsFrom(source: Peer, nowMs: number): void {
    for (const id of upstreamIds) {
      const peer = this.peers[id];
      if (peer.catchUp?.source !== source.id) continue;
      peer.catchUp = null;
      this.#bring(peer, nowMs);
    }
  }

  #canSync(): boolean {
    const source = this.#choice === null ? null : this.peers[this.#choice.source];
    const left = [...(this.#choice?.valid.keys() ?? [])].filter((id) => this.peers[id].connected);
    return source?.connected === true && left.length >= 2;
  }

  #renewSoon(nowMs: number): void {
    this.#renewAtMs ??= nowMs;
  }

  #leave(phase: "idle" | "fenced" | "stopped"): void {
    this.#options.ordering.deactivate();
    for (const id of upstreamIds) {
      const peer = this.peers[id];
      peer.forget();
      if (peer.phase !== "quarantined") peer.phase = peer.connected ? "promised" : "down";
    }
    this.#phase = phase;
    this.#choice = null;
    this.#renewAtMs = null;
  }

  // ---- time ------------------------------------------------------------------------------------------------------

  #tick(nowMs: number, eager: boolean): void {
    for (const id of upstreamIds) this.#tickPeer(this.peers[id], nowMs, eager);
    if (this.#phase === "preparing") this.#considerChoice(nowMs);
    if (this.#renewAtMs !== null && nowMs >= this.#renewAtMs && this.#leading()) this.#prepare(nowMs);
  }

  #tickPeer(peer: Peer, nowMs: number, eager: boolean): void {
    const { heartbeatMs, suspectMs } = this.#options.timing;
    if (!peer.connected) return;
    if (eager || nowMs - peer.lastPingMs >= heartbeatMs) {
      peer.lastPingMs = nowMs;
      this.#send(peer, { type: "ping", epoch: this.#leading() ? this.#epoch : 0 });
    }
    if (!this.#leading()) return;
    if (peer.phase === "streaming") return this.#watch(peer, nowMs);
    if (peer.phase === "refusing") return this.#reclaim(peer, nowMs);
    if (peer.phase === "promised" && this.#phase === "active") return this.#bring(peer, nowMs);
    if (peer.phase === "blank") this.#considerAdmission(peer, nowMs);
    if (peer.catchUp !== null) this.#sendAll(peer.catchUp.tick(nowMs, suspectMs));
    if (peer.waitingSinceMs !== null && nowMs - peer.waitingSinceMs >= suspectMs) {
      // Prepare, found and sync may be repeated: the answer is the same.
      if (peer.phase === "syncing" && peer.syncTo !== null) this.#sync(peer, peer.syncTo, nowMs);
      else this.#ask(peer, nowMs);
    }
  }

  #watch(peer: Peer, nowMs: number): void {
    const { ordering, timing } = this.#options;
    if (nowMs - peer.lastHeardMs > timing.suspectMs) {
      ordering.unstream(peer.id);
      peer.phase = "silent";
      return;
    }
    const acknowledged = Math.max(peer.end.position, ordering.acknowledged(peer.id));
    if (acknowledged > peer.progress || acknowledged === ordering.position) {
      peer.progress = acknowledged;
      peer.progressAtMs = nowMs;
    } else if (nowMs - peer.progressAtMs > timing.suspectMs) {
      // It answers pings but not the appends: one of them, or its vote, was lost.
      peer.progressAtMs = nowMs;
      ordering.resend(peer.id, acknowledged);
    }
  }

  /** An upstream bound to a higher epoch whose leader is gone is won back by a still higher one. */
  #reclaim(peer: Peer, nowMs: number): void {
    if (this.#phase === "active" && peer.leaderSilentMs > 5 * this.#options.timing.suspectMs) this.#renewSoon(nowMs);
  }

  // ---- small things ----------------------------------------------------------------------------------------------

  #leading(): boolean {
    return this.#phase === "preparing" || this.#phase === "syncing" || this.#phase === "active";
  }

  #streaming(): Peer[] {
    return upstreamIds.map((id) => this.peers[id]).filter((peer) => peer.phase === "streaming");
  }

  #memberOf(id: UpstreamId): Uint8Array {
    return this.#members.subarray((id - 1) * 16, id * 16);
  }

  #send(peer: Peer, message: LinkMessage): void {
    this.#actions.push({ type: "send", upstream: peer.id, message });
  }

  #sendAll(outgoing: readonly Outgoing[]): void {
    for (const { to, message } of outgoing) this.#actions.push({ type: "send", upstream: to, message });
  }

  /** Says each alarm once until the leader is active again. */
  #alarm(alarm: LeaderAlarm): void {
    const key = JSON.stringify(alarm);
    if (this.#alarmed.has(key)) return;
    this.#alarmed.add(key);
    this.#actions.push({ type: "alarm", ...alarm });
  }
}
