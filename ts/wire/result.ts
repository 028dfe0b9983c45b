/**
 * The result record: 128 bytes, little-endian, reserved bytes zero. Equal bytes from two upstreams are the only
 * thing that a client is ever answered with, apart from `mark` proof, which the TMR server adds.
 */
import { getU64, putU64 } from "./bytes.js";

export const RESULT_BYTES = 128;
/** The longest blob that one result may carry: lists are cut at this size and go on with `nextCursor`. */
export const MAX_RESULT_BLOB_BYTES = 32_768;

export const ResultField = {
  /** u8 as in the request */
  kind: 0,
  /** u8 {@link AccessMode} of the handle */
  mode: 1,
  /** u16 {@link Status} */
  status: 2,
  /** u32 seats that this handle takes (0 with no user limit) */
  quantity: 4,
  /** u64 as in the request */
  request: 8,
  /** 16 bytes as in the request */
  session: 16,
  /** u64 handle granted or asked about */
  handle: 32,
  /** u32 */
  firmCode: 40,
  /** u32 */
  productCode: 44,
  /** u32 item reference (the TMR-ID in the virtual container) */
  itemRef: 48,
  /** u32 seats free after this operation */
  free: 52,
  /** u32 License Quantity of the item */
  total: 56,
  /** u32 mask byte of the container that the item is in */
  mask: 60,
  /** u32 serial of that container */
  serial: 64,
  /** u32 ms between heartbeats that the server asks for */
  heartbeatMs: 68,
  /** u64 calendar ms since 1970 of "valid until", 0 = unlimited */
  validUntilMs: 72,
  /** u32 */
  blobOffset: 80,
  /** u32 */
  blobLength: 84,
  /** u32 cursor for the next part of a list, 0 = the list is complete */
  nextCursor: 88,
  /** u32 session time-out in ms: the lease that the client counts from its first sending of the request */
  timeoutMs: 92,
  /** u64 position of the batch that executed the request */
  mark: 96,
  /** 8 bytes: zero in votes; in an answer the TMR server's proof that it gave this mark */
  markProof: 104,
  /** u64 expire only: log time at which the next session times out, 0 = none */
  nextExpiryMs: 112,
  /** u32 units left of the item, or used of one that only counts consumption; 0 when it counts none */
  units: 120,
  /** 4 bytes reserved */
  tail: 124,
} as const;

/** A result as an object: for tests, clients and tools. */
export interface Result {
  readonly kind: number;
  readonly mode: number;
  readonly status: number;
  readonly quantity: number;
  readonly request: number;
  readonly session: Uint8Array;
  readonly handle: number;
  readonly firmCode: number;
  readonly productCode: number;
  readonly itemRef: number;
  readonly free: number;
  readonly total: number;
  readonly mask: number;
  readonly serial: number;
  readonly heartbeatMs: number;
  readonly validUntilMs: number;
  readonly nextCursor: number;
  readonly timeoutMs: number;
  readonly mark: number;
  readonly markProof: Uint8Array;
  readonly nextExpiryMs: number;
  readonly units: number;
}

/** Writes a result record at `offset`; fields left out are zero. */
export function writeResult(
  out: Buffer,
  offset: number,
  result: Partial<Result> & Pick<Result, "kind" | "status" | "request" | "session">,
  blobOffset = 0,
  blobLength = 0,
): void {
  out.fill(0, offset, offset + RESULT_BYTES);
  out[offset + ResultField.kind] = result.kind;
  out[offset + ResultField.mode] = result.mode ?? 0;
  out.writeUInt16LE(result.status, offset + ResultField.status);
  out.writeUInt32LE(result.quantity ?? 0, offset + ResultField.quantity);
  putU64(out, offset + ResultField.request, result.request);
  out.set(result.session, offset + ResultField.session);
  putU64(out, offset + ResultField.handle, result.handle ?? 0);
  out.writeUInt32LE(result.firmCode ?? 0, offset + ResultField.firmCode);
  out.writeUInt32LE(result.productCode ?? 0, offset + ResultField.productCode);
  out.writeUInt32LE(result.itemRef ?? 0, offset + ResultField.itemRef);
  out.writeUInt32LE(result.free ?? 0, offset + ResultField.free);
  out.writeUInt32LE(result.total ?? 0, offset + ResultField.total);
  out.writeUInt32LE(result.mask ?? 0, offset + ResultField.mask);
  out.writeUInt32LE(result.serial ?? 0, offset + ResultField.serial);
  out.writeUInt32LE(result.heartbeatMs ?? 0, offset + ResultField.heartbeatMs);
  putU64(out, offset + ResultField.validUntilMs, result.validUntilMs ?? 0);
  out.writeUInt32LE(blobLength === 0 ? 0 : blobOffset, offset + ResultField.blobOffset);
  out.writeUInt32LE(blobLength, offset + ResultField.blobLength);
  out.writeUInt32LE(result.nextCursor ?? 0, offset + ResultField.nextCursor);
  out.writeUInt32LE(result.timeoutMs ?? 0, offset + ResultField.timeoutMs);
  putU64(out, offset + ResultField.mark, result.mark ?? 0);
  if (result.markProof !== undefined) out.set(result.markProof, offset + ResultField.markProof);
  putU64(out, offset + ResultField.nextExpiryMs, result.nextExpiryMs ?? 0);
  out.writeUInt32LE(result.units ?? 0, offset + ResultField.units);
}

/** Reads the record at `offset` into an object; byte fields are copies. */
export function readResult(bytes: Buffer, offset: number): Result {
  return {
    kind: bytes.readUInt8(offset + ResultField.kind),
    mode: bytes.readUInt8(offset + ResultField.mode),
    status: bytes.readUInt16LE(offset + ResultField.status),
    quantity: bytes.readUInt32LE(offset + ResultField.quantity),
    request: getU64(bytes, offset + ResultField.request),
    session: Buffer.from(bytes.subarray(offset + ResultField.session, offset + ResultField.session + 16)),
    handle: getU64(bytes, offset + ResultField.handle),
    firmCode: bytes.readUInt32LE(offset + ResultField.firmCode),
    productCode: bytes.readUInt32LE(offset + ResultField.productCode),
    itemRef: bytes.readUInt32LE(offset + ResultField.itemRef),
    free: bytes.readUInt32LE(offset + ResultField.free),
    total: bytes.readUInt32LE(offset + ResultField.total),
    mask: bytes.readUInt32LE(offset + ResultField.mask),
    serial: bytes.readUInt32LE(offset + ResultField.serial),
    heartbeatMs: bytes.readUInt32LE(offset + ResultField.heartbeatMs),
    validUntilMs: getU64(bytes, offset + ResultField.validUntilMs),
    nextCursor: bytes.readUInt32LE(offset + ResultField.nextCursor),
    timeoutMs: bytes.readUInt32LE(offset + ResultField.timeoutMs),
    mark: getU64(bytes, offset + ResultField.mark),
    markProof: Buffer.from(bytes.subarray(offset + ResultField.markProof, offset + ResultField.markProof + 8)),
    nextExpiryMs: getU64(bytes, offset + ResultField.nextExpiryMs),
    units: bytes.readUInt32LE(offset + ResultField.units),
  };
}
