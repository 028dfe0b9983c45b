/** One upstream that lies: what it tells the TMR servers is not what its replica said. */

import { sign } from "node:crypto";
import { statementMessage } from "../../ts/license/statement.js";
import { BATCH_HEADER_BYTES, BatchField } from "../../ts/wire/batch.js";
import { putU64 } from "../../ts/wire/bytes.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { decodeLink, encodeLink } from "../../ts/wire/link.js";
import { MESSAGE_HEADER_BYTES, MessageField, MessageType } from "../../ts/wire/message.js";
import { RequestField } from "../../ts/wire/request.js";
import { RESULT_BYTES, ResultField } from "../../ts/wire/result.js";
import { VOTE_HEADER_BYTES, VoteField } from "../../ts/wire/vote.js";
import type { Random } from "./random.js";
import { FIRM, genesisHash, sha256, signingKeys } from "./system.js";
import type { UpstreamNode } from "./upstream-node.js";

/**
 * - `results` other answers or another state in its votes
 * - `entries` altered batches when its log is read
 * - `shorter` a promise that hides the end of its log; only survivable when the third promise arrives too
 * - `statement` invented licenses, in its own name and in another's
 * - `stale` an earlier reply instead of the present one
 * - `snapshot` another state in the snapshot that it gives to others
 * - `newer` a promise that claims a sync by a later leader than it had, and hides the end of its log behind that
 * - `longer` a promise with an invented batch at the end of its log, and everything that goes with it
 */
export type Lie = "results" | "entries" | "shorter" | "statement" | "stale" | "snapshot" | "newer" | "longer";
export const lies: readonly Lie[] = [
  "results",
  "entries",
  "shorter",
  "statement",
  "stale",
  "snapshot",
  "newer",
  "longer",
];

const KEPT = 20;
/** Where ts/license/snapshot.ts writes the state digest, and the length of the check at the end. */
const SNAPSHOT_STATE_DIGEST = 64;
const SNAPSHOT_CHECK_BYTES = 32;

export class Liar {
  told = this.#tell.bind(this);
  count = 0;
  readonly #past: Buffer[] = [];
  #version = 1_000;
  #invented: { readonly position: number; readonly batch: Buffer; readonly digest: Buffer } | null = null;

  constructor(
    readonly lie: Lie,
    readonly share: number,
    private readonly upstream: UpstreamNode,
    private readonly random: Random,
  ) {}

  #tell(replies: Buffer[]): Buffer[] {
    if (this.lie === "stale") for (const reply of replies) this.#past.push(reply);
    if (this.#past.length > KEPT) this.#past.splice(0, this.#past.length - KEPT);
    return replies.map((reply) => (this.random.chance(this.share) ? this.#altered(reply) : reply));
  }

  #altered(reply: Buffer): Buffer {
    const changed = this.#change(reply);
    if (changed !== reply) this.count++;
    return changed;
  }

  #change(reply: Buffer): Buffer {
    switch (this.lie) {
      case "results":
        return reply[MessageField.type] === MessageType.vote ? this.#vote(Buffer.from(reply)) : reply;
      case "entries":
        return this.#entries(reply);
      case "shorter":
        return this.#shorter(reply);
      case "statement":
        return this.#statement(reply);
      case "stale":
        return this.random.pick(this.#past);
      case "snapshot":
        return this.#snapshot(reply);
      case "newer":
        return this.#newer(reply);
      case "longer":
        return this.#longer(reply);
      default:
        return this.lie satisfies never;
    }
  }

  #vote(vote: Buffer): Buffer {
    const records = vote.readUInt32LE(MessageField.count);
    if (records === 0 || this.random.chance(0.3)) {
      vote[MESSAGE_HEADER_BYTES + VoteField.stateDigest] =
        (vote[MESSAGE_HEADER_BYTES + VoteField.stateDigest] ?? 0) ^ 1;
      return vote;
    }
    const at = MESSAGE_HEADER_BYTES + VOTE_HEADER_BYTES + this.random.int(0, records) * RESULT_BYTES;
    vote.writeUInt16LE(0, at + ResultField.status);
    vote.writeUInt32LE(this.random.u32(), at + ResultField.free);
    return vote;
  }

