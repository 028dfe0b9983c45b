/**
 * What the parts of a leader share: the epoch in use, the choice made in it, the three peers, and the actions that the
 * event at hand has led to. Types of events and actions are here too.
 */
import type { Ordering } from "../engine/types.js";
import type { LinkMessage, LinkMessageOf } from "../wire/link.js";
import { allRules, type ProtocolRules } from "../wire/rules.js";
import type { LogPoint, Outgoing } from "./catch-up.js";
import { type Choice, memberOf, type UpstreamId, upstreamIds } from "./choose.js";
import type { Twin } from "./epoch.js";
import { Peer, type PeerPhase } from "./peer.js";
import type { SyncStamps } from "./sync-stamps.js";

export type LeaderOrdering = Pick<
  Ordering,
  "activate" | "deactivate" | "stream" | "unstream" | "position" | "acknowledged" | "reached" | "resend" | "batchAt"
>;

export interface LeaderOptions {
  readonly twin: Twin;
  readonly ordering: LeaderOrdering;
  verifyMac(batch: Uint8Array): boolean;
  readonly stamps: Pick<SyncStamps, "make" | "fits">;
  /** The highest epoch this server ever used, from its durable record. */
  readonly highestUsedEpoch: number;
  /** True once this server knows that the system has run: blank disks are then a loss, not a beginning. */
  readonly founded: boolean;
  /** Marks up to this position count no more, from its durable record. */
  readonly forgiven: number;
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
  /** The other twin leads: the system has been founded. */
  | { readonly type: "founded" }
  /** The other twin leads and has quarantined these incarnations, 48 bytes, zero for none. */
  | { readonly type: "distrusted"; readonly incarnations: Uint8Array }
  /** An operator admits a blank disk that not all others can vouch for, or all three (rule 8). */
  | { readonly type: "admit"; readonly which: Admission }
  /** An operator accepts that what stopped this server is lost. */
  | { readonly type: "resume" }
  | { readonly type: "connected"; readonly upstream: UpstreamId }
  | { readonly type: "disconnected"; readonly upstream: UpstreamId }
  | { readonly type: "message"; readonly upstream: UpstreamId; readonly message: LinkMessage }
  | { readonly type: "voted"; readonly upstream: UpstreamId }
  | { readonly type: "diverged"; readonly upstream: UpstreamId; readonly position: number }
  | { readonly type: "split"; readonly position: number }
  | { readonly type: "missing"; readonly position: number }
  /** A checkpoint was carried: the voted SHA-256 of the state at this position. */
  | { readonly type: "checkpointed"; readonly position: number; readonly stateHash: Uint8Array }
  /** `eager`: ask every upstream now how its leader is, without waiting for the next heartbeat. */
  | { readonly type: "tick"; readonly eager?: boolean };

/** What an operator can force: one blank upstream, or the founding of a system that has run. */
export type Admission = UpstreamId | "all";

export type LeaderAlarm =
  | { readonly alarm: "diverged"; readonly upstream: UpstreamId; readonly position: number }
  | { readonly alarm: "split"; readonly position: number }
  | { readonly alarm: "answered-missing"; readonly position: number }
  | { readonly alarm: "all-blank" }
  /** All three have answered, and fewer than two are members: only an operator can go on from here (rule 8). */
  | { readonly alarm: "members-missing" }
  | { readonly alarm: "rolled-back"; readonly upstream: UpstreamId }
  | { readonly alarm: "forged-entry"; readonly upstream: UpstreamId }
  | { readonly alarm: "no-common-history"; readonly upstream: UpstreamId }
  | { readonly alarm: "void-promise"; readonly upstream: UpstreamId }
  | { readonly alarm: "forged-promise"; readonly upstream: UpstreamId };

export type LeaderAction =
  /** Must be durable before any later action of the list is done. */
  | { readonly type: "use-epoch"; readonly epoch: number }
  /** Must be durable before any later action of the list is done. */
  | { readonly type: "founded" }
  | { readonly type: "send"; readonly upstream: UpstreamId; readonly message: LinkMessage }
  | { readonly type: "active"; readonly epoch: number; readonly from: LinkMessageOf<"promise"> }
  | { readonly type: "suspended"; readonly epoch: number }
  /** Order a checkpoint: an upstream needs a snapshot whose content two others have voted on. */
  | { readonly type: "checkpoint" }
  | { readonly type: "fenced"; readonly promised: number }
  /** Something that an operator has to look at: this server serves no more. */
  | { readonly type: "stopped" }
  | ({ readonly type: "alarm" } & LeaderAlarm);

export type LeaderPhase = "idle" | "preparing" | "syncing" | "active" | "fenced" | "stopped";

/** Pause after a new epoch for the sake of one upstream, in suspect times; doubled each time up to the most. */
const RENEW_PAUSE_SUSPECTS = 5;
const MAX_RENEW_PAUSE_MS = 60_000;

export class Term {
  readonly peers: Readonly<Record<UpstreamId, Peer>> = { 1: new Peer(1), 2: new Peer(2), 3: new Peer(3) };
  readonly twin: Twin;
  readonly ordering: LeaderOrdering;
  readonly timing: LeaderOptions["timing"];
  readonly rules: ProtocolRules;
  readonly stamps: LeaderOptions["stamps"];
  phase: LeaderPhase = "idle";
  /** In use, or the last one used. */
  epoch: number;
  /** The last one that this server was active in: what the engine knows to be acknowledged, it knows from there. */
  servedEpoch = 0;
  /** The members of that epoch. */
  servedMembers: Uint8Array = new Uint8Array(48);
  /** Marks up to here count no more: an operator accepted that what they stand for is lost. */
  forgiven: number;
  founded: boolean;
  choice: Choice | null = null;
  /** The incarnations that are the system's members under this epoch, 48 bytes. */
  members: Uint8Array = new Uint8Array(48);
  /** When a new epoch is to be taken; null: this one goes on. */
  renewAtMs: number | null = null;
  /** The newest state hash that was voted under this epoch. */
  checkpoint: { readonly position: number; readonly stateHash: Uint8Array } | null = null;
  checkpointAskedAtMs: number | null = null;
  actions: LeaderAction[] = [];
  readonly #alarmed = new Set<string>();

