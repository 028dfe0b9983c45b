/** A growing writer and a checked reader: for the change journal and for snapshots. Little-endian. */
import { TmrError } from "../errors.js";
import { getU64, isSafeU64, putU64 } from "../wire/bytes.js";

/** Appends to one buffer that grows by doubling and is reused after {@link reset}. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
  }

  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
  }

  /** What was written: a view, valid until the next write. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): void {
    this.#bytes[this.#claim(1)] = value;
  }

  u32(value: number): void {
    const at = this.#claim(4);
    this.#bytes.writeUInt32LE(value, at);
  }

  u64(value: number): void {
    const at = this.#claim(8);
    putU64(this.#bytes, at, value);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Copies bytes [from, to) of `source`. */
  copy(source: Buffer, from: number, to: number): void {
    const at = this.#claim(to - from);
    source.copy(this.#bytes, at, from, to);
  }

  /** u32 length, then the bytes. */
  block(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.raw(bytes);
  }

  #claim(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#length, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return at;
  }
}

/** Reads what {@link ByteWriter} wrote. Every method throws ERR_TMR_STORE when the bytes cannot be that. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#claim(1));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#claim(4));
  }

  u64(): number {
    const at = this.#claim(8);
    if (!isSafeU64(this.#bytes, at)) throw malformed(`integer at byte ${at} is above 2^53`);
    return getU64(this.#bytes, at);
  }

  /** A copy, so that a small field does not keep a whole snapshot in memory. */
  raw(length: number): Buffer {
    const at = this.#claim(length);
    return Buffer.from(this.#bytes.subarray(at, at + length));
  }

  block(): Buffer {
    return this.raw(this.u32());
  }

  /** A number of entries that follow, each of at least `entryBytes`; so a wrong one cannot make a long loop. */
  count(entryBytes: number): number {
    const count = this.u32();
    if (count * entryBytes > this.#bytes.length - this.#at) throw malformed(`${count} entries do not fit`);
    return count;
  }

  /** Everything must have been read. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed(`${this.#bytes.length - this.#at} bytes too many`);
  }

  #claim(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#bytes.length - at) throw malformed(`ends within a field at byte ${at}`);
    this.#at += bytes;
    return at;
  }
}

/** The error for a snapshot that cannot be one. */
export function malformed(what: string): TmrError {
  return new TmrError("ERR_TMR_STORE", `license snapshot: ${what}`);
}

/** The same column with more room. */
export function grown<T extends Uint8Array | Uint32Array | Int32Array | Float64Array>(column: T, capacity: number): T {
  const larger = new (column.constructor as new (length: number) => T)(capacity);
  larger.set(column);
  return larger;
}