  #entries(reply: Buffer): Buffer {
    const message = decodeLink(reply);
    if (message?.type !== "entries" || message.batches.length === 0) return reply;
    const batches = message.batches.map((batch) => Buffer.from(batch));
    const batch = this.random.pick(batches);
    const at = BATCH_HEADER_BYTES + RequestField.quantity;
    batch.writeUInt32LE(this.random.int(1, 9), at);
    batch[BATCH_HEADER_BYTES + RequestField.session] = this.random.int(0, 256);
    return encodeLink({ ...message, batches });
  }

  #newer(reply: Buffer): Buffer {
    const promise = decodeLink(reply);
    if (promise?.type !== "promise" || promise.position === 0) return reply;
    return encodeLink({ ...promise, logEpoch: promise.epoch - 1, position: 0, digest: genesisHash });
  }

  #shorter(reply: Buffer): Buffer {
    const message = decodeLink(reply);
    if (message?.type !== "promise") return reply;
    const position = Math.max(0, message.position - this.random.int(1, 4));
    const digest = this.upstream.disk.store.digestAt(position);
    return digest === null ? reply : encodeLink({ ...message, position, digest });
  }

  /** Well-formed, of the right position, but its state is not the one that the log leads to. */
  #snapshot(reply: Buffer): Buffer {
    const message = decodeLink(reply);
    if (message?.type !== "snapshot" || message.bytes.length !== message.totalBytes) return reply;
    const bytes = Buffer.from(message.bytes);
    const end = bytes.length - SNAPSHOT_CHECK_BYTES;
    bytes[SNAPSHOT_STATE_DIGEST] = (bytes[SNAPSHOT_STATE_DIGEST] ?? 0) ^ 1;
    bytes.set(sha256(bytes.subarray(0, end)), end);
    return encodeLink({ ...message, bytes });
  }

  /** A batch that no TMR server made follows its log's end; it answers as if it had it. */
  #longer(reply: Buffer): Buffer {
    const message = decodeLink(reply);
    const { replica, disk } = this.upstream;
    switch (message?.type) {
      case "promise": {
        const last = disk.store.read(message.position - 1, 1)[0];
        if (message.position === 0 || last === undefined) return reply;
        const batch = Buffer.from(last);
        putU64(batch, BatchField.position, message.position + 1);
        batch.set(message.digest, BatchField.previous);
        batch[BATCH_HEADER_BYTES + RequestField.session] = this.random.int(0, 256);
        const digest = sha256(Buffer.concat([message.digest, batch]));
        this.#invented = { position: message.position + 1, batch, digest };
        return encodeLink({ ...message, position: this.#invented.position, digest });
      }
      case "entries": {
        const invented = this.#invented;
        if (invented === null || message.after + message.batches.length !== replica.position) return reply;
        if (replica.position !== invented.position - 1) return reply;
        return encodeLink({ ...message, position: invented.position, batches: [...message.batches, invented.batch] });
      }
      case "probed": {
        if (message.known === 1 || message.position !== this.#invented?.position) return reply;
        return encodeLink({ ...message, known: 1, digest: this.#invented.digest });
      }
      case "behind": {
        const { incarnation } = replica.meta();
        if (this.#invented === null || message.position !== this.#invented.position - 1) return reply;
        const { position, digest } = this.#invented;
        return encodeLink({ type: "synced", epoch: message.epoch, incarnation, position, digest });
      }
      default:
        return reply;
    }
  }

  #statement(reply: Buffer): Buffer {
    const message = decodeLink(reply);
    if (message?.type !== "pong") return reply;
    const { id } = this.upstream;
    const claimed = this.random.chance(0.5) ? id : (id % 3) + 1;
    const item = { actId: 1, firmCode: FIRM, productCode: 1, tmrId: 1, text: "Product 1", quantity: 50, featureMap: 0 };
    const invented = { ...item, productCode: 9, tmrId: 9, text: "Invented" };
    const content = {
      actId: 1,
      container: `130-${claimed}`,
      items: [item, invented],
      upstream: claimed,
      version: this.#version++,
    };
    const payload = Buffer.from(canonicalJson(content));
    const signature = sign(null, statementMessage(payload), signingKeys[id - 1] as (typeof signingKeys)[number]);
    return encodeLink({ type: "holding", statement: Buffer.concat([signature, payload]) });
  }
}
