/**
 * HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869) over the one hash that the state machine is given. Both are
 * functions of their arguments, so their outcome can be voted on.
 */
import type { LicensePorts } from "./genesis.js";

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;

type Sha256 = LicensePorts["sha256"];

/** 32 bytes. */
export function hmacSha256(sha256: Sha256, key: Uint8Array, message: Uint8Array): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.set(key.length > BLOCK_BYTES ? sha256(key) : key);
  const inner = sha256(Buffer.concat([block.map((byte) => byte ^ 0x36), message]));
  return sha256(Buffer.concat([block.map((byte) => byte ^ 0x5c), inner]));
}

/** `length` bytes, at most 8,160, from the key material without a salt. */
export function hkdfSha256(sha256: Sha256, material: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const key = hmacSha256(sha256, new Uint8Array(HASH_BYTES), material);
  const out = Buffer.alloc(Math.ceil(length / HASH_BYTES) * HASH_BYTES);
  for (let at = 0, count = 1; at < length; at += HASH_BYTES, count++) {
    const before = out.subarray(Math.max(0, at - HASH_BYTES), at);
    out.set(hmacSha256(sha256, key, Buffer.concat([before, info, Uint8Array.of(count)])), at);
  }
  return out.subarray(0, length);
}
