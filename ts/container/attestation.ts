/**
 * One upstream's word for a borrowed license: the firm's certificate that this upstream holds it, and the signature of what
 * was borrowed by the key that the certificate names. The active TMR server asks for it before it counts an upstream, and a
 * borrowing machine when it verifies its file, so that nothing counts for the one that does not for the other.
 */
import { verify } from "node:crypto";
import { ed25519PublicKeyObject } from "../config/key-files.js";
import type { FirmEntry } from "../config/system.js";
import {
  attestMessage,
  type BorrowDocument,
  type BorrowSignature,
  borrowBytes,
  readBorrowDocument,
} from "../wire/borrow.js";
import { type LicenseCertificate, verifyCertificate } from "./certificate.js";
import { FirmItemFault } from "./firm-item.js";

/** Verifies one signature of a borrowed license with the firm's public key. Throws {@link FirmItemFault}. */
export async function verifyAttestation(
  document: BorrowDocument,
  { certificate: jws, signature }: BorrowSignature,
  firmKey: Uint8Array,
): Promise<LicenseCertificate> {
  const certificate = await verifyCertificate(jws, firmKey);
  const holder = ed25519PublicKeyObject(Buffer.from(certificate.holder, "base64url"));
  const message = attestMessage(borrowBytes(document));
  if (!verify(null, message, holder, Buffer.from(signature, "base64url"))) {
    throw new FirmItemFault(`altered: the signature of the holder of container ${certificate.container} does not fit`);
  }
  const fault = faultAgainst(document, certificate);
  if (fault === null) return certificate;
  throw new FirmItemFault(`${fault} (certificate of container ${certificate.container})`);
}

/** What an upstream answers when it is asked to sign, as it came over its link. */
export interface GivenAttestation {
  readonly document: Uint8Array;
  readonly signature: Uint8Array;
  readonly certificate: Uint8Array;
}

/** Whom an upstream can speak for: the system's firms, and its own signing key. */
export interface AttestationTrust {
  readonly firms: readonly FirmEntry[];
  readonly holder: Uint8Array;
}

/** Why what an upstream answered would not count on the borrower's machine, or null when it does. */
export async function faultInAttestation(
  { document: bytes, signature, certificate }: GivenAttestation,
  { firms, holder }: AttestationTrust,
): Promise<string | null> {
  const document = readBorrowDocument(bytes);
  if (document === null) return "what it signed is no borrowed license";
  const firm = firms.find(({ firmCode }) => firmCode === document.firmCode);
  if (firm === undefined) return `Firm Code ${document.firmCode} is not of this system`;
  const given = {
    certificate: Buffer.from(certificate).toString("utf8"),
    signature: Buffer.from(signature).toString("base64url"),
  };
  try {
    const { holder: named, container } = await verifyAttestation(document, given, firm.key);
    if (Buffer.from(named, "base64url").equals(holder)) return null;
    return `the certificate of container ${container} is for another upstream`;
  } catch (error) {
    if (error instanceof FirmItemFault) return error.message;
    throw error;
  }
}

/** What a document says that the firm did not allow; null when it fits. */
function faultAgainst(document: BorrowDocument, certificate: LicenseCertificate): string | null {
  const own = { productCode: certificate.productCode, featureMap: certificate.featureMap };
  const asked = [own, ...(certificate.modules ?? [])].find(({ productCode }) => productCode === document.productCode);
  const isSame =
    certificate.actId === document.actId &&
    certificate.firmCode === document.firmCode &&
    certificate.tmrId === document.tmrId &&
    (certificate.tmrId || certificate.itemRef) === document.itemRef &&
    certificate.terms === document.terms;
  if (!isSame || asked === undefined) return "it is of another license than the firm certified";
  if ((document.featureMap & ~asked.featureMap) !== 0) return "it has feature bits that the license lacks";
  if (document.quantity > certificate.quantity) return `it has more seats than the license: ${document.quantity}`;
  const { fromMs, untilMs } = document;
  if (untilMs - fromMs > certificate.borrowSeconds * 1000) return "it was borrowed for longer than the license allows";
  const { activationMs = 0, expirationMs = Number.POSITIVE_INFINITY } = certificate;
  if (fromMs < activationMs || untilMs > expirationMs) return "it was borrowed beyond the dates of the license";
  const isRevocable = certificate.borrowRevocable === true;
  return document.revocable === isRevocable ? null : "it says otherwise than the license whether it may be called back";
}
