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
import type { LinkMessage, LinkMessageOf } from "../wire/link.js";
import { Alignment } from "./alignment.js";
import { memberOf, upstreamIds } from "./choose.js";
import { Election } from "./election.js";
import type { Peer } from "./peer.js";
import {
  type Admission,
  type LeaderAction,
  type LeaderEvent,
  type LeaderOptions,
  type LeaderPhase,
  Term,
} from "./term.js";

/** How often one upstream is emptied by itself, in the life of this server. */
const MAX_RESETS = 1;
/** How long two voters that differ wait for a third one that is on its way, in suspect times. */
const SPLIT_PATIENCE_SUSPECTS = 5;

export class Leader {
  readonly #term: Term;
  readonly #alignment: Alignment;
  readonly #election: Election;
  /** Two voters differ at this position, and a third one is awaited. */
  #split: { readonly epoch: number; readonly position: number; readonly untilMs: number } | null = null;

  constructor(options: LeaderOptions) {
    this.#term = new Term(options);
    this.#alignment = new Alignment(this.#term, options, (peer, nowMs) =>
      this.#election.considerAdmission(peer, nowMs),
    );
    this.#election = new Election(this.#term, this.#alignment);
  }

  get peers(): Term["peers"] {
    return this.#term.peers;
  }

  get phase(): LeaderPhase {
    return this.#term.phase;
  }

  /** The epoch in use, or the last one used. */
  get epoch(): number {
    return this.#term.epoch;
  }

  get members(): Uint8Array {
    return this.#term.members;
  }

  /** Incarnations of quarantined upstreams, 48 bytes, zero for none. */
  get distrusted(): Uint8Array {
    return this.#term.distrusted();
  }

  /** Marks up to this position count no more. */
  forgive(position: number): void {
    this.#term.forgiven = Math.max(this.#term.forgiven, position);
  }

  /** True while two upstreams take appends: requests can be carried. */
  get hasQuorum(): boolean {
    return this.#term.phase === "active" && this.#term.streaming().length >= 2;
  }

  step(event: LeaderEvent, nowMs: number): LeaderAction[] {
    this.#term.actions = [];
    this.#handle(event, nowMs);
    return this.#term.actions;
  }

  #handle(event: LeaderEvent, nowMs: number): void {
    switch (event.type) {
      case "lead":
        if (this.#term.phase !== "idle" && this.#term.phase !== "fenced") return;
        this.#election.mark = event.mark;
        return this.#election.prepare(nowMs);
      case "stop":
        return this.#term.leave("idle");
      case "founded":
        return this.#term.knowFounded();
      case "distrusted":
        return this.#distrustLike(event.incarnations);
      case "admit":
        return this.#election.prepare(nowMs, event.which);
      case "resume":
        if (this.#term.phase === "stopped") this.#term.leave("idle");
        return;
      case "connected":
        return this.#connected(this.#term.peers[event.upstream], nowMs);
      case "disconnected":
        return this.#disconnected(this.#term.peers[event.upstream], nowMs);
      case "message":
        this.#term.peers[event.upstream].lastHeardMs = nowMs;
        return this.#message(this.#term.peers[event.upstream], event.message, nowMs);
      case "voted":
        this.#term.peers[event.upstream].lastHeardMs = nowMs;
        return;
      case "diverged":
        this.#split = null;
        return this.#quarantine(this.#term.peers[event.upstream], event.position, nowMs);
      case "checkpointed":
        this.#term.checkpoint = { position: event.position, stateHash: Uint8Array.from(event.stateHash) };
        return;
      case "split":
        return this.#splitAt(event.position, nowMs);
      case "missing":
        this.#term.alarm({ alarm: "answered-missing", position: event.position });
        return this.#term.leave("stopped");
      case "tick":
        return this.#tick(nowMs, event.eager === true);
      default:
        return event satisfies never;
    }
  }

  /** The other twin has quarantined these stores: should this one lead, they do not count for it either. */
  #distrustLike(incarnations: Uint8Array): void {
    if (this.#term.leading()) return;
    for (const id of upstreamIds) {
      const incarnation = memberOf(incarnations, id);
      if (incarnation.some((byte) => byte !== 0)) this.#term.peers[id].distrusted = Uint8Array.from(incarnation);
    }
  }

  /** Why an operator's admission cannot begin; null: it can. */
  whyNotAdmit(which: Admission): string | null {
    if (!this.#term.leading()) return "this server does not lead: ask the active one, or take over first";
    const blank = upstreamIds.filter((id) => this.peers[id].connected && this.peers[id].phase === "blank");
    if (which === "all") return blank.length === 3 ? null : `only ${blank.length} of the three upstreams are blank`;
    if (!blank.includes(which)) return `upstream ${which} is ${this.peers[which].phase}, not blank`;
    if (this.#term.streaming().length >= 2) return `two upstreams serve: upstream ${which} is admitted without this`;
    const voucher = upstreamIds.some((id) => this.peers[id].connected && this.peers[id].answer?.type === "promise");
    const streams = this.#term.streaming().length > 0;
    return voucher || streams ? null : "no upstream that is a member of the system answers";
  }

  #connected(peer: Peer, nowMs: number): void {
    peer.connected = true;
    peer.lastHeardMs = nowMs;
    if (this.#term.leading()) return this.#election.ask(peer, nowMs);
    if (peer.phase !== "quarantined") peer.phase = "connected";
  }

  #disconnected(peer: Peer, nowMs: number): void {
    peer.connected = false;
    if (peer.phase === "streaming") this.#term.ordering.unstream(peer.id);
    if (peer.phase !== "quarantined") peer.phase = "down";
    // A promise stays given when the connection breaks, but what it said of the log may be old: it is asked again.
    peer.forget();
    this.#alignment.dropCatchUpsFrom(peer, nowMs);
    if (this.#term.phase === "syncing" && !this.#alignment.canSync()) this.#term.renewSoon(nowMs);
  }

  #message(peer: Peer, message: LinkMessage, nowMs: number): void {
    if (message.type === "refused") return this.#refused(peer, message.promised, nowMs);
    if (message.type === "pong") return this.#pong(peer, message, nowMs);
    if (!this.#term.leading()) return;
    // Of an upstream that is quarantined only one thing is heard: that its store is a new one.
    if (peer.phase === "quarantined" && message.type !== "blank") return;
    // Everything below answers this epoch's requests; an answer to an older one says nothing now.
    if ("epoch" in message && message.epoch !== this.#term.epoch) return;
    switch (message.type) {
      case "promise":
        return this.#election.promised(peer, message, nowMs);
      case "blank":
        return this.#election.blank(peer, message.incarnation, nowMs);
      case "synced":
        return this.#alignment.synced(peer, message, nowMs);
      case "behind":
        peer.end = { position: message.position, digest: Uint8Array.from(message.digest) };
        peer.logEpoch = message.logEpoch;
        if (peer.phase === "streaming") return this.#alignment.restream(peer, nowMs);
        if (peer.phase === "syncing") return this.#alignment.bring(peer, nowMs);
        return this.#alignment.feedCatchUps(peer, message, nowMs);
      case "probed":
      case "entries":
      case "snapshot":
      case "extended":
        return this.#alignment.feedCatchUps(peer, message, nowMs);
      default:
        return;
    }
  }

  /**
   * One refusal takes that upstream out; the leader is fenced when two refuse or when no quorum is left without it.
   * A single lying upstream therefore cannot stop the service, and a true successor holds two promises, so that
   * nothing can be carried any more either way.
   */
  #refused(peer: Peer, promised: number, nowMs: number): void {
    peer.promised = Math.max(peer.promised, promised);
    if (!this.#term.leading() || promised <= this.#term.epoch) return;
    this.#term.ordering.unstream(peer.id);
    peer.forget();
    peer.phase = "refusing";
    this.#alignment.dropCatchUpsFrom(peer, nowMs);
    const refusing = upstreamIds.filter((id) => this.#term.peers[id].phase === "refusing").length;
    const others = upstreamIds.filter(
      (id) => this.#term.peers[id].connected && this.#term.peers[id].phase !== "refusing",
    ).length;
    if (refusing >= 2 || others < 2) {
      this.#term.leave("fenced");
      this.#term.actions.push({ type: "fenced", promised });
    }
  }

  #pong(peer: Peer, pong: LinkMessageOf<"pong">, nowMs: number): void {
    peer.promised = Math.max(peer.promised, pong.promised);
    peer.leaderSilentMs = pong.silentMs;
    peer.leaderConnected = pong.leaderConnected === 1;
    peer.pongAtMs = nowMs;
    if (!this.#term.leading()) return;
    if (pong.promised > this.#term.epoch) {
      if (peer.phase !== "refusing" && peer.phase !== "quarantined") return this.#refused(peer, pong.promised, nowMs);
      return;
    }
    const bringing = peer.phase === "catching-up" || peer.phase === "syncing" || peer.phase === "blank";
    if (bringing && pong.blank === 0 && pong.promised < this.#term.epoch) {
      // It was blank when it was asked, and an earlier leader's Sync has admitted it since.
      return this.#election.ask(peer, nowMs);
    }
    if (peer.phase === "silent" && !this.#election.canDoWithout(peer, nowMs)) {
      peer.end = { position: pong.position, digest: Uint8Array.from(pong.digest) };
      peer.logEpoch = pong.logEpoch;
      if (pong.logEpoch === this.#term.epoch && this.#alignment.resume(peer, nowMs)) return;
      this.#election.ask(peer, nowMs);
    }
  }

  #quarantine(peer: Peer, position: number, nowMs: number): void {
    this.#term.distrust(peer);
    this.#alignment.dropCatchUpsFrom(peer, nowMs);
    this.#term.alarm({ alarm: "diverged", upstream: peer.id, position });
  }

  /**
   * Two voters differ and nothing is carried. A third upstream that is on its way decides which of them is odd; without
   * one this is the end, and an operator's matter.
   */
  #splitAt(position: number, nowMs: number): void {
    const untilMs = nowMs + SPLIT_PATIENCE_SUSPECTS * this.#term.timing.suspectMs;
    this.#split ??= { epoch: this.#term.epoch, position, untilMs };
    this.#considerSplit(nowMs);
  }

  #considerSplit(nowMs: number): void {
    const split = this.#split;
    if (split === null) return;
    const ended = this.#term.phase !== "active" || this.#term.epoch !== split.epoch;
    if (!ended && nowMs < split.untilMs && this.#term.thirdMayDecide()) return;
    this.#split = null;
    if (ended) return;
    this.#term.alarm({ alarm: "split", position: split.position });
    this.#term.leave("stopped");
  }

  #tick(nowMs: number, eager: boolean): void {
    this.#considerSplit(nowMs);
    for (const id of upstreamIds) this.#tickPeer(this.#term.peers[id], nowMs, eager);
    if (this.#term.phase === "preparing") this.#election.considerChoice(nowMs);
    if (this.#term.phase === "syncing" && this.#alignment.sourceIsSilent(nowMs)) this.#term.renewSoon(nowMs);
    if (this.#term.renewAtMs !== null && nowMs >= this.#term.renewAtMs && this.#term.leading())
      this.#election.prepare(nowMs);
  }

  #tickPeer(peer: Peer, nowMs: number, eager: boolean): void {
    const { heartbeatMs, suspectMs } = this.#term.timing;
    if (!peer.connected) return;
    if (eager || nowMs - peer.lastPingMs >= heartbeatMs) {
      peer.lastPingMs = nowMs;
      this.#term.send(peer, { type: "ping", epoch: this.#term.leading() ? this.#term.epoch : 0 });
    }
    if (!this.#term.leading()) return;
    if (peer.phase === "streaming") return this.#watch(peer, nowMs);
    if (peer.phase === "quarantined") return this.#reset(peer, nowMs);
    if (peer.phase === "refusing") return this.#reclaim(peer, nowMs);
    if (peer.phase === "promised" && this.#term.phase === "active") return this.#alignment.bring(peer, nowMs);
    if (peer.phase === "blank") this.#election.considerAdmission(peer, nowMs);
    if (peer.catchUp !== null) this.#term.sendAll(peer.catchUp.tick(nowMs, suspectMs));
    this.#alignment.watchSource(peer, nowMs);
    this.#alignment.awaitCheckpoint(peer, nowMs);
    if (peer.waitingSinceMs !== null && nowMs - peer.waitingSinceMs >= suspectMs) {
      // Prepare, found and sync may be repeated: the answer is the same.
      if (peer.phase === "syncing" && peer.syncTo !== null) this.#alignment.sync(peer, peer.syncTo, nowMs);
      else this.#election.ask(peer, nowMs);
    }
  }

  #watch(peer: Peer, nowMs: number): void {
    const { ordering, timing } = this.#term;
    if (nowMs - peer.lastHeardMs > timing.suspectMs) {
      ordering.unstream(peer.id);
      peer.phase = "silent";
      return;
    }
    const acknowledged = Math.max(peer.end.position, ordering.acknowledged(peer.id));
    if ((ordering.reached & (1 << (peer.id - 1))) === 0) {
      // It was so slow that the engine no longer keeps what comes next for it.
      peer.end = { ...peer.end, position: acknowledged };
      return this.#alignment.bring(peer, nowMs);
    }
    if (acknowledged > peer.progress || acknowledged === ordering.position) {
      peer.progress = acknowledged;
      peer.progressAtMs = nowMs;
    } else if (nowMs - peer.progressAtMs > timing.suspectMs) {
      // It answers pings but not the appends: one of them, or its vote, was lost.
      peer.progressAtMs = nowMs;
      ordering.resend(peer.id, acknowledged);
    }
  }

  /**
   * Has the store of a quarantined upstream emptied, like a lost disk, while two others serve (rule 11). Once: one that
   * differs again has a fault that an empty store does not mend, and waits for an operator.
   */
  #reset(peer: Peer, nowMs: number): void {
    const { distrusted } = peer;
    if (distrusted === null || this.#term.streaming().length < 2) return;
    const waiting = peer.waitingSinceMs !== null && nowMs - peer.waitingSinceMs < this.#term.timing.suspectMs;
    if (waiting || (peer.resets >= MAX_RESETS && peer.waitingSinceMs === null)) return;
    if (peer.waitingSinceMs === null) peer.resets++;
    peer.waitingSinceMs = nowMs;
    this.#term.send(peer, { type: "reset", epoch: this.#term.epoch, incarnation: distrusted });
  }

  /** An upstream bound to a higher epoch whose leader is gone is won back by a still higher one. */
  #reclaim(peer: Peer, nowMs: number): void {
    if (this.#term.phase === "active" && peer.leaderSilentMs > 5 * this.#term.timing.suspectMs)
      this.#term.renewFor(peer, nowMs);
  }
}
