/**
 * Tables, journal and snapshots are arrays of 32-bit words, so that no field costs a call and no record an object. The
 * engine is built for little-endian machines only, so the words of an array are those of the wire.
 */
import { RequestField } from "../wire/request.js";
import { ResultField } from "../wire/result.js";

export const WORD_BYTES = 4;
const TWO_POW_32 = 0x1_0000_0000;

/** The 64-bit integer in words `at` and `at` + 1; below 2^53 as every integer of the wire. */
export function u64At(words: Uint32Array, at: number): number {
  return (words[at] as number) + (words[at + 1] as number) * TWO_POW_32;
}

/** True when the 64 bits at `at` are below 2^53: for words that somebody else wrote. */
export function isSafeU64At(words: Uint32Array, at: number): boolean {
  return (words[at + 1] as number) < 0x20_0000;
}

export function putU64At(words: Uint32Array, at: number, value: number): void {
  words[at] = value % TWO_POW_32;
  words[at + 1] = value / TWO_POW_32;
}

/** Copies `count` words; for a few it is cheaper than the array's own way. */
export function copyWords(from: Uint32Array, fromAt: number, to: Uint32Array, toAt: number, count: number): void {
  for (let i = 0; i < count; i++) to[toAt + i] = from[fromAt + i] as number;
}

/** The bytes of `count` words from `at` on: a view. */
export function bytesOf(words: Uint32Array, at: number, count: number): Buffer {
  return Buffer.from(words.buffer, words.byteOffset + at * WORD_BYTES, count * WORD_BYTES);
}

/** Words that `bytes` bytes take. */
export function wordsFor(bytes: number): number {
  return Math.ceil(bytes / WORD_BYTES);
}

/** Words of a request record. */
export const RequestWord = {
  /** u8 kind, u8 mode, u16 flags */
  kind: RequestField.kind >> 2,
  quantity: RequestField.quantity >> 2,
  request: RequestField.request >> 2,
  session: RequestField.session >> 2,
  answeredBelow: RequestField.answeredBelow >> 2,
  firmCode: RequestField.firmCode >> 2,
  productCode: RequestField.productCode >> 2,
  featureMap: RequestField.featureMap >> 2,
  itemRef: RequestField.itemRef >> 2,
  handle: RequestField.handle >> 2,
  durationMs: RequestField.durationMs >> 2,
  blobOffset: RequestField.blobOffset >> 2,
  blobLength: RequestField.blobLength >> 2,
  cursor: RequestField.cursor >> 2,
  releaseMs: RequestField.releaseMs >> 2,
  address: RequestField.address >> 2,
} as const;

/** Words of a result record. */
export const ResultWord = {
  /** u8 kind, u8 mode, u16 status */
  kind: ResultField.kind >> 2,
  quantity: ResultField.quantity >> 2,
  request: ResultField.request >> 2,
  session: ResultField.session >> 2,
  handle: ResultField.handle >> 2,
  firmCode: ResultField.firmCode >> 2,
  productCode: ResultField.productCode >> 2,
  itemRef: ResultField.itemRef >> 2,
  free: ResultField.free >> 2,
  total: ResultField.total >> 2,
  mask: ResultField.mask >> 2,
  serial: ResultField.serial >> 2,
  heartbeatMs: ResultField.heartbeatMs >> 2,
  validUntilMs: ResultField.validUntilMs >> 2,
  blobOffset: ResultField.blobOffset >> 2,
  blobLength: ResultField.blobLength >> 2,
  nextCursor: ResultField.nextCursor >> 2,
  timeoutMs: ResultField.timeoutMs >> 2,
  nextExpiryMs: ResultField.nextExpiryMs >> 2,
  units: ResultField.units >> 2,
} as const;

/** Words of a record, request or result, and of the session in it. */
export const RECORD_WORDS = 32;
export const SESSION_WORDS = 4;
