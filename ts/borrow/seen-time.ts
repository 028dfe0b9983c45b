/**
 * The highest time that was seen with a borrowed license, signed by its key: a clock that is put back is found out. Whoever
 * owns the machine can put an old record back together with the clock; that is the limit of what can be done without a server.
 */
import { hash, sign, verify } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { ed25519PrivateKey, ed25519PublicKeyObject } from "../config/key-files.js";
import { type BorrowDocument, borrowBytes, decodeExactly } from "../wire/borrow.js";
import { canonicalJson } from "../wire/canonical.js";
import { borrowError, clockFileOf, writeOwn } from "./borrow-file.js";

/** A record that is this much younger is not written anew. */
const WRITE_EVERY_MS = 1_000;

/** Begins the record of a license that was just borrowed: its servers' time. */
export function beginSeen(file: string, document: BorrowDocument, seed: Uint8Array): void {
  writeSeen(file, document, seed, document.fromMs);
}

/** The highest time that was seen. Throws ERR_TMR_BORROW for a record that is missing, altered, or of another license. */
export function readSeen(file: string, document: BorrowDocument): number {
  const path = clockFileOf(file);
  if (!existsSync(path)) throw borrowError(file, `the record of the time that was seen, ${path}, is missing`);
  let value: { readonly seenMs?: unknown; readonly signature?: unknown } | null;
  try {
    value = JSON.parse(readFileSync(path, "utf8")) as typeof value;
  } catch (cause) {
    throw borrowError(file, `the record of the time that was seen, ${path}, cannot be read`, cause);
  }
  const seenMs = value?.seenMs;
  const signature = decodeExactly(value?.signature, 64);
  const key = ed25519PublicKeyObject(Buffer.from(document.key, "base64url"));
  const isGenuine =
    Number.isSafeInteger(seenMs) &&
    signature !== null &&
    verify(null, seenMessage(document, seenMs as number), key, signature);
  if (!isGenuine) throw borrowError(file, `the record of the time that was seen, ${path}, is altered`);
  return seenMs as number;
}

/** Notes a time that is later than the last one. */
export function noteSeen(
  file: string,
  document: BorrowDocument,
  seed: Uint8Array,
  seenMs: number,
  nowMs: number,
): void {
  if (nowMs >= seenMs + WRITE_EVERY_MS) writeSeen(file, document, seed, nowMs);
}

function writeSeen(file: string, document: BorrowDocument, seed: Uint8Array, seenMs: number): void {
  const signature = sign(null, seenMessage(document, seenMs), ed25519PrivateKey(seed)).toString("base64url");
  writeOwn(clockFileOf(file), `${canonicalJson({ seenMs, signature })}\n`);
}

function seenMessage(document: BorrowDocument, seenMs: number): Buffer {
  const borrow = hash("sha256", borrowBytes(document), "base64url");
  return Buffer.from(`tmr-borrow-clock/1\n${canonicalJson({ borrow, seenMs })}`);
}
