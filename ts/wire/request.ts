/**
 * The request record: 128 bytes, little-endian, reserved bytes zero. What varies in length lies in the blob area of
 * the packet or batch that carries the record, at [blobOffset, blobOffset + blobLength).
 */
import { getU64, isSafeU64, isZero, putU64 } from "./bytes.js";

export const REQUEST_BYTES = 128;
export const SESSION_BYTES = 16;
export const ADDRESS_BYTES = 16;
/** The longest blob that one request may carry, except a statement. */
export const MAX_REQUEST_BLOB_BYTES = 4096;

/** Offsets of the fields; the layout test compares them with native/wire/records.hpp. */
export const RequestField = {
  /** u8 {@link Kind} */
  kind: 0,
  /** u8 {@link AccessMode}, 0 where it has no meaning */
  mode: 1,
  /** u16, no flag is defined yet */
  flags: 2,
  /** u32 seats asked; at least 1 for access */
  quantity: 4,
  /** u64 number of the request within its session, from 1 */
  request: 8,
  /** 16 random bytes chosen by the client: whoever knows them is the session */
  session: 16,
  /** u64 every request below this number has been answered to the client, so its stored result may go */
  answeredBelow: 32,
  /** u32 */
  firmCode: 40,
  /** u32 */
  productCode: 44,
  /** u32 bits that must all be set */
  featureMap: 48,
  /** u32 item reference (the TMR-ID in the virtual container), 0 = any */
  itemRef: 52,
  /** u64 handle for release and info */
  handle: 56,
  /** u64 session time-out in ms for openSession (the server clamps it); upstream number for statement */
  durationMs: 64,
  /** u64 highest batch position the client was answered from (protocol.md rule 17) */
  mark: 72,
  /** u32 */
  blobOffset: 80,
  /** u32 */
  blobLength: 84,
  /** u32 first entry wanted, for lists that take several answers */
  cursor: 88,
  /** u32 reserved */
  reserved: 92,
  /** 8 bytes: proof that `mark` was given by this system, as in the result; zero with mark 0 */
  markProof: 96,
  /** u64 access only: when the program was released, ms since 1970; 0 = it does not say */
  releaseMs: 104,
  /**
   * 16 bytes, openSession only: the client's address as IPv6 (IPv4 as ::ffff:a.b.c.d). Whatever a client sends, the
   * server that accepts its connection writes it.
   */
  address: 112,
} as const;

/** A request as an object: for tests, clients and tools. The servers read fields in place. */
export interface Request {
  readonly kind: number;
  readonly mode?: number;
  readonly quantity?: number;
  readonly request: number;
  readonly session: Uint8Array;
  readonly answeredBelow?: number;
  readonly firmCode?: number;
  readonly productCode?: number;
  readonly featureMap?: number;
  readonly itemRef?: number;
  readonly handle?: number;
  readonly durationMs?: number;
  readonly mark?: number;
  readonly markProof?: Uint8Array;
  readonly cursor?: number;
  readonly releaseMs?: number;
  readonly address?: Uint8Array;
}

/** Writes a request record at `offset`; the blob range is relative to the carrier's blob area. */
export function writeRequest(out: Buffer, offset: number, request: Request, blobOffset = 0, blobLength = 0): void {
  out.fill(0, offset, offset + REQUEST_BYTES);
  out[offset + RequestField.kind] = request.kind;
  out[offset + RequestField.mode] = request.mode ?? 0;
  out.writeUInt32LE(request.quantity ?? 0, offset + RequestField.quantity);
  putU64(out, offset + RequestField.request, request.request);
  out.set(request.session, offset + RequestField.session);
  putU64(out, offset + RequestField.answeredBelow, request.answeredBelow ?? 0);
  out.writeUInt32LE(request.firmCode ?? 0, offset + RequestField.firmCode);
  out.writeUInt32LE(request.productCode ?? 0, offset + RequestField.productCode);
  out.writeUInt32LE(request.featureMap ?? 0, offset + RequestField.featureMap);
  out.writeUInt32LE(request.itemRef ?? 0, offset + RequestField.itemRef);
  putU64(out, offset + RequestField.handle, request.handle ?? 0);
  putU64(out, offset + RequestField.durationMs, request.durationMs ?? 0);
  putU64(out, offset + RequestField.mark, request.mark ?? 0);
  out.writeUInt32LE(blobLength === 0 ? 0 : blobOffset, offset + RequestField.blobOffset);
  out.writeUInt32LE(blobLength, offset + RequestField.blobLength);
  out.writeUInt32LE(request.cursor ?? 0, offset + RequestField.cursor);
  if (request.markProof !== undefined) out.set(request.markProof, offset + RequestField.markProof);
  putU64(out, offset + RequestField.releaseMs, request.releaseMs ?? 0);
  if (request.address !== undefined) out.set(request.address, offset + RequestField.address);
}

