/**
 * Where the results of one batch are written: records of 128 bytes and their blob area, in buffers that are used again
 * for the next batch. One record is current at a time.
 */

import { MAX_BATCH_RECORDS } from "../wire/batch.js";
import type { StatusCode } from "../wire/kinds.js";
import { MAX_RESULT_BLOB_BYTES, RESULT_BYTES } from "../wire/result.js";
import { MAX_BATCH_LIST_BYTES, MAX_SENTENCE_BYTES } from "./limits.js";
import { unitsShown, validUntilMs } from "./options.js";
import { freeSeats, type Item, type Pool } from "./pool.js";
import type { RecordStore } from "./records.js";
import type { VirtualContainer } from "./virtual-container.js";
import { bytesOf, copyWords, putU64At, RECORD_WORDS, RequestWord, ResultWord, SESSION_WORDS } from "./words.js";

export class Answer {
  readonly words = new Uint32Array(MAX_BATCH_RECORDS * RECORD_WORDS);
  readonly #records = bytesOf(this.words, 0, this.words.length);
  #blobs = Buffer.alloc(16_384);
  #blobBytes = 0;
  #listBytes = 0;
  /** word at which the current record begins */
  #at = 0;
  /** where the blob of the current record begins in the blob area */
  #blobAt = 0;

  /** Makes `count` records zero. */
  begin(count: number): void {
    this.#blobBytes = 0;
    this.#listBytes = 0;
    this.words.fill(0, 0, count * RECORD_WORDS);
  }

  /** Makes record `index` current and writes what every result repeats of its request, at word `from` of `requests`. */
  open(index: number, requests: Uint32Array, from: number): void {
    const at = index * RECORD_WORDS;
    const { words } = this;
    this.#at = at;
    this.#blobAt = this.#blobBytes;
    words[at] = (requests[from] as number) & 0xff;
    copyWords(requests, from + RequestWord.request, words, at + ResultWord.request, 2);
    copyWords(requests, from + RequestWord.session, words, at + ResultWord.session, SESSION_WORDS);
  }

  /** Word of the current record in {@link words}. */
  get at(): number {
    return this.#at;
  }

  status(status: StatusCode): void {
    this.words[this.#at] = ((this.words[this.#at] as number) & 0xffff) | (status << 16);
  }

  mode(mode: number): void {
    this.words[this.#at] = ((this.words[this.#at] as number) & ~0xff00) | (mode << 8);
  }

  /** `word`: one of {@link ResultWord}. */
  u32(word: number, value: number): void {
    this.words[this.#at + word] = value;
  }

  u64(word: number, value: number): void {
    putU64At(this.words, this.#at + word, value);
  }

  /** A refusal with its sentence: why, and where it looked. */
  refuse(status: StatusCode, sentence: string): void {
    this.status(status);
    this.#claim(MAX_SENTENCE_BYTES);
    this.#setBlob(this.#blobs.write(sentence, this.#blobAt, MAX_SENTENCE_BYTES, "utf8"));
  }

  /** What the server asks of a live session in each reply. */
  lease(timeoutMs: number): void {
    this.u32(ResultWord.timeoutMs, timeoutMs);
    this.u32(ResultWord.heartbeatMs, Math.floor(timeoutMs / 4));
  }

  /** Which license is meant, and how it stands; an item that is gone has no seats. */
  license(pool: Pool, item: Item | null, container: VirtualContainer): void {
    this.u32(ResultWord.firmCode, pool.key.firmCode);
    this.u32(ResultWord.productCode, (item?.terms ?? pool.key).productCode);
    this.u32(ResultWord.itemRef, pool.key.tmrId);
    const { mask, serial } = container.numberOf(pool);
    this.u32(ResultWord.mask, mask);
    this.u32(ResultWord.serial, serial);
    if (item === null) return;
    this.u32(ResultWord.free, freeSeats(item));
    this.u32(ResultWord.total, item.terms.quantity);
    this.u64(ResultWord.validUntilMs, validUntilMs(item));
    this.u32(ResultWord.units, unitsShown(item));
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
    this.u32(ResultWord.nextCursor, nextCursor);
  }

  /** Data, or a part of a document, at most MAX_RESULT_BLOB_BYTES. */
  bytes(bytes: Uint8Array, nextCursor = 0): void {
    this.#claim(bytes.length);
    this.#blobs.set(bytes, this.#blobAt);
    this.#listBytes += bytes.length;
    this.#setBlob(bytes.length);
    this.u32(ResultWord.nextCursor, nextCursor);
  }

  /** The current record becomes the one stored, whatever its request says now. */
  repeat(records: RecordStore, slot: number): void {
    copyWords(records.words, records.at(slot), this.words, this.#at, RECORD_WORDS);
    const text = records.text(slot);
    this.#claim(text.length);
    this.#blobs.set(text, this.#blobAt);
    if (text.length > MAX_SENTENCE_BYTES) this.#listBytes += text.length;
    this.#setBlob(text.length);
  }

  /** Makes record `index` current again and gives it a blob behind all others; its own is empty so far. */
  attach(index: number, bytes: Uint8Array): void {
    this.#at = index * RECORD_WORDS;
    this.#blobAt = this.#blobBytes;
    this.#claim(bytes.length);
    this.#blobs.set(bytes, this.#blobAt);
    this.#setBlob(bytes.length);
  }

  /** A copy of the blob of the current record, null when it has none. */
  text(): Buffer | null {
    return this.#blobBytes === this.#blobAt ? null : Buffer.from(this.#blobs.subarray(this.#blobAt, this.#blobBytes));
  }

  /** What was written: views, valid until the next batch. */
  finish(count: number): { records: Buffer; blobs: Buffer } {
    return {
      records: this.#records.subarray(0, count * RESULT_BYTES),
      blobs: this.#blobs.subarray(0, this.#blobBytes),
    };
  }

  #setBlob(length: number): void {
    this.#blobBytes = this.#blobAt + length;
    this.u32(ResultWord.blobOffset, length === 0 ? 0 : this.#blobAt);
    this.u32(ResultWord.blobLength, length);
  }

  #claim(bytes: number): void {
    if (this.#blobAt + bytes <= this.#blobs.length) return;
    const larger = Buffer.alloc(Math.max(this.#blobAt + bytes, 2 * this.#blobs.length));
    this.#blobs.copy(larger, 0, 0, this.#blobAt);
    this.#blobs = larger;
  }
}
