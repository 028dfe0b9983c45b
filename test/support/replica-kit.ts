/**
 * What replica tests need: a license state small enough to see through, batches in a chain, a replica on a memory
 * store, and a leader's messages with their answers decoded.
 */
import { createHash } from "node:crypto";
import { MemoryStore, type MemoryStoreOptions } from "../../ts/store/memory-store.js";
import type { StatementMaker } from "../../ts/upstream/holding.js";
import type { LicenseState, LicenseStates } from "../../ts/upstream/license-state.js";
import { Replica } from "../../ts/upstream/replica.js";
import type { UpstreamNumber } from "../../ts/upstream/types.js";
import { appendOf as appendMessageOf } from "../../ts/wire/append.js";
import { BATCH_HEADER_BYTES, BatchField, blobAreaOffset, recordOffset, writeBatchHeader } from "../../ts/wire/batch.js";
import { getU64 } from "../../ts/wire/bytes.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { decodeLink, encodeLink, type LinkMessage, type LinkMessageOf, type LinkName } from "../../ts/wire/link.js";
import { MESSAGE_HEADER_BYTES, MessageField, MessageType } from "../../ts/wire/message.js";
import { REQUEST_BYTES, RequestField, writeRequest } from "../../ts/wire/request.js";
import { RESULT_BYTES, writeResult } from "../../ts/wire/result.js";
import { VOTE_HEADER_BYTES, VoteField } from "../../ts/wire/vote.js";

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export const genesisDigest = sha256(Buffer.from("a system for tests"));
export const incarnationOf = (upstream: number, life = 0): Buffer => Buffer.alloc(16, upstream * 16 + life);
export const members = (...incarnations: readonly Uint8Array[]): Buffer => Buffer.concat(incarnations);
export const founders = members(incarnationOf(1), incarnationOf(2), incarnationOf(3));

/** Counts records and remembers statements: enough to see order, repetition, loss and divergence. */
class CountingState implements LicenseState {
  logMs = 0;
  calendarMs = 0;
  readonly checkpoint = null;
  constructor(
    public position: number,
    public stateDigest: Buffer,
    readonly statements: Map<number, { version: number; digest: string }>,
  ) {}

  signingKey(): null {
    return null;
  }

  statementVersion(upstream: UpstreamNumber): number {
    return this.statements.get(upstream)?.version ?? 0;
  }

  statementDigest(upstream: UpstreamNumber): Buffer | null {
    const digest = this.statements.get(upstream)?.digest;
    return digest === undefined ? null : Buffer.from(digest, "hex");
  }

  /** What it counts is never borrowed. */
  borrowDocument(): null {
    return null;
  }

  apply(batch: Buffer): { records: Buffer; blobs: Buffer } {
    const count = batch.readUInt32LE(BatchField.count);
    this.position = getU64(batch, BatchField.position);
    this.logMs = getU64(batch, BatchField.logMs);
    this.calendarMs = getU64(batch, BatchField.calendarMs);
    this.stateDigest = sha256(this.stateDigest, batch.subarray(BATCH_HEADER_BYTES));
    const records = Buffer.alloc(count * RESULT_BYTES);
    for (let i = 0; i < count; i++) {
      const at = recordOffset(i);
      const request = getU64(batch, at + RequestField.request);
      const session = batch.subarray(at + RequestField.session, at + RequestField.session + 16);
      writeResult(records, i * RESULT_BYTES, { kind: batch[at] ?? 0, status: Status.ok, request, session });
      if (batch[at] === Kind.statement) this.#state(batch, at);
    }
    return { records, blobs: Buffer.from(`at ${this.position}`) };
  }

  #state(batch: Buffer, at: number): void {
    const begin =
      blobAreaOffset(batch.readUInt32LE(BatchField.count)) + batch.readUInt32LE(at + RequestField.blobOffset);
    const payload = batch.subarray(begin + 64, begin + batch.readUInt32LE(at + RequestField.blobLength));
    const { version } = JSON.parse(payload.toString()) as { version: number };
    const upstream = getU64(batch, at + RequestField.durationMs);
    this.statements.set(upstream, { version, digest: sha256(payload).toString("hex") });
  }

  snapshot(): Buffer {
    const { position, logMs, calendarMs, stateDigest } = this;
    return Buffer.from(
      JSON.stringify({
        position,
        logMs,
        calendarMs,
        digest: stateDigest.toString("hex"),
        statements: [...this.statements],
      }),
    );
  }
}

export const countingStates: LicenseStates = {
  create: () => new CountingState(0, sha256(), new Map()),
  restore: (snapshot) => {
    const saved = JSON.parse(Buffer.from(snapshot).toString()) as {
      position: number;
      logMs: number;
      calendarMs: number;
      digest: string;
      statements: [number, { version: number; digest: string }][];
    };
    const state = new CountingState(saved.position, Buffer.from(saved.digest, "hex"), new Map(saved.statements));
    state.logMs = saved.logMs;
    state.calendarMs = saved.calendarMs;
    return state;
  },
};

export interface Entry {
  readonly batch: Buffer;
  readonly position: number;
  readonly digest: Buffer;
}
export interface BatchOptions {
  readonly epoch: number;
  readonly carried?: number;
  /** makes batches of one position differ */
  readonly salt?: number;
  readonly blobBytes?: number;
  readonly statement?: { readonly upstream: number; readonly bytes: Uint8Array };
}

