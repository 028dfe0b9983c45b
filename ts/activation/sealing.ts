/** What only one server can read: a compact JWE (RFC 7516) to its X25519 sealing key. */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import { x25519PublicKey } from "../config/key-files.js";
import { refused } from "./signed.js";

const KEY_MANAGEMENT = "ECDH-ES+A256KW";
const ENCRYPTION = "A256GCM";

/** Encrypts text to the public sealing key (32 bytes) of a server. */
export function sealTo(sealingKey: Uint8Array, content: string): Promise<string> {
  const x = Buffer.from(sealingKey).toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
  return new CompactEncrypt(Buffer.from(content))
    .setProtectedHeader({ alg: KEY_MANAGEMENT, enc: ENCRYPTION })
    .encrypt(key);
}

/** Decrypts with the private sealing key (32 bytes). Throws ERR_TMR_ACTIVATION when it is for another one, or altered. */
export async function unseal(sealing: Uint8Array, jwe: string): Promise<string> {
  const x = x25519PublicKey(sealing).toString("base64url");
  const d = Buffer.from(sealing).toString("base64url");
  const key = createPrivateKey({ key: { kty: "OKP", crv: "X25519", x, d }, format: "jwk" });
  const algorithms = { keyManagementAlgorithms: [KEY_MANAGEMENT], contentEncryptionAlgorithms: [ENCRYPTION] };
  try {
    return Buffer.from((await compactDecrypt(jwe, key, algorithms)).plaintext).toString("utf8");
  } catch (cause) {
    throw refused("the update cannot be opened: it is encrypted to another sealing key, or damaged", { cause });
  }
}
