/**
 * The control messages between servers: everything on a link except appended batches and votes, which the engine
 * reads and writes. One table describes every layout; encode and decode both walk it, so they cannot disagree.
 * Integers little-endian; `bytes` and lists carry u32 lengths. Meanings: protocol.md section 2.
 */
import { asBuffer, getU64, isSafeU64, putU64 } from "./bytes.js";
import { isWellFormedMessage, MESSAGE_HEADER_BYTES, MessageField, MessageType, newMessage } from "./message.js";

/** Three incarnations of 16 bytes, upstream 1 first. */
export const MEMBERS_BYTES = 48;

type FieldKind = "u8" | "u32" | "u64" | "bytes16" | "bytes32" | "bytes48" | "bytes" | "bytesList";
type FieldValue<K extends FieldKind> = K extends "u8" | "u32" | "u64"
  ? number
  : K extends "bytesList"
    ? readonly Uint8Array[]
    : Uint8Array;
type Layout = Readonly<Record<string, FieldKind>>;

const layouts = {
  /** Leader asks for a promise (rule 1). Asked again with the same epoch, it is answered again. */
  prepare: { epoch: "u64", ask: "u32" },
  promise: {
    epoch: "u64",
    /** as in the prepare or found that it answers: an older answer that comes late says an older position */
    ask: "u32",
    incarnation: "bytes16",
    members: "bytes48",
    /** as it came with the Sync that set logEpoch and members; zero before the first */
    stamp: "bytes32",
    logEpoch: "u64",
    position: "u64",
    digest: "bytes32",
    stateDigest: "bytes32",
    /** first position still in the log; a snapshot stands for what is before it */
    logStart: "u64",
    logMs: "u64",
    calendarMs: "u64",
    clockMs: "u64",
  },
  /** The epoch asked is below `promised`. */
  refused: { epoch: "u64", promised: "u64" },
  /** The store is new and not admitted (rule 8). */
  blank: { epoch: "u64", incarnation: "bytes16" },
  /** First start of a system: all three are blank and become its members. */
  found: { epoch: "u64", ask: "u32", members: "bytes48" },
  probe: { epoch: "u64", position: "u64" },
  /** `known` 1: `digest` is digest(position); 0: the position is not in this log. */
  probed: { epoch: "u64", position: "u64", known: "u8", digest: "bytes32" },
  /** Reads the log after `after`; answered by entries, or by snapshot when the log begins later. */
  fetch: { epoch: "u64", after: "u64", offset: "u64", maxBytes: "u32" },
  entries: { epoch: "u64", after: "u64", position: "u64", batches: "bytesList" },
  snapshot: {
    epoch: "u64",
    position: "u64",
    digest: "bytes32",
    totalBytes: "u64",
    offset: "u64",
    bytes: "bytes",
  },
  /** Adopt: cut everything after `after`, whose digest must match, then append `batches`. */
  extend: { epoch: "u64", after: "u64", afterDigest: "bytes32", batches: "bytesList" },
  /** Up to where the upstream has adopted what it was sent; `offset`: bytes of an unfinished snapshot that have arrived. */
  extended: { epoch: "u64", position: "u64", digest: "bytes32", offset: "u64" },
  install: {
    epoch: "u64",
    position: "u64",
    digest: "bytes32",
    /** SHA-256 of the whole snapshot as two upstreams voted it at a checkpoint; zero: not known (protocol.md rule 11) */
    stateHash: "bytes32",
    totalBytes: "u64",
    offset: "u64",
    bytes: "bytes",
  },
  /** The chosen log is complete up to (position, digest): stamp logEpoch and members (rule 3). */
  sync: { epoch: "u64", members: "bytes48", stamp: "bytes32", position: "u64", digest: "bytes32" },
  synced: { epoch: "u64", incarnation: "bytes16", position: "u64", digest: "bytes32" },
  /** An append, extend or sync does not fit the log, which ends at (position, digest). */
  behind: { epoch: "u64", logEpoch: "u64", position: "u64", digest: "bytes32" },
  /** epoch 0: an observer (the passive twin) that only wants to know. */
  ping: { epoch: "u64" },
  pong: {
    promised: "u64",
    logEpoch: "u64",
    position: "u64",
    digest: "bytes32",
    clockMs: "u64",
    /** ms since the leader of `promised` last sent anything valid; 0xffffffff = never since the start */
    silentMs: "u32",
    /** 1: a link of the leader of `promised` is open */
    leaderConnected: "u8",
    blank: "u8",
  },
  /** Two upstreams agreed on another answer than the store of this incarnation gave: it is to be emptied (rule 11). */
  reset: { epoch: "u64", incarnation: "bytes16" },
  /** A signed holding statement that is not in the log yet (rule 9). */
  holding: { statement: "bytes" },
  /** A TMR server wants a borrowed license signed; `ask` comes back with the answer. */
  attest: { ask: "u32", handle: "u64" },
  /** No document: nothing is borrowed under this handle. No certificate: the own containers do not hold the license. */
  attested: { ask: "u32", document: "bytes", signature: "bytes", certificate: "bytes" },
  /** A TMR server wants to know how far the containers are, for Central; `ask` comes back with the answer. */
  askContext: { ask: "u32" },
  /** No context: `fault` says why. `stated` 1: what the containers hold now is in the own log, up to `position`. */
  contextIs: { ask: "u32", context: "bytes", fault: "bytes", stated: "u8", position: "u64" },
  /** An update of a firm for one container of this upstream; the TMR server only carries it. */
  update: { ask: "u32", update: "bytes" },
  /** `outcome` 0: applied, 1: it was there already, 2: refused, with the code and the reason in `text`. */
  updated: { ask: "u32", outcome: "u8", text: "bytes" },
  /** Asks an upstream to vouch for the new signing key of another one, as its own system.toml names it. */
  vouch: { ask: "u32", upstream: "u8", key: "bytes32" },
  /** No signature: `fault` says why. */
  vouched: { ask: "u32", signature: "bytes", fault: "bytes" },
  /** Twin to twin. `carried` positions are the passive twin's marks (rule 17). */
  heartbeat: {
    twin: "u8",
    /** 0 passive, 1 taking over, 2 active, 3 stopping, 4 stopped */
    role: "u8",
    epoch: "u64",
    position: "u64",
    digest: "bytes32",
    /** incarnations of quarantined upstreams, zero for none (rule 11) */
    distrusted: "bytes48",
    /** marks up to this position count no more: an operator accepted that what they stand for is lost (rule 17) */
    forgiven: "u64",
  },
  /** The active twin to the other: could you take over (step 0), do it now (step 1). */
  handOver: { ask: "u32", step: "u8" },
  /** The answer to step 0: role as in a heartbeat, and how many upstreams answer it. */
  handOverReply: { ask: "u32", role: "u8", reach: "u8" },
} as const satisfies Record<string, Layout>;

