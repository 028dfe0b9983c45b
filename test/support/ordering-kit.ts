/** An orderer with three upstreams that answer what they are sent, for the tests of the native ordering. */
import assert from "node:assert/strict";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import type { Orderer, OrderingEvent, OrderingLimits } from "../../ts/engine/types.js";
import { batchOfAppend } from "../../ts/wire/append.js";
import { BatchField, blobAreaOffset, previousDigest, readBatchHeader, recordOffset } from "../../ts/wire/batch.js";
import { Kind, Status, statusName } from "../../ts/wire/kinds.js";
import {
  isWellFormedMessage,
  isWellFormedPacket,
  MESSAGE_HEADER_BYTES,
  MessageField,
  MessageType,
  packetOf,
} from "../../ts/wire/message.js";
import { REQUEST_BYTES, type Request, RequestField, requestNumber, writeRequest } from "../../ts/wire/request.js";
import {
  MAX_RESULT_BLOB_BYTES,
  RESULT_BYTES,
  type Result,
  ResultField,
  readResult,
  writeResult,
} from "../../ts/wire/result.js";
import { voteOf } from "../../ts/wire/vote.js";
import { engine } from "./native-engine.js";

export const twinKey = Buffer.alloc(32, 0x7a);
export const genesis = createHash("sha256").update("a genesis").digest();
export const generousLimits: OrderingLimits = {
  maxClients: 8,
  maxPendingRequests: 64,
  maxRequestsPerBatch: 16,
  maxBatchBlobBytes: 65_536,
  maxBatchesInFlight: 4,
  retainedBatches: 8,
  maxClientOutputBytes: 1 << 20,
};
export const sessionTimeoutMs = { min: 5_000, default: 120_000, max: 86_400_000 };

/** Options of an orderer with some limits of its own. */
export function orderingOptions(limits: Partial<OrderingLimits> = {}) {
  return { limits: { ...generousLimits, ...limits }, twinKey, sessionTimeoutMs };
}

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function derivedKey(info: string): Buffer {
  return Buffer.from(hkdfSync("sha256", twinKey, new Uint8Array(0), info, 32));
}

/** The proof that a mark was given, from node:crypto. */
export function markProof(position: number): Buffer {
  const encoded = Buffer.alloc(8);
  encoded.writeBigUInt64LE(BigInt(position));
  return createHmac("sha256", derivedKey("tmr mark")).update(encoded).digest().subarray(0, 8);
}

/** The MAC that a batch should have, from node:crypto. */
export function batchMac(batch: Buffer): Buffer {
  const copy = Buffer.from(batch);
  copy.fill(0, BatchField.mac, BatchField.mac + 32);
  return createHmac("sha256", derivedKey("tmr batch mac")).update(copy).digest();
}

export const incarnationOf = (upstream: number): Buffer => Buffer.alloc(16, 0x10 * upstream);
export const members = Buffer.concat([1, 2, 3].map(incarnationOf));
export const sessionOf = (name: number): Buffer => Buffer.alloc(16, name);

export type Asked = Partial<Request> & { readonly blob?: Uint8Array };

/** A requests packet. Defaults: a heartbeat of session 1, numbered by its place. */
export function requestsPacket(...asked: readonly Asked[]): Buffer {
  const records = Buffer.alloc(asked.length * REQUEST_BYTES);
  const blobs: Uint8Array[] = [];
  let blobAt = 0;
  asked.forEach(({ blob = new Uint8Array(0), ...request }, i) => {
    const full = { kind: Kind.heartbeat, request: i + 1, session: sessionOf(1), ...request };
    writeRequest(records, i * REQUEST_BYTES, full, blobAt, blob.length);
    blobs.push(blob);
    blobAt += blob.length;
  });
  return packetOf(MessageType.requests, records, Buffer.concat(blobs));
}

export interface Answer extends Result {
  readonly statusName: string;
  readonly blob: Buffer;
}

