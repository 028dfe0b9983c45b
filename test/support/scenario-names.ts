/** Short names for what a story cannot print: digests, incarnations, lists of members, batches. And messages in words. */
import { createHash } from "node:crypto";
import type { LinkMessage } from "../../ts/wire/link.js";

const DIGEST_BYTES = 32;
const DISK_BYTES = 16;
const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

/** The incarnation of a disk with a name of at most 16 characters. */
export function disk(name: string): Buffer {
  const bytes = Buffer.alloc(DISK_BYTES);
  bytes.write(name, "utf8");
  return bytes;
}

export function diskName(bytes: Uint8Array): string {
  return isZero(bytes) ? "none" : Buffer.from(bytes).toString("utf8").replaceAll("\0", "");
}

/** Three disks, as `1a,2a,3a`. */
export function members(names: string): Buffer {
  const list = names.split(",");
  if (list.length !== 3) throw new Error(`expected three disks, received ${names}`);
  return Buffer.concat(list.map((name) => (name === "none" ? Buffer.alloc(DISK_BYTES) : disk(name))));
}

export function memberNames(bytes: Uint8Array): string {
  if (isZero(bytes)) return "none";
  return [0, 1, 2].map((i) => diskName(bytes.subarray(i * DISK_BYTES, (i + 1) * DISK_BYTES))).join(",");
}

/** Digests and batches by name, both ways. A name that nobody defined stands for made-up bytes. */
export class Names {
  readonly #digests = new Map<string, Buffer>();
  readonly #ofDigest = new Map<string, string>();
  readonly #ofBatch = new Map<string, string>();

  define(name: string, digest: Buffer, batch?: Uint8Array): void {
    if (this.#digests.has(name)) throw new Error(`${name} is defined already`);
    this.#digests.set(name, digest);
    this.#ofDigest.set(digest.toString("hex"), name);
    if (batch !== undefined) this.#ofBatch.set(Buffer.from(batch).toString("hex"), name);
  }

  digest(name: string): Buffer {
    const known = this.#digests.get(name);
    if (known !== undefined) return known;
    const made = createHash("sha256").update(name).digest();
    this.define(name, made);
    return made;
  }

  digestName(bytes: Uint8Array): string {
    if (bytes.length === DIGEST_BYTES && isZero(bytes)) return "none";
    const hex = Buffer.from(bytes).toString("hex");
    return this.#ofDigest.get(hex) ?? hex.slice(0, 8);
  }

  nameBatch(name: string, batch: Uint8Array): void {
    this.#ofBatch.set(Buffer.from(batch).toString("hex"), name);
  }

  batchName(bytes: Uint8Array): string {
    return this.#ofBatch.get(Buffer.from(bytes).toString("hex")) ?? Buffer.from(bytes).toString("utf8");
  }

  /** A message as one line: its type, then its fields by name. Fields that no story turns on are left out. */
  inWords(message: LinkMessage): string {
    const words: string[] = [];
    for (const [field, value] of Object.entries(message)) {
      const text = this.#fieldInWords(message, field, value as number | Uint8Array | readonly Uint8Array[]);
      if (text !== null) words.push(text);
    }
    return `${message.type} ${words.join(", ")}`;
  }

  #fieldInWords(
    message: LinkMessage,
    field: string,
    value: number | Uint8Array | readonly Uint8Array[],
  ): string | null {
    switch (field) {
      case "type":
      case "ask":
      case "maxBytes":
      case "clockMs":
      case "calendarMs":
      case "logMs":
      case "stateDigest":
      case "totalBytes":
      case "known":
      case "stamp":
        return null;
      case "silentMs":
        return value === 0xffff_ffff ? "leader never heard" : `leader silent ${String(value)}ms`;
      case "leaderConnected":
        return value === 1 ? "leader connected" : "leader not connected";
      case "blank":
        return value === 1 ? "blank" : null;
      case "incarnation":
        return `disk ${diskName(value as Uint8Array)}`;
      case "members":
        return `members ${memberNames(value as Uint8Array)}`;
      case "batches":
        return `batches ${(value as readonly Uint8Array[]).map((batch) => this.batchName(batch)).join(",") || "none"}`;
      case "bytes":
        return "totalBytes" in message
          ? `bytes ${(value as Uint8Array).length} of ${message.totalBytes}`
          : `bytes ${(value as Uint8Array).length}`;
      case "statement":
        return `statement ${Buffer.from(value as Uint8Array).toString("utf8")}`;
      case "offset":
        return value === 0 ? null : `offset ${String(value)}`;
      case "stateHash":
        return isZero(value as Uint8Array) ? null : `hash ${this.digestName(value as Uint8Array)}`;
      case "digest":
      case "afterDigest":
        if (message.type === "probed" && message.known === 0) return "not known";
        return `digest ${this.digestName(value as Uint8Array)}`;
      default:
        return `${field} ${String(value)}`;
    }
  }
}
