/** A TMR server of the simulation: the production core and orderer, driven as ts/tmr/server.ts drives them. */

import { type Intake, type Orderer, Intake as Outcome } from "../../ts/engine/types.js";
import { TmrError } from "../../ts/errors.js";
import type { HandOverOutcome } from "../../ts/failover/hand-over.js";
import { roleNumber, roleOf } from "../../ts/failover/twin.js";
import type { CommandOutcome } from "../../ts/server/commands.js";
import { TmrCore } from "../../ts/tmr/core.js";
import type { CoreEvent } from "../../ts/tmr/core-ports.js";
import type { ServerRecord } from "../../ts/tmr/server-state.js";
import { SyncStamps } from "../../ts/tmr/sync-stamps.js";
import { decodeLink, encodeLink, type LinkMessage } from "../../ts/wire/link.js";
import { MessageField, MessageType } from "../../ts/wire/message.js";
import type { SystemRecord } from "../../ts/wire/system-record.js";
import { mutantOrderer } from "./mutant-orderer.js";
import type { End, EndHandlers, Purpose } from "./network.js";
import { Process } from "./process.js";
import { engine, TWIN_KEY, type UpstreamId, upstreamIds } from "./system.js";
import type { World } from "./world.js";

const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 500;

export const serverLimits = {
  maxClients: 64,
  maxPendingRequests: 1024,
  maxRequestsPerBatch: 64,
  maxBatchBlobBytes: 65_536,
  maxBatchesInFlight: 8,
  retainedBatches: 64,
  maxClientOutputBytes: 262_144,
};

export class ServerNode extends Process {
  core!: TmrCore;
  orderer!: Orderer;
  /** The durable record: the only thing that a TMR server keeps. */
  record: ServerRecord = { highestUsedEpoch: 0, founded: false, forgiven: 0 };
  /** How the next durable write fails, once. */
  nextFault: "before" | "after" | null = null;
  readonly #links = new Map<UpstreamId, { end: End | null; retryMs: number }>();
  readonly #clients = new Map<number, End>();
  #twinOut: End | null = null;
  #twinIn: End | null = null;
  #twinCalling = false;
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  #pumpPlanned = false;
  readonly #dirty = new Uint32Array(serverLimits.maxClients);

  constructor(
    world: World,
    readonly twin: 0 | 1,
  ) {
    super(world, `tmr${twin}`);
  }

  get active(): boolean {
    return this.up && this.core.role === "active";
  }

  protected started(): void {
    this.#links.clear();
    this.#clients.clear();
    this.#twinOut = null;
    this.#twinIn = null;
    this.#twinCalling = false;
    this.#pumpPlanned = false;
    this.#lastBeatMs = Number.NEGATIVE_INFINITY;
    const orderer = engine.createOrderer({
      limits: serverLimits,
      twinKey: TWIN_KEY,
      sessionTimeoutMs: this.world.plan.sessionTimeoutMs,
    });
    this.orderer = mutantOrderer(orderer, this.world);
    this.core = this.#makeCore();
    for (const id of upstreamIds) {
      this.#links.set(id, { end: null, retryMs: FIRST_RETRY_MS });
      this.#dial(id);
    }
    this.#tick();
  }

  protected stopped(): void {
    this.orderer.close();
  }

  accept(end: End, purpose: Purpose): EndHandlers | null {
    return purpose === "twin" ? this.#acceptTwin(end) : this.#acceptClient(end);
  }

  takeOver(): void {
    this.receive(() => {
      this.core.takeOver(this.nowMs);
      this.#turn();
    });
  }

  /** Hands over to the twin in order; `settle` is told null, or why not. */
  switchOver(settle: (outcome: HandOverOutcome) => void): void {
    this.receive(() => {
      this.core.switchOver(this.nowMs, settle);
      this.#planPump();
    });
  }

  /** Has a record ordered for whoever runs this server. */
  command(record: SystemRecord, settle: (outcome: CommandOutcome) => void): void {
    this.receive(() => {
      this.core.command(record, settle);
      this.#planPump();
    });
  }