/** The answers in a results packet. */
export function answersIn(packet: Buffer): Answer[] {
  assert.ok(isWellFormedMessage(packet) && isWellFormedPacket(packet));
  assert.equal(packet[MessageField.type], MessageType.results);
  assert.ok(packet.length <= 65_000);
  const count = packet.readUInt32LE(MessageField.count);
  const blobs = packet.subarray(MESSAGE_HEADER_BYTES + count * RESULT_BYTES);
  return Array.from({ length: count }, (_, i) => {
    const at = MESSAGE_HEADER_BYTES + i * RESULT_BYTES;
    const result = readResult(packet, at);
    const offset = packet.readUInt32LE(at + ResultField.blobOffset);
    const blob = blobs.subarray(offset, offset + packet.readUInt32LE(at + ResultField.blobLength));
    return { ...result, statusName: statusName(result.status), blob };
  });
}

/** The requests in a batch, with their blobs. */
export function requestsIn(batch: Buffer): { kind: number; request: number; session: number; blob: string }[] {
  const { count } = readBatchHeader(batch);
  const blobs = batch.subarray(blobAreaOffset(count));
  return Array.from({ length: count }, (_, i) => {
    const at = recordOffset(i);
    const offset = batch.readUInt32LE(at + RequestField.blobOffset);
    return {
      kind: batch.readUInt8(at + RequestField.kind),
      request: requestNumber(batch, at),
      session: batch.readUInt8(at + RequestField.session),
      blob: blobs.toString("latin1", offset, offset + batch.readUInt32LE(at + RequestField.blobLength)),
    };
  });
}

/** How an upstream's vote differs from the honest one. */
export interface Twist {
  /** no result records */
  readonly withoutRecords?: boolean;
  /** another license state */
  readonly state?: number;
  /** another result of the record with this index */
  readonly result?: { readonly index: number; readonly quantity: number };
  readonly epoch?: number;
  readonly incarnation?: Uint8Array;
  readonly digest?: Uint8Array;
  /** unused bytes before the blobs: other offsets, equal results */
  readonly blobPadding?: number;
}

/** A fake upstream: keeps a log, answers each request with its own number and blob. */
export class FakeUpstream {
  readonly log: Buffer[] = [];
  position = 0;
  digest: Buffer = genesis;
  state: Buffer = Buffer.alloc(32);
  clockMs = 1_000;

  constructor(readonly upstream: number) {}

  /** Appends a batch that must be the next one, or takes one again that it has; returns its vote. */
  append(message: Buffer, twist: Twist = {}): Buffer {
    const batch = batchOfAppend(message);
    assert.ok(batch !== null, "an append message with a well-formed batch");
    const { position } = readBatchHeader(batch);
    if (position === this.position + 1) {
      assert.deepEqual(previousDigest(batch), this.digest);
      this.digest = sha256(this.digest, batch);
      this.state = sha256(this.state, Buffer.from("state"), batch);
      this.position = position;
      this.log.push(Buffer.from(batch));
    } else {
      assert.ok(
        this.log.some((known) => known.equals(batch)),
        `batch ${position} is one it has`,
      );
    }
    return position === this.position ? this.vote(batch, twist) : this.voteBefore(batch, twist);
  }

  /** The vote on a batch that is not the last: digests are made again from the start. */
  voteBefore(batch: Buffer, twist: Twist = {}): Buffer {
    let digest: Buffer = genesis;
    let state: Buffer = Buffer.alloc(32);
    for (const known of this.log) {
      digest = sha256(digest, known);
      state = sha256(state, Buffer.from("state"), known);
      if (known.equals(batch)) break;
    }
    return this.#make(batch, digest, state, twist);
  }

  vote(batch: Buffer, twist: Twist = {}): Buffer {
    return this.#make(batch, this.digest, this.state, twist);
  }

  #make(batch: Buffer, digest: Buffer, state: Buffer, twist: Twist): Buffer {
    const { records, blobs } = resultsOf(batch, twist);
    return voteOf(
      {
        epoch: twist.epoch ?? readBatchHeader(batch).epoch,
        position: readBatchHeader(batch).position,
        incarnation: twist.incarnation ?? incarnationOf(this.upstream),
        digest: twist.digest ?? digest,
        stateDigest: twist.state === undefined ? state : Buffer.alloc(32, twist.state),
        clockMs: ++this.clockMs,
        upstream: this.upstream,
      },
      twist.withoutRecords ? Buffer.alloc(0) : records,
      twist.withoutRecords ? Buffer.alloc(0) : blobs,
    );
  }
}

