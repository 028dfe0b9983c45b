/**
 * Where the results of one batch are written: records of 128 bytes and their blob area, in buffers that are used again
 * for the next batch. One record is current at a time.
 */

import { MAX_BATCH_RECORDS } from "../wire/batch.js";
import { putU64 } from "../wire/bytes.js";
import type { StatusCode } from "../wire/kinds.js";
import { RequestField, SESSION_BYTES } from "../wire/request.js";
import { MAX_RESULT_BLOB_BYTES, RESULT_BYTES, ResultField } from "../wire/result.js";
import { MAX_BATCH_LIST_BYTES, MAX_SENTENCE_BYTES } from "./limits.js";
import { freeSeats, type Item, type Pool, type VirtualContainer } from "./virtual-container.js";

export class Answer {
  readonly records = Buffer.alloc(MAX_BATCH_RECORDS * RESULT_BYTES);
  #blobs = Buffer.alloc(16_384);
  #blobBytes = 0;
  #listBytes = 0;
  /** where the current record begins */
  #at = 0;
  /** where the blob of the current record begins in the blob area */
  #blobAt = 0;

  begin(): void {
    this.#blobBytes = 0;
    this.#listBytes = 0;
  }

  /** Makes record `index` current: zero, but for what every result repeats of its request. */
  open(index: number, batch: Buffer, request: number): void {
    const at = index * RESULT_BYTES;
    this.#at = at;
    this.#blobAt = this.#blobBytes;
    this.records.fill(0, at, at + RESULT_BYTES);
    this.records[at + ResultField.kind] = batch[request + RequestField.kind] as number;
    const number = request + RequestField.request;
    batch.copy(this.records, at + ResultField.request, number, number + 8);
    const session = request + RequestField.session;
    batch.copy(this.records, at + ResultField.session, session, session + SESSION_BYTES);
  }

  /** Offset of the current record in {@link records}. */
  get offset(): number {
    return this.#at;
  }

  status(status: StatusCode): void {
    this.records.writeUInt16LE(status, this.#at + ResultField.status);
  }

  u8(field: number, value: number): void {
    this.records[this.#at + field] = value;
  }

  u32(field: number, value: number): void {
    this.records.writeUInt32LE(value, this.#at + field);
  }

  u64(field: number, value: number): void {
    putU64(this.records, this.#at + field, value);
  }

  /** A refusal with its sentence: why, and where it looked. */
  refuse(status: StatusCode, sentence: string): void {
    this.status(status);
    this.#claim(MAX_SENTENCE_BYTES);
    this.#setBlob(this.#blobs.write(sentence, this.#blobAt, MAX_SENTENCE_BYTES, "utf8"));
  }

  /** What the server asks of a live session in each reply. */
  lease(timeoutMs: number): void {
    this.u32(ResultField.timeoutMs, timeoutMs);
    this.u32(ResultField.heartbeatMs, Math.floor(timeoutMs / 4));
  }

  /** Which license is meant, and how it stands; an item that is gone has no seats. */
  license(pool: Pool, item: Item | null, container: VirtualContainer): void {
    this.u32(ResultField.firmCode, pool.key.firmCode);
    this.u32(ResultField.productCode, pool.key.productCode);
    this.u32(ResultField.itemRef, pool.key.tmrId);
    this.u32(ResultField.mask, container.number.mask);
    this.u32(ResultField.serial, container.number.serial);
    if (item === null) return;
    this.u32(ResultField.free, freeSeats(item));
    this.u32(ResultField.total, item.terms.quantity);
    this.u64(ResultField.validUntilMs, item.terms.expirationMs ?? 0);
  }

  /** True while one more list may be written into the blob area of this batch. */
  get hasRoomForList(): boolean {
    return this.#listBytes + MAX_RESULT_BLOB_BYTES <= MAX_BATCH_LIST_BYTES;
  }

  /** A part of a list, at most MAX_RESULT_BLOB_BYTES of UTF-8. */
  list(text: string, nextCursor: number): void {
    this.#claim(MAX_RESULT_BLOB_BYTES);
    const length = this.#blobs.write(text, this.#blobAt, MAX_RESULT_BLOB_BYTES, "utf8");
    this.#listBytes += length;
    this.#setBlob(length);
    this.u32(ResultField.nextCursor, nextCursor);
  }

  /** The current record becomes the one stored, whatever its request says now. */
  repeat(record: Buffer, text: Buffer): void {
    this.records.set(record, this.#at);
    this.#claim(text.length);
    this.#blobs.set(text, this.#blobAt);
    this.#setBlob(text.length);
  }

  /** Makes record `index` current again and gives it a blob behind all others; its own is empty so far. */
  attach(index: number, bytes: Uint8Array): void {
    this.#at = index * RESULT_BYTES;
    this.#blobAt = this.#blobBytes;
    this.#claim(bytes.length);
    this.#blobs.set(bytes, this.#blobAt);
    this.#setBlob(bytes.length);
  }

  /** A copy of the blob of the current record, null when it has none. */
  text(): Buffer | null {
    return this.#blobBytes === this.#blobAt ? null : Buffer.from(this.#blobs.subarray(this.#blobAt, this.#blobBytes));
  }

  /** Copies the current record, with its blob fields zero, as it is stored. */
  copyRecord(): Buffer {
    const record = Buffer.from(this.records.subarray(this.#at, this.#at + RESULT_BYTES));
    record.fill(0, ResultField.blobOffset, ResultField.blobLength + 4);
    return record;
  }

  /** What was written: views, valid until the next batch. */
  finish(count: number): { records: Buffer; blobs: Buffer } {
    return { records: this.records.subarray(0, count * RESULT_BYTES), blobs: this.#blobs.subarray(0, this.#blobBytes) };
  }

  #setBlob(length: number): void {
    this.#blobBytes = this.#blobAt + length;
    this.u32(ResultField.blobOffset, length === 0 ? 0 : this.#blobAt);
    this.u32(ResultField.blobLength, length);
  }

  #claim(bytes: number): void {
    if (this.#blobAt + bytes <= this.#blobs.length) return;
    const larger = Buffer.alloc(Math.max(this.#blobAt + bytes, 2 * this.#blobs.length));
    this.#blobs.copy(larger, 0, 0, this.#blobAt);
    this.#blobs = larger;
  }
}