  /** The end that an operator asks for: clients are told, then everything closes. */
  shutDown(): void {
    this.receive(() => {
      this.core.stop();
      this.#sayNotActiveToAll();
      this.#flush();
      for (const end of this.#clients.values()) end.close();
      for (const { end } of this.#links.values()) end?.close();
      this.#twinOut?.close();
      this.crash();
    });
  }

  // ---- the parts ---------------------------------------------------------------------------------------------------

  #makeCore(): TmrCore {
    return new TmrCore({
      twin: this.twin,
      timing: this.world.plan.timing,
      ordering: this.orderer,
      record: this.record,
      minTimeoutMs: this.world.plan.sessionTimeoutMs.min,
      // So few that both happen: batches that wait for one another, and several under way.
      fullBatch: 2,
      peerAddress: `tmr${1 - this.twin}`,
      rules: this.world.rules,
      verifyMac: (batch) => engine.verifyBatchMac(batch, TWIN_KEY),
      stamps: new SyncStamps(TWIN_KEY),
      ports: {
        send: (upstream, message) => this.#send(upstream, message),
        durably: (change) => this.#durably(change),
        beat: () => this.#beat(),
        tellTwin: (message) => this.#twinOut?.send(encodeLink(message)),
        dropClients: () => {
          this.#sayNotActiveToAll();
          this.#flush();
          for (const end of this.#clients.values()) end.close();
          for (const client of this.#clients.keys()) this.orderer.removeClient(client);
          this.#clients.clear();
        },
        statusDocument: () => new Uint8Array(0),
        holding: () => {},
        say: (event) => this.#say(event),
      },
    });
  }

  #durably(change: Partial<ServerRecord>): void {
    const fault = this.nextFault;
    this.nextFault = null;
    const kept = this.world.simRules.epochsNeverReused ? change : { ...change, highestUsedEpoch: 0 };
    if (fault !== "before") this.record = { ...this.record, ...kept };
    if (fault !== null) throw new TmrError("ERR_TMR_STORE_WRITE", "the record cannot be written");
  }

  #say(event: CoreEvent): void {
    this.world.say(`${this.name} ${JSON.stringify(event)}`);
    if (event.event === "active") this.world.observer.activated(this, event.epoch, event.position);
    if (event.event === "alarm") this.world.observer.alarmed(this, event);
  }

  // ---- upstreams -----------------------------------------------------------------------------------------------------

  #dial(id: UpstreamId): void {
    const link = this.#links.get(id) as { end: End | null; retryMs: number };
    this.world.network.dial(this, `up${id}`, "link", {
      opened: (end) => {
        link.end = end;
        link.retryMs = FIRST_RETRY_MS;
        this.core.connected(id, this.nowMs);
        this.#turn();
      },
      failed: () => this.#lostLink(id),
      closed: () => this.#lostLink(id),
      message: (bytes) => this.#fromUpstream(id, bytes),
    });
  }

  #lostLink(id: UpstreamId): void {
    const link = this.#links.get(id) as { end: End | null; retryMs: number };
    link.end = null;
    this.core.disconnected(id, this.nowMs);
    this.#turn();
    this.later(link.retryMs, () => this.#dial(id));
    link.retryMs = Math.min(link.retryMs * 2, MAX_RETRY_MS);
  }

