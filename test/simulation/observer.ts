/**
 * Watches everything and knows everything: the invariants of protocol.md section 5, checked at every step. What it
 * needs to know it takes from what production gives out anyway: messages, batches, stores.
 */
import type { SessionNotice } from "../../ts/client/types.js";
import type { Intake } from "../../ts/engine/types.js";
import type { CoreEvent } from "../../ts/tmr/core-ports.js";
import { BatchField } from "../../ts/wire/batch.js";
import { getU64 } from "../../ts/wire/bytes.js";
import { isRetryable, Kind, statusName } from "../../ts/wire/kinds.js";
import { MESSAGE_HEADER_BYTES, MessageField } from "../../ts/wire/message.js";
import { REQUEST_BYTES } from "../../ts/wire/request.js";
import { RESULT_BYTES, type Result, ResultField, readResult } from "../../ts/wire/result.js";
import type { ClientNode } from "./client-node.js";
import { Model, requestKey } from "./model.js";
import { SeatLaws } from "./seat-laws.js";
import type { ServerNode } from "./server-node.js";
import { checkStatementOf, EPOCH_MS, engine, genesisHash, licenseStates, sha256, TWIN_KEY } from "./system.js";
import type { UpstreamNode } from "./upstream-node.js";
import type { World } from "./world.js";

/** An invariant does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
  constructor(
    readonly invariant: string,
    readonly atMs: number,
    readonly what: string,
  ) {
    super(`${invariant} at ${atMs.toFixed(3)} ms: ${what}`);
  }
}

interface Carried {
  readonly digest: string;
  readonly epoch: number;
}

/** How far log time may be ahead of the time in which a leader could believe in a quorum. */
const LOG_TIME_SLACK_MS = 900;
const CALENDAR_SLACK_MS = 2_000;

export class Observer {
  readonly model: Model;
  readonly #laws: SeatLaws;
  answers = 0;
  readonly #world: World;
  /** index = position; entry 0 stands for the genesis */
  readonly #carried: Carried[] = [{ digest: hex(genesisHash), epoch: 0 }];
  /** MAC of every batch that a TMR server made, and when */
  readonly #ordered = new Map<string, number>();
  readonly #stateDigests = new Map<string, string>();
  readonly #seenEnd = new Map<string, string>();
  readonly #seenCarried = new Map<ServerNode, string>();
  /** per request: the highest execution of any operation that had returned when it was first sent */
  readonly #floor = new Map<string, number>();
  readonly #told = new Map<string, string>();
  #returned = 0;
  #logLead = Number.POSITIVE_INFINITY;
  #logMs = 0;

  constructor(world: World) {
    this.#world = world;
    this.model = new Model(licenseStates(world.rules).create(), checkStatementOf);
    this.#laws = new SeatLaws(this.model);
  }

  get carriedTo(): number {
    return this.#carried.length - 1;
  }

  // ---- batches: S2, MAC, times ----------------------------------------------------------------------------------------

