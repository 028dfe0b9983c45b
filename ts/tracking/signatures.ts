/** The Ed25519 key of a server for its tracking files. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { TmrError } from "../errors.js";

const KIND = "tracking";

/** A key that signs. */
export interface TrackingKey {
  /** base64url */
  readonly publicKey: string;
  sign(bytes: Uint8Array): Buffer;
}

/** Reads the key of `file`, which only its owner may read; makes one where there is none. Throws ERR_TMR_KEY. */
export function openTrackingKey(file: string): TrackingKey {
  const text = readPrivate(file) ?? makeKey(file);
  let privateKey: KeyObject;
  let publicKey: string;
  try {
    const { kind, jwk } = JSON.parse(text) as { kind: unknown; jwk: Record<string, string> };
    if (kind !== KIND) throw new Error("another kind");
    privateKey = createPrivateKey({ key: jwk, format: "jwk" });
    publicKey = publicOf(privateKey);
  } catch {
    // What the parser says may quote the key.
    throw new TmrError("ERR_TMR_KEY", `${file}: expected a key file of kind "${KIND}", received something else`);
  }
  return { publicKey, sign: (bytes) => sign(null, bytes, privateKey) };
}

function publicOf(key: KeyObject): string {
  const { crv, x } = createPublicKey(key).export({ format: "jwk" });
  if (crv !== "Ed25519" || x === undefined) throw new Error("not Ed25519");
  return x;
}

/** True when `signature` (base64url) is by `key` (base64url) over these bytes. */
export function isSignedBy(key: string, bytes: Uint8Array, signature: string): boolean {
  try {
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: key }, format: "jwk" });
    return verify(null, bytes, publicKey, Buffer.from(signature, "base64url"));
  } catch {
    return false;
  }
}

function readPrivate(file: string): string | null {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new TmrError("ERR_TMR_KEY", `${file}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    const mode = fstatSync(descriptor).mode & 0o777;
    if ((mode & 0o077) === 0) return readFileSync(descriptor, "utf8");
    throw new TmrError(
      "ERR_TMR_KEY",
      `${file}: expected a file that only its owner may read, received mode ${mode.toString(8)}; use: chmod 600 ${file}`,
    );
  } finally {
    closeSync(descriptor);
  }
}

function makeKey(file: string): string {
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const text = `${JSON.stringify({ kind: KIND, jwk }, null, 2)}\n`;
  try {
    const descriptor = openSync(`${file}.new`, "w", 0o600);
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(`${file}.new`, file);
  } catch (cause) {
    throw new TmrError("ERR_TMR_KEY", `${file}: cannot be written: ${(cause as Error).message}`, { cause });
  }
  return text;
}
