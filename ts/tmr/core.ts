/**
 * What one TMR server does, without sockets, files or clocks: leader, twin, times and proposals around the engine's
 * ordering. The server process and the simulator drive this same code; time is an argument of every call, and
 * everything that leaves goes through {@link TmrPorts}.
 */
import type { Ordering } from "../engine/types.js";
import type { AddressView } from "../failover/address.js";
import { HandOver, type HandOverOutcome, HandOverStep } from "../failover/hand-over.js";
import { roleNumber, TwinMachine, type TwinRole } from "../failover/twin.js";
import type { CommandOutcome } from "../server/commands.js";
import { LocalRequests } from "../server/local-requests.js";
import { Proposals } from "../server/proposals.js";
import { Kind, Status } from "../wire/kinds.js";
import { decodeLink, type LinkMessageOf } from "../wire/link.js";
import { RESULT_BYTES, ResultField, writeResult } from "../wire/result.js";
import type { SystemRecord } from "../wire/system-record.js";
import { Attestations } from "./attestations.js";
import { type UpstreamId, upstreamIds } from "./choose.js";
import { isRelayed, type TmrCoreOptions, type TmrPorts } from "./core-ports.js";
import { Leader } from "./leader.js";
import { OtherTwin } from "./other-twin.js";
import type { Admission, LeaderAction, LeaderEvent, Mark } from "./term.js";
import { VotedClock } from "./voted-clock.js";

const BURST_BYTES = 1024 * 1024;
/** How long requests wait for a quorum before their clients are told that there is none. */
const NO_QUORUM_AFTER_MS = 1_000;
const NOT_ACTIVE = { kind: Kind.notice, status: Status["not-active"], request: 0, session: Buffer.alloc(16) };

export class TmrCore {
  readonly leader: Leader;
  readonly #options: TmrCoreOptions;
  readonly #ordering: Ordering;
  readonly #ports: TmrPorts;
  /** Told to clients when this server is not active. */
  readonly #peerAddress: Buffer;
  readonly #twin: TwinMachine;
  readonly #clock: VotedClock;
  readonly #proposals: Proposals;
  readonly #attestations: Attestations;
  readonly #local: LocalRequests;
  readonly #handOver: HandOver;
  #role: TwinRole = "passive";
  #quorumLostAtMs: number | null = null;
  readonly #peer: OtherTwin;
  #mark: Mark | null = null;
  /** The epoch in which what clients miss is forgiven, since an operator accepted a loss (rule 17). */
  #lossAcceptedIn: number | "next" | null = null;
  #forgiven: number;
  /** What was answered and is missing, when that has stopped this server. */
  #stoppedBy = 0;
  /** A position that a client was answered from and this log does not have, and what was ordered when it said so. */
  #doubt: { readonly position: number; readonly after: number } | null = null;