/**
 * True when the record keeps the format: integers in range, reserved bytes zero, blob inside the area. Says nothing
 * about the kind: who may send which kind is the reader's rule.
 */
export function isWellFormedRequest(bytes: Buffer, offset: number, blobBytes: number): boolean {
  const blobLength = bytes.readUInt32LE(offset + RequestField.blobLength);
  const blobOffset = bytes.readUInt32LE(offset + RequestField.blobOffset);
  return (
    bytes.readUInt16LE(offset + RequestField.flags) === 0 &&
    isSafeU64(bytes, offset + RequestField.request) &&
    isSafeU64(bytes, offset + RequestField.answeredBelow) &&
    isSafeU64(bytes, offset + RequestField.handle) &&
    isSafeU64(bytes, offset + RequestField.durationMs) &&
    isSafeU64(bytes, offset + RequestField.mark) &&
    isSafeU64(bytes, offset + RequestField.releaseMs) &&
    isZero(bytes, offset + RequestField.reserved, offset + RequestField.markProof) &&
    (blobLength === 0 ? blobOffset === 0 : blobOffset + blobLength <= blobBytes)
  );
}

const RECORD_WORDS = REQUEST_BYTES / 4;
/** Words of a record whose upper bits must be zero: the upper halves of its 64-bit integers. */
const UPPER = {
  request: RequestField.request / 4 + 1,
  answeredBelow: RequestField.answeredBelow / 4 + 1,
  handle: RequestField.handle / 4 + 1,
  durationMs: RequestField.durationMs / 4 + 1,
  mark: RequestField.mark / 4 + 1,
  releaseMs: RequestField.releaseMs / 4 + 1,
} as const;
const RESERVED = RequestField.reserved / 4;
const BLOB_OFFSET = RequestField.blobOffset / 4;
const BLOB_LENGTH = RequestField.blobLength / 4;

/** {@link isWellFormedRequest} of `count` records from `offset` on, at a fraction of the cost: by words, not by fields. */
export function areWellFormedRequests(bytes: Buffer, offset: number, count: number, blobBytes: number): boolean {
  const records = bytes.subarray(offset, offset + count * REQUEST_BYTES);
  // Words can be read where they are aligned; elsewhere only from a copy.
  const aligned = records.byteOffset % 4 === 0 ? records : Uint8Array.from(records);
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, count * RECORD_WORDS);
  for (let at = 0; at < words.length; at += RECORD_WORDS) {
    const upper =
      (words[at + UPPER.request] as number) |
      (words[at + UPPER.answeredBelow] as number) |
      (words[at + UPPER.handle] as number) |
      (words[at + UPPER.durationMs] as number) |
      (words[at + UPPER.mark] as number) |
      (words[at + UPPER.releaseMs] as number);
    const zero = ((words[at] as number) >>> 16) | (words[at + RESERVED] as number);
    const blobOffset = words[at + BLOB_OFFSET] as number;
    const blobLength = words[at + BLOB_LENGTH] as number;
    const blobFits = blobLength === 0 ? blobOffset === 0 : blobOffset + blobLength <= blobBytes;
    if (upper >>> 21 !== 0 || zero !== 0 || !blobFits) return false;
  }
  return true;
}

/** The request number of the record at `offset`. */
export function requestNumber(bytes: Buffer, offset: number): number {
  return getU64(bytes, offset + RequestField.request);
}