/** The next batch behind `previous` (null: the first), with one heartbeat or one statement. */
export function batchAfter(previous: Entry | null, options: BatchOptions): Entry {
  const position = (previous?.position ?? 0) + 1;
  const blob = options.statement?.bytes ?? Buffer.alloc(options.blobBytes ?? 0, 7);
  const batch = Buffer.alloc(BATCH_HEADER_BYTES + REQUEST_BYTES + blob.length);
  const header = { reached: 7, epoch: options.epoch, position, logMs: position * 10, calendarMs: 1_700_000_000_000 };
  const before = previous?.digest ?? genesisDigest;
  writeBatchHeader(batch, { ...header, count: 1, blobBytes: blob.length, carried: options.carried ?? 0 }, before);
  const kind = options.statement === undefined ? Kind.heartbeat : Kind.statement;
  const request = { kind, request: position, session: Buffer.alloc(16, options.salt ?? 1) };
  const durationMs = options.statement?.upstream ?? 0;
  writeRequest(batch, recordOffset(0), { ...request, durationMs }, 0, blob.length);
  batch.set(blob, blobAreaOffset(1));
  return { batch, position, digest: sha256(before, batch) };
}

/** `count` batches in a chain behind `previous`. */
export function chain(previous: Entry | null, count: number, options: BatchOptions): Entry[] {
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) entries.push(batchAfter(entries.at(-1) ?? previous, options));
  return entries;
}

export function appendOf(entry: Entry): Buffer {
  return appendMessageOf(entry.batch);
}

/** A vote message taken apart. */
export interface DecodedVote {
  readonly type: "vote";
  readonly epoch: number;
  readonly position: number;
  readonly incarnation: Buffer;
  readonly digest: Buffer;
  readonly stateDigest: Buffer;
  readonly clockMs: number;
  readonly upstream: number;
  readonly results: Buffer;
}

export function decodeVote(message: Buffer): DecodedVote {
  const body = message.subarray(MESSAGE_HEADER_BYTES);
  const bytes = (at: number, length: number) => Buffer.from(body.subarray(at, at + length));
  return {
    type: "vote",
    epoch: getU64(body, VoteField.epoch),
    position: getU64(body, VoteField.position),
    incarnation: bytes(VoteField.incarnation, 16),
    digest: bytes(VoteField.digest, 32),
    stateDigest: bytes(VoteField.stateDigest, 32),
    clockMs: getU64(body, VoteField.clockMs),
    upstream: body[VoteField.upstream] ?? 0,
    results: bytes(VOTE_HEADER_BYTES, body.length),
  };
}

export type Answer = LinkMessage | DecodedVote;

export interface BenchOptions {
  readonly upstream?: UpstreamNumber;
  readonly store?: MemoryStore;
  readonly fault?: MemoryStoreOptions["fault"];
  readonly statement?: StatementMaker;
  readonly states?: LicenseStates;
  readonly life?: number;
}

export function memoryStore(upstream: UpstreamNumber, life = 0, fault?: MemoryStoreOptions["fault"]): MemoryStore {
  const options = { upstream, genesisDigest, incarnation: incarnationOf(upstream, life) };
  return new MemoryStore(fault === undefined ? options : { ...options, fault });
}

/** One replica and a leader's view of it on link 1. */
export class Bench {
  readonly upstream: UpstreamNumber;
  store: MemoryStore;
  replica: Replica;
  nowMs = 1000;
  clockMs = 1_700_000_000_000;
  readonly #options: BenchOptions;

  constructor(options: BenchOptions = {}) {
    this.#options = options;
    this.upstream = options.upstream ?? 1;
    this.store = options.store ?? memoryStore(this.upstream, options.life, options.fault);
    this.replica = this.#start();
  }

  #start(): Replica {
    const { statement = () => null, states = countingStates } = this.#options;
    const replica = new Replica({ upstream: this.upstream, store: this.store, states, sha256, statement });
    replica.connected(1);
    return replica;
  }

  /** The process dies and starts again on what its store holds. */
  restart(fault?: MemoryStoreOptions["fault"]): void {
    this.store = this.store.crash(fault);
    this.replica = this.#start();
  }

  raw(message: Uint8Array, link = 1): Answer[] {
    const replies = this.replica.receive(message, link, this.nowMs, this.clockMs);
    return replies.map((reply) => {
      if (reply[MessageField.type] === MessageType.vote) return decodeVote(reply);
      const decoded = decodeLink(reply);
      if (decoded === null) throw new Error("a reply is not a message");
      return decoded;
    });
  }

  send(message: LinkMessage, link = 1): Answer | null {
    return this.raw(encodeLink(message), link)[0] ?? null;
  }

  /** Sends and demands an answer of one type. */
  expect<N extends LinkName>(message: LinkMessage, type: N): LinkMessageOf<N> {
    const answer = this.send(message);
    if (answer?.type !== type) throw new Error(`expected ${type}, received ${answer?.type ?? "nothing"}`);
    return answer as LinkMessageOf<N>;
  }

  append(entry: Entry): Answer | null {
    return this.raw(appendOf(entry))[0] ?? null;
  }

  found(epoch = 1): this {
    this.expect({ type: "found", epoch, ask: 1, members: founders }, "promise");
    return this;
  }

  sync(epoch: number, entry: Entry | null, as: Uint8Array = founders): LinkMessageOf<"synced"> {
    const digest = entry?.digest ?? genesisDigest;
    return this.expect(
      { type: "sync", stamp: Buffer.alloc(32), epoch, members: as, position: entry?.position ?? 0, digest },
      "synced",
    );
  }

  /** Founded and synced under epoch 1 with `entries` appended. */
  active(entries: readonly Entry[] = []): this {
    this.found();
    this.sync(1, null);
    for (const entry of entries) if (this.append(entry)?.type !== "vote") throw new Error("no vote");
    return this;
  }
}