  constructor(options: TmrCoreOptions) {
    this.#options = options;
    this.#ordering = options.ordering;
    this.#ports = options.ports;
    this.#forgiven = options.record.forgiven;
    this.#peerAddress = Buffer.from(options.peerAddress, "utf8");
    this.#clock = new VotedClock(options.rules);
    this.#twin = new TwinMachine(options.timing);
    this.#peer = new OtherTwin(options.timing);
    this.#proposals = new Proposals(options.ordering, options.minTimeoutMs);
    this.#handOver = new HandOver(options.timing, (message) => this.#tellTwin(message));
    this.#attestations = new Attestations({
      connected: () => upstreamIds.filter((id) => this.leader.peers[id].connected),
      send: (upstream, message) => this.#ports.send(upstream, message),
      check: options.checkAttestation ?? ((_upstream, _given, settle) => settle(false)),
    });
    this.#local = new LocalRequests({
      ordering: options.ordering,
      statusDocument: () => this.#ports.statusDocument(),
      attest: (handle, nowMs, settle) => {
        if (this.#role === "active") this.#attestations.ask(handle, nowMs, settle);
        else settle(Status["not-active"], this.#peerAddress);
      },
    });
    this.leader = new Leader({
      twin: options.twin,
      ordering: options.ordering,
      verifyMac: (batch) => options.verifyMac(batch),
      stamps: options.stamps,
      highestUsedEpoch: options.record.highestUsedEpoch,
      founded: options.record.founded,
      forgiven: options.record.forgiven,
      timing: options.timing,
      burstBytes: BURST_BYTES,
      ...(options.rules === undefined ? {} : { rules: options.rules }),
    });
  }

  get role(): TwinRole {
    return this.#role;
  }

  get peer(): Pick<OtherTwin, "connected" | "role"> {
    return this.#peer;
  }

  // ---- what happens to a server ------------------------------------------------------------------------------------

  connected(upstream: UpstreamId, nowMs: number): void {
    this.#lead({ type: "connected", upstream }, nowMs);
  }

  disconnected(upstream: UpstreamId, nowMs: number): void {
    this.#lead({ type: "disconnected", upstream }, nowMs);
  }

  /** A message of an upstream that is not a vote. Anything that is not one of the protocol's is passed over. */
  control(upstream: UpstreamId, bytes: Uint8Array, nowMs: number): void {
    const message = decodeLink(bytes);
    if (message === null) return;
    if (message.type === "promise" || message.type === "pong") this.#clock.sample(upstream, message.clockMs, nowMs);
    if (message.type === "holding") {
      this.#ports.holding(message.statement);
      this.#proposals.statement(upstream, Buffer.from(message.statement));
      return;
    }
    if (message.type === "attested") return this.#attestations.attested(upstream, message);
    if (isRelayed(message)) return this.#ports.relayed?.(upstream, message);
    this.#lead({ type: "message", upstream, message }, nowMs);
  }

  /** The engine has counted votes of this upstream. */
  voted(upstream: UpstreamId, nowMs: number): void {
    this.#clock.sample(upstream, this.#ordering.clockMs(upstream), nowMs);
    this.#lead({ type: "voted", upstream }, nowMs);
  }

  peerHeard(heartbeat: LinkMessageOf<"heartbeat">, role: TwinRole | null, nowMs: number): void {
    this.#peer.heard(role, heartbeat.epoch, nowMs);
    if (role === "active") {
      this.#lead({ type: "founded" }, nowMs);
      this.#lead({ type: "distrusted", incarnations: heartbeat.distrusted }, nowMs);
      // It leads later than this server does: asked now, the upstreams say so, and the clients need not wait for that.
      const isLater = heartbeat.epoch > this.leader.epoch && this.#role !== "passive";
      if (isLater) this.#lead({ type: "tick", eager: true }, nowMs);
    }
    this.#forgive(heartbeat.forgiven);
    // The highest carried point that the peer named: a log without it must not be served (rule 17).
    if (heartbeat.position > (this.#mark?.position ?? 0)) {
      this.#mark = { epoch: heartbeat.epoch, position: heartbeat.position, digest: Uint8Array.from(heartbeat.digest) };
    }
  }

  peerDisconnected(): void {
    this.#peer.connected = false;
  }

  /** A step of a planned hand-over: the twin asks for it, or answers. */
  twinSaid(message: LinkMessageOf<"handOver" | "handOverReply">, role: TwinRole | null, nowMs: number): void {
    if (message.type === "handOverReply") return this.#handOver.replied(message, role, nowMs);
    if (message.step === HandOverStep.go) return this.takeOver(nowMs, "handed-over");
    const reach = this.#peer.witnesses(this.leader, nowMs).length;
    this.#ports.tellTwin({ type: "handOverReply", ask: message.ask, role: roleNumber(this.#role), reach });
  }

  /** Hands over to the twin in order. `settle` is called once: null when the twin is active, else why it is not. */
  switchOver(nowMs: number, settle: (outcome: HandOverOutcome) => void): void {
    this.#handOver.begin(this.#handOverView(nowMs), nowMs, settle);
  }

  /** What decides about the virtual address, apart from where it is. */
  addressView(nowMs: number): Omit<AddressView, "address"> {
    return this.#peer.addressView(this, nowMs);
  }

  /** The operator, or the owner of the virtual IP, wants this server to be active. */
  takeOver(nowMs: number, reason: "nobody-leads" | "handed-over" | "told" = "told"): void {
    if (this.#role !== "passive" && this.#role !== "taking-over") return;
    this.#ports.say({ event: "taking-over", reason });
    this.#setRole("taking-over");
    this.#lead({ type: "lead", mark: this.#mark }, nowMs);
  }

  /**
   * The operator admits a blank upstream that not both others can vouch for, or founds anew a system whose three disks are
   * lost; what only the disks that are away knew is lost (rule 8). Null when it has begun, else why it cannot.
   */
  admit(which: Admission, nowMs: number): string | null {
    const why = this.leader.whyNotAdmit(which);
    if (why !== null) return why;
    this.#ports.say({ event: "loss-accepted", which });
    this.#forgive(Math.max(this.#mark?.position ?? 0, this.#ordering.carried));
    this.#lossAcceptedIn = "next";
    this.#lead({ type: "admit", which }, nowMs);
    return null;
  }

  /** The operator accepts what has stopped this server: it takes part again. Null when it does, else why not. */
  resume(nowMs: number): string | null {
    if (this.#role !== "stopped") return `this server is ${this.#role}, not stopped`;
    this.#ports.say({ event: "loss-accepted", which: "missing" });
    this.#forgive(this.#stoppedBy);
    this.#lossAcceptedIn = "next";
    this.#lead({ type: "resume" }, nowMs);
    this.#setRole("passive");
    return null;
  }

  /** Has a record ordered for whoever runs this server. `settle` is called once, maybe within the call. */
  command(record: SystemRecord, settle: (outcome: CommandOutcome) => void): void {
    if (this.#role === "active") this.#proposals.commands.ask(record, settle);
    else settle("not-active");
  }

  /** Sessions that are opened from now on last at least so long. */
  minTimeout(ms: number): void {
    this.#proposals.minTimeout(ms);
  }

  /** No more batches: every client is told to ask the peer. */
  stop(): void {
    this.#setRole("stopping");
    this.#proposals.commands.refuseAll("not-active");
    this.#ordering.refuseAll(Status["not-active"], this.#peerAddress);
  }

  tick(nowMs: number): void {
    // While the peer seems gone, the upstreams are asked at every tick: that is how fast a takeover can begin.
    this.#lead({ type: "tick", eager: this.#role === "passive" && !this.#peer.connected }, nowMs);
    if (this.#twin.step(this.#peer.view(this.#options.twin, this, nowMs), nowMs) === "take-over")
      this.takeOver(nowMs, "nobody-leads");
    this.pump(nowMs);
  }

  /** After anything has arrived: votes are acted on, the next batches made, local requests answered. */
  pump(nowMs: number): void {
    if (this.#role === "stopping") return;
    this.#takeEvents(nowMs);
    this.#settleDoubt(nowMs);
    this.#local.take(nowMs);
    this.#attestations.tick(nowMs);
    this.#handOver.step(this.#handOverView(nowMs), nowMs);
    this.#clock.advance(nowMs, this.leader.hasQuorum);
    if (!this.leader.hasQuorum) return this.#refuseWithoutQuorum(nowMs);
    this.#quorumLostAtMs = null;
    this.#proposals.propose(this.#clock.logMs);
    this.#makeBatches(nowMs);
  }

  /** What the next heartbeat says, apart from the role's wire number. */
  heartbeatPoint(): Pick<LinkMessageOf<"heartbeat">, "epoch" | "position" | "digest" | "distrusted" | "forgiven"> {
    const active = this.#role === "active";
    return {
      epoch: this.leader.epoch,
      position: active ? this.#ordering.carried : 0,
      digest: active ? this.#ordering.carriedDigest() : new Uint8Array(32),
      distrusted: this.leader.distrusted,
      forgiven: this.#forgiven,
    };
  }

  /** Queues the notice that says who else may be active. */
  sayNotActive(client: number): void {
    const record = Buffer.alloc(RESULT_BYTES);
    writeResult(record, 0, NOT_ACTIVE, 0, this.#peerAddress.length);
    this.#ordering.answer(client, record, this.#peerAddress);
  }

  /**
   * One batch at a time: what arrives while it is under way makes the next one large, and its cost (three messages, three
   * syncs to disk, three votes) is shared by more requests. Only a full one does not wait.
   */
  #makeBatches(nowMs: number): void {
    const ordering = this.#ordering;
    if (this.#handOver.draining) return;
    const full = this.#options.fullBatch ?? 1;
    while (ordering.position === ordering.carried || ordering.pending >= full) {
      if (ordering.nextBatch(this.#clock.logMs, this.#clock.calendarMs(nowMs)) === 0) return;
    }
  }

  // ---- how it decides ----------------------------------------------------------------------------------------------

  #handOverView(nowMs: number) {
    const drained = this.#ordering.position === this.#ordering.carried;
    return { role: this.#role, peerAnswers: this.#peer.answers(nowMs), peerRole: this.#peer.role, drained };
  }

  /** Behind a heartbeat, so that the twin knows all that was carried before it takes over. */
  #tellTwin(message: LinkMessageOf<"handOver">): void {
    this.#ports.beat();
    this.#ports.tellTwin(message);
  }

  #takeEvents(nowMs: number): void {
    for (let event = this.#ordering.takeEvent(); event !== null; event = this.#ordering.takeEvent()) {
      switch (event.type) {
        case "proposed":
          this.#proposals.carried(event.record, event.blob);
          if (event.record.readUInt8(ResultField.kind) === Kind.checkpoint) {
            this.#lead({ type: "checkpointed", position: event.position, stateHash: event.blob }, nowMs);
          }
          break;
        case "diverged":
          this.#lead({ type: "diverged", upstream: event.upstream as UpstreamId, position: event.position }, nowMs);
          break;
        case "split":
          this.#lead({ type: "split", position: event.position }, nowMs);
          break;
        case "missing":
          if (this.leader.epoch === this.#lossAcceptedIn) this.#forgive(event.position);
          if (event.position <= this.#forgiven) break;
          this.#doubt ??= { position: event.position, after: this.#ordering.position };
          this.#proposals.hurry();
          break;
        default:
          event satisfies never;
      }
    }
  }

  /**
   * A client was answered from a position that this log does not have. A newer leader may have given that answer
   * without this one knowing; then nothing ordered from now on is carried. If it is, the answer is lost.
   */
  #settleDoubt(nowMs: number): void {
    const doubt = this.#doubt;
    if (doubt === null) return;
    if (this.leader.phase !== "active") this.#doubt = null;
    else if (this.#ordering.carried > doubt.after) {
      this.#doubt = null;
      this.#lead({ type: "missing", position: doubt.position }, nowMs);
    }
  }

  #refuseWithoutQuorum(nowMs: number): void {
    if (this.#role === "passive" || this.#role === "stopped") {
      this.#ordering.refusePending(Status["not-active"], this.#peerAddress);
      return;
    }
    this.#quorumLostAtMs ??= nowMs;
    if (nowMs - this.#quorumLostAtMs < NO_QUORUM_AFTER_MS) return;
    this.#ordering.refuseAll(Status["no-quorum"]);
    this.#proposals.commands.refuseAll("no-quorum");
  }

  #lead(event: LeaderEvent, nowMs: number): void {
    for (const action of this.leader.step(event, nowMs)) this.#perform(action);
  }

  #perform(action: LeaderAction): void {
    switch (action.type) {
      case "use-epoch":
        return this.#ports.durably({ highestUsedEpoch: action.epoch });
      case "founded":
        this.#ports.say({ event: "founded" });
        return this.#ports.durably({ founded: true });
      case "send":
        return this.#ports.send(action.upstream, action.message);
      case "active":
        this.#clock.start(action.from.logMs, action.from.calendarMs);
        this.#proposals.restart();
        if (this.#lossAcceptedIn === "next") this.#lossAcceptedIn = action.epoch;
        this.#setRole("active");
        return this.#ports.say({ event: "active", epoch: action.epoch, position: action.from.position });
      case "checkpoint":
        return this.#proposals.checkpoint();
      case "suspended":
        return this.#ports.say({ event: "suspended", epoch: action.epoch });
      case "fenced":
        this.#ports.say({ event: "fenced", epoch: this.leader.epoch, promised: action.promised });
        return this.#stepDown("passive");
      case "stopped":
        return this.#stepDown("stopped");
      case "alarm": {
        const { type: _, ...alarm } = action;
        if (alarm.alarm === "answered-missing") this.#stoppedBy = alarm.position;
        return this.#ports.say({ event: "alarm", ...alarm });
      }
      default:
        return action satisfies never;
    }
  }

  /** Marks up to this position count no more. Durable before it has any effect. */
  #forgive(position: number): void {
    if (position <= this.#forgiven) return;
    this.#ports.durably({ forgiven: position });
    this.#forgiven = position;
    this.leader.forgive(position);
    // Told now: a peer that tries to lead in this moment would stop over what it was told before.
    this.#ports.beat();
  }

  #stepDown(role: "passive" | "stopped"): void {
    this.#setRole(role);
    this.#proposals.commands.refuseAll("not-active");
    this.#ordering.refuseAll(Status["not-active"], this.#peerAddress);
    this.#ports.dropClients();
  }

  #setRole(role: TwinRole): void {
    if (this.#role === role) return;
    this.#role = role;
    this.#ports.beat();
  }
}
