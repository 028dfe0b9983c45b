/**
 * Borrowing with a session: a key is made, the seat is taken under it, and two upstreams sign that it is. Every step can be
 * done again: the same key gets the same borrowing, so what is interrupted is finished by borrowing to the same file again.
 */
import { sign } from "node:crypto";
import { existsSync } from "node:fs";
import { borrowKeyFor, readBorrowFile, readBorrowKey, removeBorrow, writeBorrowFile } from "../borrow/borrow-file.js";
import { beginSeen } from "../borrow/seen-time.js";
import { type BorrowedLicense, describeBorrow } from "../borrow/verify.js";
import { ed25519PrivateKey, ed25519PublicKey } from "../config/key-files.js";
import { TmrError } from "../errors.js";
import { type BorrowProof, borrowBytes, faultInProof, returnMessage } from "../wire/borrow.js";
import { AccessMode, Kind } from "../wire/kinds.js";
import { checkAccess, integer } from "./arguments.js";
import { RefusedError } from "./errors.js";
import type { WaitOptions } from "./handle.js";
import { parseJson } from "./server-status.js";
import type { Answer, CallFields } from "./types.js";

export interface BorrowOptions extends WaitOptions {
  readonly firmCode: number;
  readonly productCode: number;
  /** seats, default 1 */
  readonly quantity?: number;
  /** bits that the license must have */
  readonly featureMap?: number;
  /** one item of several with the same codes; default: the first that fits */
  readonly itemRef?: number;
  /** when this program was released: a license with a maintenance period wants to know */
  readonly releaseDate?: Date;
  /** for how long; default: as long as the license allows */
  readonly durationMs?: number;
  /** where the borrow file goes; its key and the time seen lie beside it */
  readonly file: string;
  /** an own private key (32 bytes, Ed25519 seed), for this borrowing alone; default: a new one, kept beside the file */
  readonly key?: Uint8Array;
}

/** How a request of the session is made, with its deadline. */
export type SessionCall = (fields: CallFields) => Promise<Answer>;

/** Borrows a license into a file. */
export async function borrowInto(call: SessionCall, options: BorrowOptions): Promise<BorrowedLicense> {
  const { file, durationMs, key } = options;
  if (existsSync(file)) throw new TmrError("ERR_TMR_FILE", `${file} is already there: return it, or name another file`);
  const access = checkAccess(options);
  const fields = {
    kind: Kind.borrow,
    ...access,
    mode: AccessMode.userLimit,
    durationMs: durationMs === undefined ? 0 : integer("durationMs", durationMs, 1, Number.MAX_SAFE_INTEGER),
  };
  // Before the seat is taken: only who has the key can use it or give it back.
  const seed = key ?? borrowKeyFor(file);
  const { result, blob } = await call({ ...fields, blob: ed25519PublicKey(seed) }).catch((error: unknown) => {
    if (error instanceof RefusedError && key === undefined) removeBorrow(file);
    throw error;
  });
  const proof = await proofOf(call, result.handle, blob);
  beginSeen(file, proof.document, seed);
  writeBorrowFile(file, proof);
  return describeBorrow(proof.document);
}

/** The document as it was voted, with the signatures under it. */
async function proofOf(call: SessionCall, handle: number, document: Buffer): Promise<BorrowProof> {
  const { blob } = await call({ kind: Kind.attest, handle });
  const proof = parseJson(blob);
  const fault = faultInProof(proof);
  if (fault !== null) throw new TmrError("ERR_TMR_PROTOCOL", `attest: ${fault}`);
  if (borrowBytes((proof as BorrowProof).document).equals(document)) return proof as BorrowProof;
  throw new TmrError("ERR_TMR_PROTOCOL", "attest: the signed document is another one than what was borrowed");
}

/** Gives a borrowed license back and removes its files; one that has ended counts as given back. */
export async function returnFrom(call: SessionCall, file: string, key: Uint8Array | undefined): Promise<void> {
  const { document } = readBorrowFile(file);
  const seed = key ?? readBorrowKey(file);
  const signature = sign(null, returnMessage(borrowBytes(document)), ed25519PrivateKey(seed));
  try {
    await call({ kind: Kind.returnBorrow, handle: document.handle, blob: signature });
  } catch (error) {
    if (!(error instanceof RefusedError && error.reason === "handle-unknown")) throw error;
  }
  removeBorrow(file);
}