function resultsOf(batch: Buffer, twist: Twist): { records: Buffer; blobs: Buffer } {
  const requests = requestsIn(batch);
  const records = Buffer.alloc(requests.length * RESULT_BYTES);
  const blobs: Buffer[] = [Buffer.alloc(twist.blobPadding ?? 0, 0xaa)];
  let blobAt = twist.blobPadding ?? 0;
  requests.forEach(({ kind, request, session, blob }, i) => {
    const text = Buffer.from(blob === "" ? "" : `re:${blob}`, "latin1").subarray(0, MAX_RESULT_BLOB_BYTES);
    const quantity = twist.result?.index === i ? twist.result.quantity : request;
    const result = { kind, status: Status.ok, request, session: sessionOf(session), quantity };
    writeResult(records, i * RESULT_BYTES, result, blobAt, text.length);
    blobs.push(text);
    blobAt += text.length;
  });
  return { records, blobs: Buffer.concat(blobs) };
}

export interface PlantOptions {
  readonly limits?: Partial<OrderingLimits>;
  /** streamed to from the start; all three by default */
  readonly streamed?: readonly number[];
  readonly epoch?: number;
  readonly quorum?: 1 | 2;
}

/** An active orderer and its three upstreams. Appends are passed on by hand, so that a test can lose or hold them. */
export class Plant {
  readonly orderer: Orderer;
  readonly upstreams: Readonly<Record<number, FakeUpstream>>;
  readonly epoch: number;
  #logMs = 0;

  constructor({ limits = {}, streamed = [1, 2, 3], epoch = 4, quorum = 2 }: PlantOptions = {}) {
    this.orderer = engine.createOrderer({ ...orderingOptions(limits), quorum });
    this.upstreams = { 1: new FakeUpstream(1), 2: new FakeUpstream(2), 3: new FakeUpstream(3) };
    this.epoch = epoch;
    this.orderer.activate(epoch, 0, genesis, members);
    for (const upstream of streamed) assert.ok(this.orderer.stream(upstream, 0));
  }

  upstream(number: number): FakeUpstream {
    return this.upstreams[number] as FakeUpstream;
  }

  client(): number {
    const client = this.orderer.addClient();
    assert.ok(client >= 0);
    return client;
  }

  ask(client: number, ...asked: readonly Asked[]): void {
    assert.equal(this.orderer.clientMessage(client, requestsPacket(...asked)), 0);
  }

  /** Makes the next batch; how many records it has. */
  order(): number {
    return this.orderer.nextBatch(++this.#logMs, 1_700_000_000_000 + this.#logMs);
  }

  /** All appends that wait for this upstream. */
  appends(upstream: number): Buffer[] {
    const messages: Buffer[] = [];
    for (;;) {
      const message = this.orderer.takeAppend(upstream);
      if (message === null) return messages;
      messages.push(message);
    }
  }

  /** The upstream takes its appends and its votes reach the orderer. */
  answer(upstream: number, twist: Twist = {}): void {
    for (const message of this.appends(upstream)) this.vote(upstream, this.upstream(upstream).append(message, twist));
  }

  /** The upstream takes its appends; its votes are returned and not passed on. */
  hold(upstream: number, twist: Twist = {}): Buffer[] {
    return this.appends(upstream).map((message) => this.upstream(upstream).append(message, twist));
  }

  vote(upstream: number, vote: Buffer): void {
    assert.equal(this.orderer.vote(upstream, vote), 0);
  }

  /** Every answer that waits for this client. */
  answers(client: number): Answer[] {
    const answers: Answer[] = [];
    for (;;) {
      const packet = this.orderer.takeClientMessage(client);
      if (packet === null) return answers;
      answers.push(...answersIn(packet));
    }
  }

  /** Numbers and status names of the answers that wait for this client. */
  heard(client: number): string[] {
    return this.answers(client).map(({ request, statusName }) => `${request} ${statusName}`);
  }

  events(): OrderingEvent[] {
    const events: OrderingEvent[] = [];
    for (;;) {
      const event = this.orderer.takeEvent();
      if (event === null) return events;
      events.push(event);
    }
  }

  /** The batch at a position. */
  batch(position: number): Buffer {
    const batch = this.orderer.batchAt(position);
    assert.ok(batch !== null, `batch ${position} is retained`);
    return batch;
  }
}