  constructor(options: LeaderOptions) {
    this.twin = options.twin;
    this.ordering = options.ordering;
    this.timing = options.timing;
    this.rules = options.rules ?? allRules;
    this.stamps = options.stamps;
    this.epoch = options.highestUsedEpoch;
    this.founded = options.founded;
    this.forgiven = options.forgiven;
  }

  /** True from the first Prepare until the epoch is lost or given up. */
  leading(): boolean {
    return this.phase === "preparing" || this.phase === "syncing" || this.phase === "active";
  }

  streaming(): Peer[] {
    return upstreamIds.map((id) => this.peers[id]).filter((peer) => peer.phase === "streaming");
  }

  memberOf(id: UpstreamId): Uint8Array {
    return memberOf(this.members, id);
  }

  /** Nothing that this upstream says counts any more, until its store is another one (rule 11). */
  distrust(peer: Peer, incarnation: Uint8Array = this.memberOf(peer.id)): void {
    this.ordering.unstream(peer.id);
    peer.forget();
    peer.phase = "quarantined";
    peer.distrusted = Uint8Array.from(incarnation);
  }

  /** Blank disks are a loss from now on, not a beginning. */
  knowFounded(): void {
    if (this.founded) return;
    this.founded = true;
    this.actions.push({ type: "founded" });
  }

  /** Whether a third upstream votes, or is about to. */
  thirdMayDecide(): boolean {
    const voters = new Set<PeerPhase>(["streaming", "asked", "promised", "catching-up", "syncing"]);
    return upstreamIds.every((id) => this.peers[id].connected && voters.has(this.peers[id].phase));
  }

  /** What the other twin is told of quarantined upstreams: 48 bytes. */
  distrusted(): Uint8Array {
    const none = new Uint8Array(16);
    return Buffer.concat(upstreamIds.map((id) => this.peers[id].distrusted ?? none));
  }

  /** Takes a new epoch at the next tick. */
  renewSoon(nowMs: number): void {
    this.renewAtMs ??= nowMs;
  }

  /**
   * Takes a new epoch for the sake of one upstream: at once, but ever more rarely when it did not help. An upstream that
   * lies, or whose disk fails again and again, must not keep the other two from serving.
   */
  renewFor(peer: Peer, nowMs: number): void {
    if (nowMs < peer.renewAgainAtMs) return;
    if (nowMs > peer.renewAgainAtMs + MAX_RENEW_PAUSE_MS) peer.renewals = 0;
    const pauseMs = RENEW_PAUSE_SUSPECTS * this.timing.suspectMs * 2 ** peer.renewals;
    peer.renewAgainAtMs = nowMs + Math.min(pauseMs, MAX_RENEW_PAUSE_MS);
    peer.renewals++;
    this.renewSoon(nowMs);
  }

  /** Another epoch may cut what was behind it. */
  forgetCheckpoint(): void {
    this.checkpoint = null;
    this.checkpointAskedAtMs = null;
  }

  /** Gives the epoch up: nothing is ordered any more. */
  leave(phase: "idle" | "fenced" | "stopped"): void {
    this.ordering.deactivate();
    for (const id of upstreamIds) {
      const peer = this.peers[id];
      peer.forget();
      if (peer.phase !== "quarantined") peer.phase = peer.connected ? "connected" : "down";
    }
    this.phase = phase;
    this.choice = null;
    this.renewAtMs = null;
    this.forgetCheckpoint();
    if (phase === "stopped") this.actions.push({ type: "stopped" });
  }

  send(peer: Peer, message: LinkMessage): void {
    this.actions.push({ type: "send", upstream: peer.id, message });
  }

  sendAll(outgoing: readonly Outgoing[]): void {
    for (const { to, message } of outgoing) this.actions.push({ type: "send", upstream: to, message });
  }

  /** Says each alarm once until {@link clearAlarms}. */
  alarm(alarm: LeaderAlarm): void {
    const key = JSON.stringify(alarm);
    if (this.#alarmed.has(key)) return;
    this.#alarmed.add(key);
    this.actions.push({ type: "alarm", ...alarm });
  }

  clearAlarms(): void {
    this.#alarmed.clear();
  }
}
