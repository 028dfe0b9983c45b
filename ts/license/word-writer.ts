/** A growing array of words: for the change journal and for snapshots. Little-endian. */
import { bytesOf, copyWords, putU64At, WORD_BYTES, wordsFor } from "./words.js";

/** Up to here a loop is cheaper than the array's own way. */
const FEW_WORDS = 64;

/** Appends to one array that grows by doubling and is reused after {@link reset}. */
export class WordWriter {
  #words: Uint32Array;
  #length = 0;

  /** `capacity` in words. */
  constructor(capacity: number) {
    this.#words = new Uint32Array(capacity);
  }

  /** Words written. */
  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
  }

  /** What was written: a view, valid until the next write. */
  view(): Buffer {
    return bytesOf(this.#words, 0, this.#length);
  }

  u32(value: number): void {
    const at = this.#claim(1);
    this.#words[at] = value;
  }

  /** Three words at once, for entries of that size. */
  three(a: number, b: number, c: number): void {
    const at = this.#claim(3);
    const words = this.#words;
    words[at] = a;
    words[at + 1] = b;
    words[at + 2] = c;
  }

  u64(value: number): void {
    const at = this.#claim(2);
    putU64At(this.#words, at, value);
  }

  /** `count` words of `source` from `from` on. */
  words(source: Uint32Array, from: number, count: number): void {
    const at = this.#claim(count);
    if (count > FEW_WORDS) this.#words.set(source.subarray(from, from + count), at);
    else copyWords(source, from, this.#words, at, count);
  }

  /** Bytes whose number is known to the reader; zeros up to a whole word. */
  raw(bytes: Uint8Array): void {
    const count = wordsFor(bytes.length);
    const at = this.#claim(count);
    if (count > 0) this.#words[at + count - 1] = 0;
    bytesOf(this.#words, at, count).set(bytes);
  }

  /** u32 length in bytes, then the bytes, zeros up to a whole word. */
  block(bytes: Uint8Array): void {
    this.u32(bytes.length);
    if (bytes.length > 0) this.raw(bytes);
  }

  #claim(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length * WORD_BYTES > this.#words.byteLength) {
      const larger = new Uint32Array(Math.max(this.#length, 2 * this.#words.length));
      larger.set(this.#words.subarray(0, at));
      this.#words = larger;
    }
    return at;
  }
}
