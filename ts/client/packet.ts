/** The client's side of packets: request records out, result records in (wire/message.ts has the frame). */
import { asBuffer } from "../wire/bytes.js";
import {
  isWellFormedMessage,
  isWellFormedPacket,
  MESSAGE_HEADER_BYTES,
  MessageField,
  MessageType,
  packetOf,
} from "../wire/message.js";
import { REQUEST_BYTES, type Request, writeRequest } from "../wire/request.js";
import { RESULT_BYTES, ResultField, readResult } from "../wire/result.js";
import type { Answer, SessionNames } from "./types.js";

/** Records per packet: far below the packet limit, and a whole window fits. */
export const RECORDS_PER_PACKET = 256;
const NAME_BYTES = 255;

export interface OutgoingRequest {
  readonly request: Request;
  readonly blob: Uint8Array | null;
}

/** One packet of at most {@link RECORDS_PER_PACKET} requests. */
export function encodeRequests(requests: readonly OutgoingRequest[]): Buffer {
  const records = Buffer.allocUnsafe(requests.length * REQUEST_BYTES);
  const blobs: Uint8Array[] = [];
  let blobBytes = 0;
  requests.forEach(({ request, blob }, index) => {
    const length = blob?.length ?? 0;
    writeRequest(records, index * REQUEST_BYTES, request, blobBytes, length);
    if (blob !== null && length > 0) blobs.push(blob);
    blobBytes += length;
  });
  return packetOf(MessageType.requests, records, Buffer.concat(blobs, blobBytes));
}

/** The results of a packet, in order; null when it is not a well-formed packet of results. */
export function decodeResults(bytes: Uint8Array): Answer[] | null {
  const message = asBuffer(bytes);
  if (!isWellFormedMessage(message) || message[MessageField.type] !== MessageType.results) return null;
  if (!isWellFormedPacket(message)) return null;
  const count = message.readUInt32LE(MessageField.count);
  const area = MESSAGE_HEADER_BYTES + count * RESULT_BYTES;
  const answers: Answer[] = [];
  for (let at = MESSAGE_HEADER_BYTES; at < area; at += RESULT_BYTES) {
    const offset = area + message.readUInt32LE(at + ResultField.blobOffset);
    const end = offset + message.readUInt32LE(at + ResultField.blobLength);
    if (end > message.length) return null;
    answers.push({ result: readResult(message, at), blob: Buffer.from(message.subarray(offset, end)) });
  }
  return answers;
}

/** A name as the wire has it: UTF-8, cut to 255 bytes between characters. */
function nameBytes(name: string): Buffer {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length <= NAME_BYTES) return bytes;
  let end = NAME_BYTES;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** The blob of openSession: five strings, each u8 length and UTF-8 bytes. */
export function encodeNames(names: SessionNames): Buffer {
  const parts = [names.host, names.user, names.station, names.program, names.runtimeVersion].flatMap((name) => {
    const bytes = nameBytes(name);
    return [Buffer.of(bytes.length), bytes];
  });
  return Buffer.concat(parts);
}
