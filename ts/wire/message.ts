/**
 * The frame of every decrypted message, between client and TMR server and between TMR server and upstream: 16 bytes
 * of header, then the body. A packet is a message whose body is `count` records of 128 bytes and a blob area.
 */
import { RESULT_BYTES } from "./result.js";

export const MESSAGE_HEADER_BYTES = 16;
export const MESSAGE_VERSION = 1;
/** The largest message between client and server: it fits one encrypted frame. */
export const MAX_PACKET_BYTES = 65_000;
/** The largest message between servers: a full batch or one burst of log or snapshot. */
export const MAX_LINK_MESSAGE_BYTES = 8 * 1024 * 1024;

export const MessageField = {
  /** u8 {@link MessageType} */
  type: 0,
  /** u8 */
  version: 1,
  /** u16 reserved */
  reserved: 2,
  /** u32 bytes after this header; must be what is there */
  bodyBytes: 4,
  /** u32 records in the body, 0 where the body has none */
  count: 8,
  /** u32 bytes of the blob area at the end of the body */
  blobBytes: 12,
} as const;

export const MessageType = {
  requests: 1,
  results: 2,
  prepare: 16,
  promise: 17,
  refused: 18,
  blank: 19,
  found: 20,
  probe: 21,
  probed: 22,
  fetch: 23,
  entries: 24,
  snapshot: 25,
  extend: 26,
  extended: 27,
  install: 28,
  sync: 29,
  synced: 30,
  append: 31,
  vote: 32,
  behind: 33,
  ping: 34,
  pong: 35,
  holding: 36,
  reset: 37,
  attest: 38,
  attested: 39,
  askContext: 40,
  contextIs: 41,
  update: 42,
  updated: 43,
  vouch: 44,
  vouched: 45,
  heartbeat: 48,
  hello: 49,
  handOver: 50,
  handOverReply: 51,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** Allocates a message and fills its header; the caller writes the body from {@link MESSAGE_HEADER_BYTES} on. */
export function newMessage(type: MessageType, bodyBytes: number, count = 0, blobBytes = 0): Buffer {
  return withHeader(Buffer.alloc(MESSAGE_HEADER_BYTES + bodyBytes), type, count, blobBytes);
}

/** {@link newMessage} whose body is anything until the caller has written every byte of it. */
export function newMessageToFill(type: MessageType, bodyBytes: number, count: number, blobBytes: number): Buffer {
  return withHeader(Buffer.allocUnsafe(MESSAGE_HEADER_BYTES + bodyBytes), type, count, blobBytes);
}

function withHeader(message: Buffer, type: MessageType, count: number, blobBytes: number): Buffer {
  message[MessageField.type] = type;
  message[MessageField.version] = MESSAGE_VERSION;
  message.writeUInt16LE(0, MessageField.reserved);
  message.writeUInt32LE(message.length - MESSAGE_HEADER_BYTES, MessageField.bodyBytes);
  message.writeUInt32LE(count, MessageField.count);
  message.writeUInt32LE(blobBytes, MessageField.blobBytes);
  return message;
}

/** True when the header is of this version and describes exactly these bytes. */
export function isWellFormedMessage(message: Buffer): boolean {
  return (
    message.length >= MESSAGE_HEADER_BYTES &&
    message[MessageField.version] === MESSAGE_VERSION &&
    message.readUInt16LE(MessageField.reserved) === 0 &&
    message.readUInt32LE(MessageField.bodyBytes) === message.length - MESSAGE_HEADER_BYTES
  );
}

/** Builds a packet of records of 128 bytes each and one shared blob area. */
export function packetOf(type: MessageType, records: Uint8Array, blobs: Uint8Array): Buffer {
  const message = newMessage(type, records.length + blobs.length, records.length / RESULT_BYTES, blobs.length);
  message.set(records, MESSAGE_HEADER_BYTES);
  message.set(blobs, MESSAGE_HEADER_BYTES + records.length);
  return message;
}

/** True when a well-formed message of records has a body of exactly its records and blobs. */
export function isWellFormedPacket(message: Buffer): boolean {
  const count = message.readUInt32LE(MessageField.count);
  const blobBytes = message.readUInt32LE(MessageField.blobBytes);
  return count > 0 && MESSAGE_HEADER_BYTES + count * RESULT_BYTES + blobBytes === message.length;
}
