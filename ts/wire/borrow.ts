/**
 * What proves a borrowed license where no server can be asked: the document that says what was borrowed, by which key and
 * until when, and the signatures of the upstreams that hold the license. The document is a function of the log, so every
 * upstream makes the same bytes of it; each signs only what its own state says is borrowed.
 */
import { canonicalJson } from "./canonical.js";

export const BORROW_FORMAT = "tmr-borrow/1";
/** Bytes of an Ed25519 public key, and of a signature. */
export const BORROW_KEY_BYTES = 32;
export const BORROW_SIGNATURE_BYTES = 64;
const DIGEST_BYTES = 32;

/** One borrowed license. Bytes are base64url. */
export interface BorrowDocument {
  readonly format: typeof BORROW_FORMAT;
  /** digest of the genesis of the system that it was borrowed from */
  readonly system: string;
  /** `mask-serial` */
  readonly container: string;
  readonly actId: number;
  readonly firmCode: number;
  /** as it was asked for: the license's, or that of one of its modules */
  readonly productCode: number;
  /** 0: an ordinary license, for which one server stands */
  readonly tmrId: number;
  readonly itemRef: number;
  /** SHA-256 of the terms of the license as it was borrowed */
  readonly terms: string;
  /** bits that were asked for */
  readonly featureMap: number;
  readonly quantity: number;
  readonly handle: number;
  readonly user: string;
  readonly host: string;
  readonly station: string;
  /** Ed25519 public key of who borrowed it */
  readonly key: string;
  /** ms since 1970: valid from this moment on ... */
  readonly fromMs: number;
  /** ... up to and including this one */
  readonly untilMs: number;
  /** it may be called back: its seat is taken by others then, though this document stays valid to its end */
  readonly revocable: boolean;
}

/** The bytes that are signed and compared. */
export function borrowBytes(document: BorrowDocument): Buffer {
  return Buffer.from(canonicalJson(document));
}

/** What an upstream signs. */
export function attestMessage(document: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from("tmr-borrow/1\n"), document]);
}

/** What who borrowed signs to give it back before its time. */
export function returnMessage(document: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from("tmr-return/1\n"), document]);
}

/** How many different upstreams have to sign: any two of a TMR system, the one server of an ordinary license. */
export function signaturesNeeded({ tmrId }: Pick<BorrowDocument, "tmrId">): 1 | 2 {
  return tmrId === 0 ? 1 : 2;
}

type Check = (value: unknown) => boolean;
const u32: Check = (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff;
const positive: Check = (value) => u32(value) && (value as number) > 0;
const safe: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const text: Check = (value) => typeof value === "string";
const bytes =
  (length: number): Check =>
  (value) =>
    decodeExactly(value, length) !== null;

const checks: Readonly<Record<keyof BorrowDocument, Check>> = {
  format: (value) => value === BORROW_FORMAT,
  system: bytes(DIGEST_BYTES),
  container: text,
  actId: u32,
  firmCode: u32,
  productCode: u32,
  tmrId: u32,
  itemRef: u32,
  terms: bytes(DIGEST_BYTES),
  featureMap: u32,
  quantity: positive,
  handle: safe,
  user: text,
  host: text,
  station: text,
  key: bytes(BORROW_KEY_BYTES),
  fromMs: safe,
  untilMs: safe,
  revocable: (value) => typeof value === "boolean",
};

/** What is wrong with a value as a document, or null when it is a {@link BorrowDocument}. */
export function faultInBorrow(value: unknown): string | null {
  const fault = faultInMembers(value, checks);
  if (fault !== null) return fault;
  const { fromMs, untilMs } = value as BorrowDocument;
  return fromMs <= untilMs ? null : "untilMs is before fromMs";
}

/** Reads the bytes of a document; null when they are none, or not in the one spelling. */
export function readBorrowDocument(from: Uint8Array): BorrowDocument | null {
  const source = Buffer.from(from).toString("utf8");
  try {
    const value: unknown = JSON.parse(source);
    return faultInBorrow(value) === null && canonicalJson(value) === source ? (value as BorrowDocument) : null;
  } catch {
    return null;
  }
}

/** One upstream's signature, and the firm's word that this upstream holds such a license. */
export interface BorrowSignature {
  /** compact JWS: the firm's certificate of the license in the upstream's container */
  readonly certificate: string;
  /** base64url, by the key that the certificate names */
  readonly signature: string;
}

/** What a server answers to `attest`. */
export interface BorrowProof {
  readonly document: BorrowDocument;
  readonly signatures: readonly BorrowSignature[];
}

const signatureChecks: Readonly<Record<keyof BorrowSignature, Check>> = {
  certificate: text,
  signature: bytes(BORROW_SIGNATURE_BYTES),
};

/** What is wrong with a value as a proof, or null when it is a {@link BorrowProof}. Says nothing about signatures. */
export function faultInProof(value: unknown): string | null {
  const fault = faultInMembers(value, { document: () => true, signatures: Array.isArray });
  if (fault !== null) return fault;
  const { document, signatures } = value as { readonly document: unknown; readonly signatures: readonly unknown[] };
  for (const signature of signatures) {
    const wrong = faultInMembers(signature, signatureChecks);
    if (wrong !== null) return `a signature: ${wrong}`;
  }
  const wrong = faultInBorrow(document);
  return wrong === null ? null : `the document: ${wrong}`;
}

function faultInMembers(value: unknown, members: Readonly<Record<string, Check>>): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "it is not a JSON object";
  const object = value as Readonly<Record<string, unknown>>;
  for (const [name, check] of Object.entries(members)) {
    if (!Object.hasOwn(object, name)) return `it lacks ${name}`;
    if (!check(object[name])) return `its ${name} is not what belongs there`;
  }
  const stranger = Object.keys(object).find((name) => !Object.hasOwn(members, name));
  return stranger === undefined ? null : "it has a member that does not belong there";
}

/** The bytes of a base64url text of exactly this length in its one spelling, or null. */
export function decodeExactly(value: unknown, length: number): Buffer | null {
  if (typeof value !== "string") return null;
  const decoded = Buffer.from(value, "base64url");
  return decoded.length === length && decoded.toString("base64url") === value ? decoded : null;
}
