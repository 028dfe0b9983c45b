/** Counts instructions of bench/native/program by valgrind's callgrind, and makes its answers a second time. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { engine } from "../../test/support/native-engine.js";
import { sha256 } from "../../test/support/ordering-kit.js";
import { batchOfAppend } from "../../ts/wire/append.js";
import { MAX_BATCH_RECORDS, readBatchHeader, recordOffset } from "../../ts/wire/batch.js";
import { getU64 } from "../../ts/wire/bytes.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { MESSAGE_HEADER_BYTES, MessageType, packetOf } from "../../ts/wire/message.js";
import { REQUEST_BYTES, RequestField, writeRequest } from "../../ts/wire/request.js";
import { RESULT_BYTES, ResultField, writeResult } from "../../ts/wire/result.js";
import { voteOf } from "../../ts/wire/vote.js";
import { buildFolder } from "./native.js";

/** How many clients send how many requests each, how often. */
export interface Load {
  readonly clients: number;
  readonly depth: number;
  readonly rounds: number;
}

/** The stages of a request in the program, which callgrind knows as functions. */
export const stages = ["stage_intake", "stage_order", "stage_fan_out", "stage_vote", "stage_answer"] as const;
export type Stage = (typeof stages)[number];

/**
 * Callgrind counts `rep movsb`, with which the C library copies longer blocks, as one instruction per byte; without
 * this it takes the loop of vector instructions that other processors get.
 */
const COPY_BY_VECTORS = "glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000";

const program = (): string => join(buildFolder(), "engine_bench");
const argumentsOf = ({ clients, depth, rounds }: Load): string[] => [clients, depth, rounds].map(String);

/** True when valgrind is there. */
export function hasValgrind(): boolean {
  return spawnSync("valgrind", ["--version"]).status === 0;
}

/** Runs the program by itself: SHA-256 over all answers. */
export function digestOfProgram(load: Load): string {
  const ran = spawnSync(program(), argumentsOf(load), { encoding: "utf8" });
  const [requests, digest] = ran.stdout.trim().split(" ");
  if (ran.status !== 0 || digest === undefined || Number(requests) !== load.clients * load.depth * load.rounds) {
    throw new Error(`engine_bench failed: ${ran.stderr}`);
  }
  return digest;
}

/** Instructions that the engine took for all of this load, without hashing and encryption. */
export function instructionsOf(load: Load, stage: Stage | "all", copies: "vectors" | "bytes" = "vectors"): number {
  const counted = stage === "all" ? stages : [stage];
  const ran = spawnSync(
    "valgrind",
    [
      "--tool=callgrind",
      "--callgrind-out-file=/dev/null",
      ...[...counted, "uncounted_hash"].map((name) => `--toggle-collect=${name}`),
      program(),
      ...argumentsOf(load),
      ...(stage === "all" ? [] : [stage]),
    ],
    { encoding: "utf8", env: { ...process.env, ...(copies === "vectors" ? { GLIBC_TUNABLES: COPY_BY_VECTORS } : {}) } },
  );
  const collected = /Collected : (\d+)/.exec(ran.stderr)?.[1];
  if (ran.status !== 0 || collected === undefined) throw new Error(`valgrind failed: ${ran.stderr}`);
  return Number(collected);
}

interface Mark {
  readonly position: number;
  readonly proof: Buffer;
}

/** One client of the program: the same packets, byte for byte. */
function packetOfClient(name: number, depth: number, first: number, mark: Mark): Buffer {
  const records = Buffer.alloc(depth * REQUEST_BYTES);
  const session = Buffer.alloc(16);
  session[0] = name;
  for (let i = 0; i < depth; i++) {
    writeRequest(records, i * REQUEST_BYTES, {
      kind: Kind.access,
      mode: 1,
      quantity: 1,
      request: first + i,
      session,
      answeredBelow: first,
      firmCode: 6_000_010,
      productCode: 13,
      mark: mark.position,
      markProof: mark.proof,
    });
  }
  return packetOf(MessageType.requests, records, Buffer.alloc(0));
}

/** One upstream of the program. */
function voteOfUpstream(upstream: number, append: Buffer): Buffer {
  const batch = batchOfAppend(append);
  if (batch === null) throw new Error("an append without a batch");
  const { count, epoch, position } = readBatchHeader(batch);
  const records = Buffer.alloc(count * RESULT_BYTES);
  for (let i = 0; i < count; i++) {
    const at = recordOffset(i);
    const session = batch.subarray(at + RequestField.session, at + RequestField.session + 16);
    const request = getU64(batch, at + RequestField.request);
    const kind = batch.readUInt8(at + RequestField.kind);
    const handle = position * MAX_BATCH_RECORDS + i;
    writeResult(records, i * RESULT_BYTES, { kind, status: Status.ok, request, session, handle });
  }
  const digest = sha256(batch.subarray(48, 80), batch);
  const header = { epoch, position, incarnation: Buffer.alloc(16), digest, stateDigest: Buffer.alloc(32), clockMs: 0 };
  return voteOf({ ...header, upstream }, records, Buffer.alloc(0));
}

/** The digest that the program has to come to, by the engine's orderer with OpenSSL's hashes, driven from here. */
export function digestByOrderer({ clients, depth, rounds }: Load): string {
  const orderer = engine.createOrderer({
    limits: {
      maxClients: clients,
      maxPendingRequests: clients * depth,
      maxRequestsPerBatch: MAX_BATCH_RECORDS,
      maxBatchBlobBytes: 4_096,
      maxBatchesInFlight: 4,
      retainedBatches: 8,
      maxClientOutputBytes: 1 << 20,
    },
    twinKey: Buffer.concat([Buffer.of(0x7a), Buffer.alloc(31)]),
    sessionTimeoutMs: { min: 5_000, default: 120_000, max: 86_400_000 },
  });
  orderer.activate(2, 0, Buffer.concat([Buffer.of(1, 2, 3), Buffer.alloc(29)]), Buffer.alloc(48));
  for (const upstream of [1, 2, 3]) orderer.stream(upstream, 0);
  const numbers = Array.from({ length: clients }, () => orderer.addClient());
  const marks = numbers.map((): Mark => ({ position: 0, proof: Buffer.alloc(8) }));
  const dirty = new Uint32Array(clients);
  let digest = Buffer.alloc(32);
  for (let round = 1; round <= rounds; round++) {
    const first = (round - 1) * depth + 1;
    numbers.forEach((client, i) => {
      orderer.clientMessage(client, packetOfClient(i + 1, depth, first, marks[i] as Mark));
    });
    orderer.nextBatch(round, round);
    for (const upstream of [1, 2, 3]) {
      const append = orderer.takeAppend(upstream);
      if (append !== null) orderer.vote(upstream, voteOfUpstream(upstream, append));
    }
    const count = orderer.dirtyClients(dirty);
    for (const client of dirty.subarray(0, count)) {
      const packet = orderer.takeClientMessage(client) ?? Buffer.alloc(0);
      const last = packet.subarray(MESSAGE_HEADER_BYTES + (depth - 1) * RESULT_BYTES);
      const proof = Buffer.from(last.subarray(ResultField.markProof, ResultField.markProof + 8));
      marks[numbers.indexOf(client)] = { position: getU64(last, ResultField.mark), proof };
      digest = createHash("sha256").update(digest).update(packet).digest();
    }
  }
  orderer.close();
  return digest.toString("hex");
}