export type LinkName = keyof typeof layouts;
type Fields<L extends Layout> = { readonly [K in keyof L]: FieldValue<L[K]> };
/** One control message: a union discriminated by `type`. */
export type LinkMessage = { [N in LinkName]: { readonly type: N } & Fields<(typeof layouts)[N]> }[LinkName];
export type LinkMessageOf<N extends LinkName> = Extract<LinkMessage, { type: N }>;

const fixedBytes = { u8: 1, u32: 4, u64: 8, bytes16: 16, bytes32: 32, bytes48: 48 } as const;
const nameOfType = new Map<number, LinkName>(
  (Object.keys(layouts) as LinkName[]).map((name) => [MessageType[name], name]),
);

function fieldBytes(kind: FieldKind, value: unknown): number {
  if (kind === "bytes") return 4 + (value as Uint8Array).length;
  if (kind === "bytesList") {
    return (value as readonly Uint8Array[]).reduce((sum, item) => sum + 4 + item.length, 4);
  }
  return fixedBytes[kind];
}

function putBytes(out: Buffer, at: number, value: Uint8Array): number {
  out.writeUInt32LE(value.length, at);
  out.set(value, at + 4);
  return at + 4 + value.length;
}

function putField(out: Buffer, at: number, kind: FieldKind, value: unknown): number {
  switch (kind) {
    case "u8":
      out.writeUInt8(value as number, at);
      return at + 1;
    case "u32":
      out.writeUInt32LE(value as number, at);
      return at + 4;
    case "u64":
      putU64(out, at, value as number);
      return at + 8;
    case "bytes":
      return putBytes(out, at, value as Uint8Array);
    case "bytesList": {
      const items = value as readonly Uint8Array[];
      out.writeUInt32LE(items.length, at);
      return items.reduce((next, item) => putBytes(out, next, item), at + 4);
    }
    default: {
      const bytes = value as Uint8Array;
      if (bytes.length !== fixedBytes[kind]) throw new RangeError(`expected ${fixedBytes[kind]} bytes`);
      out.set(bytes, at);
      return at + bytes.length;
    }
  }
}