  /** A TMR server sends an append. */
  ordered(_server: ServerNode, append: Buffer): void {
    const mac = macOf(append, MESSAGE_HEADER_BYTES);
    if (!this.#ordered.has(mac)) this.#ordered.set(mac, this.#world.nowMs);
  }

  /** A TMR server has had an event: what it holds to be carried now? */
  server(server: ServerNode): void {
    const { orderer } = server;
    if (server.core.leader.phase !== "active") return;
    const epoch = server.core.leader.epoch;
    const seen = `${server.life}:${epoch}:${orderer.carried}`;
    if (this.#seenCarried.get(server) === seen) return;
    this.#seenCarried.set(server, seen);
    for (let position = this.carriedTo + 1; position <= orderer.carried; position++) {
      const batch = orderer.batchAt(position);
      if (batch === null) this.#fail("S2", `${server.name} carried ${position} and does not have it`);
      this.#carry(position, batch, epoch);
    }
    this.#contains(server, orderer.carried, orderer.carriedDigest(), epoch);
  }

  /** A TMR server begins to serve: its log must hold everything carried in an earlier epoch. */
  activated(server: ServerNode, epoch: number, position: number): void {
    const digest = server.orderer.carriedDigest();
    const holders = this.#world.upstreams.filter(({ disk }) => same(disk.store.digestAt(position), digest));
    if (holders.length === 0) this.#fail("S2", `${server.name} serves a log up to ${position} that no upstream has`);
    for (let next = this.carriedTo + 1; next <= position; next++) {
      // The log of one that was filled by a snapshot begins behind it: another one has the batch.
      const batch = holders
        .map(({ disk }) => disk.store.read(next - 1, 1)[0])
        .find((read) => read !== undefined && getU64(read, BatchField.position) === next);
      if (batch === undefined) this.#fail("S2", `no upstream holds position ${next} of the chosen log`);
      this.#carry(next, batch, epoch);
    }
    this.#contains(server, position, digest, epoch);
    this.#world.count("epochs served");
  }

  #contains(server: ServerNode, position: number, digest: Uint8Array, epoch: number): void {
    const known = this.#carried[position];
    if (known !== undefined && known.digest !== hex(digest)) {
      this.#fail(
        "S2",
        `${server.name} in epoch ${epoch} has another batch at ${position} than the one carried in ${known.epoch}`,
      );
    }
    const next = this.#carried[position + 1];
    if (server.core.leader.phase === "active" && next !== undefined && next.epoch < epoch) {
      this.#fail(
        "S2",
        `${server.name} serves epoch ${epoch} up to ${position}; ${position + 1} was carried in ${next.epoch}`,
      );
    }
  }

  #carry(position: number, batch: Buffer, epoch: number): void {
    const digest = hex(chainDigest(batch));
    if (hex(batch.subarray(BatchField.previous, BatchField.previous + 32)) !== this.#carried[position - 1]?.digest) {
      this.#fail("S2", `the batch carried at ${position} does not follow the one carried before it`);
    }
    const orderedAtMs = this.#ordered.get(macOf(batch, 0));
    if (orderedAtMs === undefined || !engine.verifyBatchMac(batch, TWIN_KEY))
      this.#fail("MAC", `the batch carried at ${position} was made by no TMR server`);
    this.#carried.push({ digest, epoch });
    this.#times(position, batch, orderedAtMs);
    const different = this.model.apply(batch);
    if (different !== null) this.#fail("S5", `what ${position} does, ${different}`);
    this.#stateIs(digest, hex(this.model.machine.stateDigest), "the model");
    const broken = this.#laws.check();
    if (broken !== null) this.#fail(broken.invariant, `at ${position}: ${broken.what}`);
  }

  /** Rules 10 and 12: log time is no faster than the time with a quorum; calendar time is never ahead. */
  #times(position: number, batch: Buffer, orderedAtMs: number): void {
    const logMs = getU64(batch, BatchField.logMs);
    const lead = logMs - this.#world.quorumTimeAt(orderedAtMs);
    if (lead > this.#logLead + LOG_TIME_SLACK_MS) {
      this.#fail("T1", `log time ran ${Math.round(lead - this.#logLead)} ms ahead at ${position}`);
    }
    if (logMs < this.#logMs) this.#fail("T1", `log time went back at ${position}`);
    this.#logMs = logMs;
    this.#logLead = Math.min(this.#logLead, lead);
    const ahead = getU64(batch, BatchField.calendarMs) - (EPOCH_MS + orderedAtMs);
    if (ahead > CALENDAR_SLACK_MS) this.#fail("T2", `calendar time is ${ahead} ms ahead at ${position}`);
  }

  // ---- upstreams: S6 ---------------------------------------------------------------------------------------------------

  replica(upstream: UpstreamNode): void {
    const { replica } = upstream;
    const end = hex(replica.digest);
    if (this.#seenEnd.get(upstream.name) === end) return;
    this.#seenEnd.set(upstream.name, end);
    this.#stateIs(end, hex(replica.state.stateDigest), upstream.name);
  }

  /** `end`: digest of the log that leads to the state. */
  #stateIs(end: string, state: string, whose: string): void {
    const known = this.#stateDigests.get(end);
    if (known === undefined) this.#stateDigests.set(end, state);
    else if (known !== state) this.#fail("S6", `${whose} has another state than others have after the same log`);
  }

  // ---- clients: S1, S3, S5 ---------------------------------------------------------------------------------------------

  /** A client sends a packet. */
  requested(message: Buffer): void {
    const count = message.readUInt32LE(MessageField.count);
    for (let i = 0; i < count; i++) {
      const key = requestKey(message, MESSAGE_HEADER_BYTES + i * REQUEST_BYTES);
      if (!this.#floor.has(key)) this.#floor.set(key, this.#returned);
    }
  }

  /** A packet has arrived at a client. */
  answered(client: ClientNode, message: Buffer): void {
    const count = message.readUInt32LE(MessageField.count);
    const area = MESSAGE_HEADER_BYTES + count * RESULT_BYTES;
    for (let i = 0; i < count; i++) {
      const at = MESSAGE_HEADER_BYTES + i * RESULT_BYTES;
      const result = readResult(message, at);
      if (result.kind === Kind.notice || result.kind === Kind.status || isRetryable(result.status)) continue;
      const from = area + message.readUInt32LE(at + ResultField.blobOffset);
      const blob = message.subarray(from, from + message.readUInt32LE(at + ResultField.blobLength));
      this.#judge(client, requestKey(message, at), message, at, blob);
    }
  }

  #judge(client: ClientNode, key: string, message: Buffer, at: number, blob: Buffer): void {
    const result = readResult(message, at);
    const what = `${client.name} request ${result.request} of kind ${result.kind}`;
    const executions = this.model.executions(key).filter(({ position }) => position === result.mark);
    const [execution] = executions;
    if (execution === undefined && this.#readFromMemory(key, what, result, blob)) return;
    if (execution === undefined) {
      this.#fail(
        "S5",
        `${what} was answered ${statusName(result.status)} from ${result.mark}, where it was not carried`,
      );
    }
    this.answers++;
    this.#world.count(`answer ${kindName(result.kind)} ${statusName(result.status)}`);
    const differences = executions.map((one) => this.model.difference(one, result, blob));
    if (differences.every((difference) => difference !== null))
      this.#fail("S5", `${what} at ${result.mark}: ${differences[0]}`);
    const floor = this.#floor.get(key) ?? 0;
    const executed = Math.max(...executions.map(({ first }) => first));
    if (executed <= floor) {
      this.#fail("S5", `${what} was executed at ${executed}; an operation at ${floor} had returned before it was sent`);
    }
    this.#returned = Math.max(this.#returned, executed);
    this.#same(key, what, result.kind, message, at, blob);
  }

  /** A read that is in no batch is right when it shows the state at its mark, and that is not older than it may be. */
  #readFromMemory(key: string, what: string, result: Result, blob: Buffer): boolean {
    if (result.kind !== Kind.containers || this.model.containersAt(result.mark) !== blob.toString("utf8")) return false;
    const floor = this.#floor.get(key) ?? 0;
    if (result.mark < floor) {
      this.#fail(
        "S5",
        `${what} shows position ${result.mark}; an operation at ${floor} had returned before it was sent`,
      );
    }
    return true;
  }

  /** S3: what changes something is answered once and for all. */
  #same(key: string, what: string, kind: number, message: Buffer, at: number, blob: Buffer): void {
    if (!onceKinds.has(kind)) return;
    const masked = Buffer.from(message.subarray(at, at + RESULT_BYTES));
    const status = masked.readUInt16LE(ResultField.status);
    // That a session has ended, or that the answer was acknowledged, is no answer to what was asked.
    if (statusName(status) === "session-unknown" || statusName(status) === "stale-request") return;
    masked.fill(0, ResultField.blobOffset, ResultField.blobOffset + 4);
    masked.fill(0, ResultField.mark, ResultField.markProof + 8);
    const told = `${masked.toString("latin1")}${blob.toString("latin1")}`;
    const before = this.#told.get(key);
    if (before === undefined) this.#told.set(key, told);
    else if (before !== told) this.#fail("S3", `${what} was answered in two ways`);
  }

  /** S1 as clients see it: what they may believe in by their own leases is never more than there is. */
  believed(): void {
    const seats = new Map<number, { taken: number; quantity: number }>();
    for (const client of this.#world.clients) {
      for (const held of client.held.values()) {
        if (held.seats === 0 || !client.holds(held) || this.model.cancelled.has(held.handle)) continue;
        const sum = seats.get(held.license) ?? { taken: 0, quantity: 0 };
        sum.taken += held.seats;
        sum.quantity = Math.max(sum.quantity, held.quantity);
        seats.set(held.license, sum);
      }
    }
    for (const [license, { taken, quantity }] of seats) {
      if (taken > quantity) this.#fail("S1", `clients believe in ${taken} seats of ${license}; there are ${quantity}`);
    }
  }

  noticed(_client: ClientNode, notice: SessionNotice): void {
    this.#world.count(`client notice ${notice.type}`);
  }

  refusedPacket(server: ServerNode, intake: Intake): void {
    this.#fail("P1", `${server.name} refused a client's packet (${intake})`);
  }

  // ---- alarms ----------------------------------------------------------------------------------------------------------

  alarmed(server: ServerNode, alarm: CoreEvent & { event: "alarm" }): void {
    this.#world.count(`alarm ${alarm.alarm}`);
    const liar = this.#world.upstreams.find((upstream) => upstream.liar !== null)?.id;
    const upstream = "upstream" in alarm ? alarm.upstream : undefined;
    if (liar !== undefined && upstream === liar) return;
    if (this.#world.allowedAlarms.has(alarm.alarm)) return;
    this.#fail("A1", `${server.name} raised ${JSON.stringify(alarm)}`);
  }

  // ---- the end: L1 -----------------------------------------------------------------------------------------------------

  /** Whether the three upstreams have the same log and state now. */
  inStep(): boolean {
    const { upstreams, excused } = this.#world;
    const ends = upstreams
      .filter(({ id }) => !excused.has(id))
      .map(({ replica, up }) => (up ? `${hex(replica.digest)}${hex(replica.state.stateDigest)}` : ""));
    return ends.every((end) => end === ends[0]) && ends[0] !== "";
  }

  fail(invariant: string, what: string): never {
    this.#fail(invariant, what);
  }

  #fail(invariant: string, what: string): never {
    throw new Violation(invariant, this.#world.nowMs, what);
  }
}

/** What changes something: a repeat must not change it again. */
const onceKinds = new Set<number>([
  Kind.openSession,
  Kind.closeSession,
  Kind.access,
  Kind.release,
  Kind.consume,
  Kind.borrow,
  Kind.returnBorrow,
]);

const kindNames = new Map<number, string>(Object.entries(Kind).map(([name, kind]) => [kind, name]));

/** As coverage is counted by. */
export function kindName(kind: number): string {
  return kindNames.get(kind) ?? `kind ${kind}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function same(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && hex(a) === hex(b);
}

function macOf(bytes: Buffer, batchAt: number): string {
  return bytes.toString("latin1", batchAt + BatchField.mac, batchAt + BatchField.mac + 32);
}

function chainDigest(batch: Buffer): Uint8Array {
  return sha256(Buffer.concat([batch.subarray(BatchField.previous, BatchField.previous + 32), batch]));
}
