/**
 * Little-endian access to integers and byte fields in a buffer. Numbers on the wire are at most 2^53 - 1, so that
 * both sides of the native boundary hold them exactly; readers of untrusted bytes check with {@link isSafeU64}.
 */

const TWO_POW_32 = 0x1_0000_0000;

/** Reads an unsigned 64-bit integer that was checked to be a safe integer. */
export function getU64(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * TWO_POW_32;
}

/** Writes a safe non-negative integer as unsigned 64 bit. */
export function putU64(bytes: Buffer, offset: number, value: number): void {
  bytes.writeUInt32LE(value % TWO_POW_32, offset);
  bytes.writeUInt32LE(Math.floor(value / TWO_POW_32), offset + 4);
}

/** True when the 64-bit field at `offset` is below 2^53. */
export function isSafeU64(bytes: Buffer, offset: number): boolean {
  return bytes.readUInt32LE(offset + 4) < 0x20_0000;
}

/** True when every byte of the range is zero: reserved fields must be. */
export function isZero(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** A view on the same memory as a Buffer, without copying. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