/** Encodes a message; the caller gives safe integers and byte fields of their exact size. */
export function encodeLink(message: LinkMessage): Buffer {
  const layout: Layout = layouts[message.type];
  const values = message as unknown as Readonly<Record<string, unknown>>;
  const names = Object.keys(layout);
  const bodyBytes = names.reduce((sum, name) => sum + fieldBytes(layout[name] as FieldKind, values[name]), 0);
  const out = newMessage(MessageType[message.type], bodyBytes);
  names.reduce((at, name) => putField(out, at, layout[name] as FieldKind, values[name]), MESSAGE_HEADER_BYTES);
  return out;
}

/** A reading position that turns bad, once and for all, at the first byte that is not there. */
class Reader {
  at = MESSAGE_HEADER_BYTES;
  bad = false;
  constructor(readonly bytes: Buffer) {}

  take(length: number): Buffer {
    if (this.bad || length > this.bytes.length - this.at) {
      this.bad = true;
      return Buffer.alloc(0);
    }
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  u32(): number {
    const view = this.take(4);
    return this.bad ? 0 : view.readUInt32LE(0);
  }

  field(kind: FieldKind): unknown {
    switch (kind) {
      case "u8":
        return this.take(1)[0] ?? 0;
      case "u32":
        return this.u32();
      case "u64": {
        const view = this.take(8);
        if (this.bad) return 0;
        if (!isSafeU64(view, 0)) this.bad = true;
        return getU64(view, 0);
      }
      case "bytes":
        return this.take(this.u32());
      case "bytesList": {
        const items: Buffer[] = [];
        for (let left = this.u32(); left > 0 && !this.bad; left--) items.push(this.take(this.u32()));
        return items;
      }
      default:
        return this.take(fixedBytes[kind]);
    }
  }
}

/**
 * Decodes a control message. Byte fields are views on `bytes`. Returns null for anything that is not exactly one
 * message of the table: unknown type, short, long, or a number beyond 2^53.
 */
export function decodeLink(bytes: Uint8Array): LinkMessage | null {
  const message = asBuffer(bytes);
  if (!isWellFormedMessage(message)) return null;
  if (message.readUInt32LE(MessageField.count) !== 0 || message.readUInt32LE(MessageField.blobBytes) !== 0) return null;
  const type = nameOfType.get(message[MessageField.type] ?? 0);
  if (type === undefined) return null;
  const layout: Layout = layouts[type];
  const reader = new Reader(message);
  const fields: Record<string, unknown> = { type };
  for (const name of Object.keys(layout)) fields[name] = reader.field(layout[name] as FieldKind);
  return reader.bad || reader.at !== message.length ? null : (fields as LinkMessage);
}

/** The epoch that a control message carries; 0 when it carries none. */
export function epochOf(message: LinkMessage): number {
  return "epoch" in message ? message.epoch : 0;
}
