/**
 * Whether a borrowed license counts here and now, without any server. The chain: the firm's public key → the firm's
 * certificates, each naming an upstream that holds the license → the signatures of so many different upstreams over what
 * was borrowed → the key of who borrowed it, which must be here → a clock that was not put back.
 */
import { randomBytes, sign, verify } from "node:crypto";
import { ed25519PrivateKey, ed25519PublicKeyObject } from "../config/key-files.js";
import { verifyAttestation } from "../container/attestation.js";
import { FirmItemFault } from "../container/firm-item.js";
import { TmrError } from "../errors.js";
import { type BorrowDocument, type BorrowProof, decodeExactly, signaturesNeeded } from "../wire/borrow.js";
import { borrowError, readBorrowFile, readBorrowKey } from "./borrow-file.js";
import { noteSeen, readSeen } from "./seen-time.js";

export interface VerifyBorrowOptions {
  /** the firm's public key: 32 bytes or their base64url, as in the [[firm]] table of a system.toml */
  readonly firmKey: string | Uint8Array;
  /** default: the machine's clock */
  readonly now?: Date;
  /** how far the clock may be before the latest time seen, and before the servers' time of the borrowing; default 5 min */
  readonly toleranceMs?: number;
  /** the private key of who borrowed it (32 bytes, Ed25519 seed); default: from the file beside */
  readonly key?: Uint8Array;
}

/** A borrowed license that counts. */
export interface BorrowedLicense {
  readonly firmCode: number;
  readonly productCode: number;
  readonly itemRef: number;
  /** seats */
  readonly quantity: number;
  /** bits that were asked for, all of which the license has */
  readonly featureMap: number;
  readonly user: string;
  readonly host: string;
  readonly station: string;
  /** `mask-serial` that it was borrowed from, and as which handle */
  readonly container: string;
  readonly handle: number;
  readonly validFrom: Date;
  readonly validUntil: Date;
  readonly revocable: boolean;
}

const TOLERANCE_MS = 5 * 60_000;
const KEY_BYTES = 32;

/**
 * Verifies a borrow file offline and notes the time. Rejects with ERR_TMR_BORROW and the reason when it does not count,
 * ERR_TMR_KEY or ERR_TMR_FILE when key or files cannot be read.
 */
export async function verifyBorrow(file: string, options: VerifyBorrowOptions): Promise<BorrowedLicense> {
  const firmKey = firmKeyOf(options.firmKey);
  const proof = readBorrowFile(file);
  const { document } = proof;
  await checkChain(file, proof, firmKey);
  const seed = options.key ?? readBorrowKey(file);
  checkPossession(file, document, seed);
  checkTime(file, document, seed, options.now?.getTime() ?? Date.now(), options.toleranceMs ?? TOLERANCE_MS);
  return describeBorrow(document);
}

/** What a document says, for a program. */
export function describeBorrow(document: BorrowDocument): BorrowedLicense {
  const { format: _, system: _system, actId: _actId, tmrId: _tmrId, terms: _terms, key: _key, ...shown } = document;
  const { fromMs, untilMs, ...license } = shown;
  return { ...license, validFrom: new Date(fromMs), validUntil: new Date(untilMs) };
}

function firmKeyOf(key: string | Uint8Array): Uint8Array {
  const bytes = typeof key === "string" ? decodeExactly(key, KEY_BYTES) : key;
  if (bytes !== null && bytes.length === KEY_BYTES) return bytes;
  throw new TmrError("ERR_TMR_ARGUMENT", "firmKey: expected 32 bytes or their base64url (43 characters)");
}

/** From the firm's key to the document. Throws ERR_TMR_BORROW. */
export async function checkChain(file: string, proof: BorrowProof, firmKey: Uint8Array): Promise<void> {
  const { document, signatures } = proof;
  const holders = new Set<string>();
  for (const signature of signatures) {
    const { holder } = await verifyAttestation(document, signature, firmKey).catch((cause: unknown) => {
      if (cause instanceof FirmItemFault) throw borrowError(file, cause.message, cause);
      throw cause;
    });
    holders.add(holder);
  }
  const needed = signaturesNeeded(document);
  if (holders.size >= needed) return;
  const servers = needed === 1 ? "one server" : "two different upstreams";
  throw borrowError(file, `${servers} must have signed it, ${holders.size} did`);
}

/** Who borrowed it is here when a challenge is answered by the key. */
function checkPossession(file: string, document: BorrowDocument, seed: Uint8Array): void {
  const challenge = Buffer.concat([Buffer.from("tmr-borrow-challenge/1\n"), randomBytes(KEY_BYTES)]);
  const answer = sign(null, challenge, ed25519PrivateKey(seed));
  if (verify(null, challenge, ed25519PublicKeyObject(Buffer.from(document.key, "base64url")), answer)) return;
  throw borrowError(file, "it was borrowed with another key than the one that is here");
}

function checkTime(file: string, document: BorrowDocument, seed: Uint8Array, nowMs: number, toleranceMs: number): void {
  const { fromMs, untilMs } = document;
  const seenMs = readSeen(file, document);
  const [now, seen] = [timeText(nowMs), timeText(seenMs)];
  if (nowMs < fromMs - toleranceMs) {
    throw borrowError(file, `the clock of this machine says ${now}, before it was borrowed at ${timeText(fromMs)}`);
  }
  if (nowMs < seenMs - toleranceMs) {
    throw borrowError(file, `the clock of this machine was put back: it says ${now} and has said ${seen} before`);
  }
  if (Math.max(nowMs, seenMs) > untilMs) {
    throw borrowError(file, `it was borrowed until ${timeText(untilMs)}; the clock of this machine says ${now}`);
  }
  noteSeen(file, document, seed, seenMs, nowMs);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