  #fromUpstream(id: UpstreamId, bytes: Buffer): void {
    if (bytes[MessageField.type] === MessageType.vote) {
      if (this.orderer.vote(id, bytes) !== Outcome.ok) {
        const end = this.#links.get(id)?.end;
        end?.close();
        this.#lostLink(id);
        return;
      }
      this.core.voted(id, this.nowMs);
      this.world.observer.server(this);
    } else {
      this.core.control(id, bytes, this.nowMs);
    }
    this.#planPump();
  }

  /** A control message goes behind the appends that are queued already. */
  #send(id: UpstreamId, message: LinkMessage): void {
    this.#flushUpstream(id);
    this.#links.get(id)?.end?.send(encodeLink(message));
  }

  #flushUpstream(id: UpstreamId): void {
    const end = this.#links.get(id)?.end ?? null;
    for (let bytes = this.orderer.takeAppend(id); bytes !== null; bytes = this.orderer.takeAppend(id)) {
      this.world.observer.ordered(this, bytes);
      end?.send(bytes);
    }
  }

  // ---- the twin ------------------------------------------------------------------------------------------------------

  #beat(): void {
    const out = this.#twinOut;
    if (out !== null) {
      out.send(this.#heartbeat());
      return;
    }
    if (this.#twinCalling) return;
    this.#twinCalling = true;
    this.world.network.dial(this, `tmr${1 - this.twin}`, "twin", {
      opened: (end) => {
        this.#twinCalling = false;
        this.#twinOut = end;
        end.send(this.#heartbeat());
      },
      failed: () => {
        this.#twinCalling = false;
      },
      closed: () => {
        this.#twinOut = null;
      },
      message: () => {},
    });
  }

  #heartbeat(): Buffer {
    return encodeLink({
      type: "heartbeat",
      twin: this.twin,
      role: roleNumber(this.core.role),
      ...this.core.heartbeatPoint(),
    });
  }

  #acceptTwin(end: End): EndHandlers {
    const former = this.#twinIn;
    this.#twinIn = end;
    former?.close();
    return {
      message: (bytes) => {
        const message = decodeLink(bytes);
        if (message?.type === "heartbeat") this.core.peerHeard(message, roleOf(message.role), this.nowMs);
        if (message?.type === "handOver") this.core.twinSaid(message, null, this.nowMs);
        if (message?.type === "handOverReply") this.core.twinSaid(message, roleOf(message.role), this.nowMs);
        this.#planPump();
      },
      closed: () => {
        if (this.#twinIn !== end) return;
        this.#twinIn = null;
        this.core.peerDisconnected();
        this.#turn(true);
      },
    };
  }

  // ---- clients -------------------------------------------------------------------------------------------------------

  #acceptClient(end: End): EndHandlers | null {
    const client = this.orderer.addClient();
    if (client < 0) return null;
    this.#clients.set(client, end);
    if (this.core.role === "passive") {
      this.core.sayNotActive(client);
      this.#planPump();
    }
    return {
      message: (bytes) => {
        if (!this.#clients.has(client)) return;
        const intake: Intake = this.orderer.clientMessage(client, bytes);
        if (intake === Outcome.ok) {
          this.#planPump();
          return;
        }
        this.world.observer.refusedPacket(this, intake);
        this.#removeClient(client);
        end.close();
      },
      closed: () => this.#removeClient(client),
    };
  }

  #removeClient(client: number): void {
    if (this.#clients.delete(client)) this.orderer.removeClient(client);
  }

  #sayNotActiveToAll(): void {
    for (const client of this.#clients.keys()) this.core.sayNotActive(client);
  }

  // ---- one turn ------------------------------------------------------------------------------------------------------

  #planPump(): void {
    if (this.#pumpPlanned) return;
    this.#pumpPlanned = true;
    this.later(this.world.plan.turnMs, () => {
      this.#pumpPlanned = false;
      this.#turn();
    });
  }

  #turn(withTick = false): void {
    if (!this.up) return;
    if (withTick) this.core.tick(this.nowMs);
    else this.core.pump(this.nowMs);
    this.world.observer.server(this);
    this.#flush();
  }

  #tick(): void {
    if (this.nowMs - this.#lastBeatMs >= this.world.plan.timing.heartbeatMs) {
      this.#lastBeatMs = this.nowMs;
      this.#beat();
    }
    this.#turn(true);
    this.later(this.world.plan.tickMs, () => this.#tick());
  }

  #flush(): void {
    // Only a leader has something for the upstreams.
    if (this.core.leader.phase === "active") for (const id of upstreamIds) this.#flushUpstream(id);
    const count = this.orderer.dirtyClients(this.#dirty);
    for (let i = 0; i < count; i++) {
      const client = this.#dirty[i] as number;
      const end = this.#clients.get(client);
      if (end === undefined) continue;
      for (
        let bytes = this.orderer.takeClientMessage(client);
        bytes !== null;
        bytes = this.orderer.takeClientMessage(client)
      ) {
        end.send(bytes);
      }
    }
  }
}
