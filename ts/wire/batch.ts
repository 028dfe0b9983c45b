/**
 * The batch: one log entry, one seal per upstream, one fsync, one answer (architecture.md section 2). Its bytes are
 * a 256-byte header, `count` request records of 128 bytes, then the blob area.
 */
import { asBuffer, getU64, isSafeU64, isZero, putU64 } from "./bytes.js";
import { areWellFormedRequests, REQUEST_BYTES } from "./request.js";

export const BATCH_HEADER_BYTES = 256;
/** "TMRB" read as a little-endian u32 */
export const BATCH_MAGIC = 0x42_52_4d_54;
export const BATCH_VERSION = 1;
export const DIGEST_BYTES = 32;
/** Bounds that every reader applies before it looks further. */
export const MAX_BATCH_RECORDS = 1024;
export const MAX_BATCH_BLOB_BYTES = 4 * 1024 * 1024;

export const BatchField = {
  /** u32 */
  magic: 0,
  /** u16 */
  version: 4,
  /** u8 bit i-1 set: the leader reaches upstream i; only these count as holders (protocol.md rule 9) */
  reached: 6,
  /** u8 reserved */
  reserved: 7,
  /** u64 counter * 2 + twin */
  epoch: 8,
  /** u64 position in the log, from 1 */
  position: 16,
  /** u64 log time: drives leases and session time-outs (rule 10) */
  logMs: 24,
  /** u64 calendar time, ms since 1970: drives activation and expiration (rule 10) */
  calendarMs: 32,
  /** u32 */
  count: 40,
  /** u32 */
  blobBytes: 44,
  /** 32 bytes: digest(position - 1) */
  previous: 48,
  /** 32 bytes: HMAC-SHA-256 under the twins' key over the whole batch with this field zero */
  mac: 80,
  /** u64 highest position that the leader knew to be carried when it made the batch */
  carried: 112,
  /** 3 x u64: the highest position each upstream had acknowledged (rule 17) */
  acknowledged: 120,
  /** reserved up to 256 */
  tail: 144,
} as const;

/** What a batch header says, apart from its digests. */
export interface BatchHeader {
  readonly reached: number;
  readonly epoch: number;
  readonly position: number;
  readonly logMs: number;
  readonly calendarMs: number;
  readonly count: number;
  readonly blobBytes: number;
  readonly carried: number;
}

/** Reads the header of a batch that {@link isWellFormedBatch} accepted. */
export function readBatchHeader(batch: Buffer): BatchHeader {
  return {
    reached: batch.readUInt8(BatchField.reached),
    epoch: getU64(batch, BatchField.epoch),
    position: getU64(batch, BatchField.position),
    logMs: getU64(batch, BatchField.logMs),
    calendarMs: getU64(batch, BatchField.calendarMs),
    count: batch.readUInt32LE(BatchField.count),
    blobBytes: batch.readUInt32LE(BatchField.blobBytes),
    carried: getU64(batch, BatchField.carried),
  };
}

/** What a batch says of one upstream: the highest position it had acknowledged under the batch's epoch (rule 17). */
export function acknowledgedBy(batch: Uint8Array, upstream: number): { epoch: number; position: number } {
  if (batch.length < BATCH_HEADER_BYTES) return { epoch: 0, position: 0 };
  const bytes = asBuffer(batch);
  const position = getU64(bytes, BatchField.acknowledged + 8 * (upstream - 1));
  return { epoch: getU64(bytes, BatchField.epoch), position };
}

/** The 32 bytes of digest(position - 1) inside the batch: a view, not a copy. */
export function previousDigest(batch: Buffer): Buffer {
  return batch.subarray(BatchField.previous, BatchField.previous + DIGEST_BYTES);
}

/** Where record `index` begins. */
export function recordOffset(index: number): number {
  return BATCH_HEADER_BYTES + index * REQUEST_BYTES;
}

/** Where the blob area begins. */
export function blobAreaOffset(count: number): number {
  return BATCH_HEADER_BYTES + count * REQUEST_BYTES;
}

/** Checks everything about a batch's bytes that does not need a key or a log: sizes, ranges, reserved bytes. */
export function isWellFormedBatch(batch: Buffer): boolean {
  if (batch.length < BATCH_HEADER_BYTES) return false;
  const count = batch.readUInt32LE(BatchField.count);
  const blobBytes = batch.readUInt32LE(BatchField.blobBytes);
  if (
    batch.readUInt32LE(BatchField.magic) !== BATCH_MAGIC ||
    batch.readUInt16LE(BatchField.version) !== BATCH_VERSION ||
    batch.readUInt8(BatchField.reached) > 7 ||
    batch.readUInt8(BatchField.reserved) !== 0 ||
    count === 0 ||
    count > MAX_BATCH_RECORDS ||
    blobBytes > MAX_BATCH_BLOB_BYTES ||
    batch.length !== blobAreaOffset(count) + blobBytes ||
    !isZero(batch, BatchField.tail, BATCH_HEADER_BYTES)
  ) {
    return false;
  }
  for (const offset of [8, 16, 24, 32, 112, 120, 128, 136]) if (!isSafeU64(batch, offset)) return false;
  return areWellFormedRequests(batch, BATCH_HEADER_BYTES, count, blobBytes);
}

/** Writes a header; `previous` and `mac` may be left zero by a test. For production batches native code does this. */
export function writeBatchHeader(
  out: Buffer,
  header: BatchHeader & { readonly acknowledged?: readonly [number, number, number] },
  previous: Uint8Array,
): void {
  out.fill(0, 0, BATCH_HEADER_BYTES);
  out.writeUInt32LE(BATCH_MAGIC, BatchField.magic);
  out.writeUInt16LE(BATCH_VERSION, BatchField.version);
  out.writeUInt8(header.reached, BatchField.reached);
  putU64(out, BatchField.epoch, header.epoch);
  putU64(out, BatchField.position, header.position);
  putU64(out, BatchField.logMs, header.logMs);
  putU64(out, BatchField.calendarMs, header.calendarMs);
  out.writeUInt32LE(header.count, BatchField.count);
  out.writeUInt32LE(header.blobBytes, BatchField.blobBytes);
  out.set(previous, BatchField.previous);
  putU64(out, BatchField.carried, header.carried);
  const acknowledged = header.acknowledged ?? [0, 0, 0];
  acknowledged.forEach((value, i) => {
    putU64(out, BatchField.acknowledged + 8 * i, value);
  });
}
