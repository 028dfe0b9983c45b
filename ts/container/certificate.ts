/**
 * What a firm signs for each license that may be borrowed, beside its firm item: that an upstream's container holds this
 * license, and what a borrower's machine has to know of it. The firm item itself is not for clients: it has the data of
 * all licenses of the firm, hidden and secret ones included, and may be larger than any answer.
 */
import type { KeyObject } from "node:crypto";
import { CompactSign, compactVerify, decodeProtectedHeader } from "jose";
import { ed25519PublicKeyObject } from "../config/key-files.js";
import type { FirmEntry } from "../config/system.js";
import { decodeExactly } from "../wire/borrow.js";
import { canonicalJson } from "../wire/canonical.js";
import { ALGORITHM, type FirmItem, FirmItemFault, firmKeyId } from "./firm-item.js";
import { itemName, type Terms, termsDigest } from "./terms.js";

/** `typ` of the JWS header. */
export const CERTIFICATE_TYPE = "tmr-license-certificate+jws";

/** The signed payload: the terms that a borrowed license is checked against, and the digest of all of them. */
export interface LicenseCertificate {
  /** `130-serial` of the upstream's container */
  readonly container: string;
  readonly actId: number;
  /** base64url signing key of the upstream that the container is for */
  readonly holder: string;
  readonly firmCode: number;
  readonly firmName: string;
  readonly updateCounter: number;
  readonly productCode: number;
  readonly tmrId: number;
  readonly itemRef?: number;
  readonly quantity: number;
  readonly featureMap: number;
  readonly activationMs?: number;
  readonly expirationMs?: number;
  readonly borrowSeconds: number;
  readonly borrowRevocable?: true;
  /** what is asked for by these Product Codes is this license */
  readonly modules?: readonly { readonly productCode: number; readonly featureMap: number }[];
  /** base64url SHA-256 of the terms */
  readonly terms: string;
}

/** A certificate as a container carries it, with what it is found by. */
export interface CarriedCertificate {
  /** base64url digest of the terms */
  readonly terms: string;
  /** compact JWS */
  readonly jws: string;
}

/** What is certified of each license of a firm item that may be borrowed, in the order of its items. */
export function certificatesOf(item: Omit<FirmItem, "items">, items: readonly Terms[]): LicenseCertificate[] {
  return items.flatMap((terms) => {
    const { productCode, tmrId, itemRef, quantity, featureMap, activationMs, expirationMs } = terms;
    const { borrowSeconds, borrowRevocable, modules } = terms;
    if (borrowSeconds === undefined) return [];
    const { container, actId, holder, firmCode, firmName, updateCounter } = item;
    const shown = modules?.map((module) => ({ productCode: module.productCode, featureMap: module.featureMap }));
    return {
      ...{ container, actId, holder, firmCode, firmName, updateCounter },
      ...{ productCode, tmrId, quantity, featureMap, borrowSeconds },
      ...(itemRef === undefined ? {} : { itemRef }),
      ...(activationMs === undefined ? {} : { activationMs }),
      ...(expirationMs === undefined ? {} : { expirationMs }),
      ...(borrowRevocable === undefined ? {} : { borrowRevocable }),
      ...(shown === undefined ? {} : { modules: shown }),
      terms: termsDigest(terms).toString("base64url"),
    };
  });
}

/** Signs a certificate. */
export async function signCertificate(
  certificate: LicenseCertificate,
  privateKey: KeyObject,
  publicKey: Uint8Array,
): Promise<string> {
  return new CompactSign(Buffer.from(canonicalJson(certificate)))
    .setProtectedHeader({ alg: ALGORITHM, kid: firmKeyId(publicKey), typ: CERTIFICATE_TYPE })
    .sign(privateKey);
}

/** Signs the certificates of a firm item: what goes into the container beside it. */
export function signCertificates(item: FirmItem, privateKey: KeyObject, publicKey: Uint8Array): Promise<string[]> {
  return Promise.all(certificatesOf(item, item.items).map((each) => signCertificate(each, privateKey, publicKey)));
}

/** Checks the certificates of a container against its verified firm items. Throws {@link FirmItemFault}. */
export async function checkCertificates(
  signed: readonly string[],
  firmItems: readonly FirmItem[],
  firms: readonly FirmEntry[],
): Promise<CarriedCertificate[]> {
  const carried: CarriedCertificate[] = [];
  for (const item of firmItems) {
    const firmKey = firms.find(({ firmCode }) => firmCode === item.firmCode)?.key ?? new Uint8Array(0);
    for (const expected of certificatesOf(item, item.items)) {
      const jws = signed[carried.length];
      if (jws === undefined)
        throw new FirmItemFault(`item ${itemName(expected)} may be borrowed and has no certificate`);
      const payload = await verifiedPayload(jws, firmKey);
      if (payload !== canonicalJson(expected)) {
        throw new FirmItemFault(`the certificate of item ${itemName(expected)} says something else than the item`);
      }
      carried.push({ terms: expected.terms, jws });
    }
  }
  if (carried.length < signed.length) throw new FirmItemFault("a certificate is of no item that may be borrowed");
  return carried;
}

/** Verifies a certificate by itself, with the firm's public key of 32 bytes. Throws {@link FirmItemFault}. */
export async function verifyCertificate(jws: string, firmKey: Uint8Array): Promise<LicenseCertificate> {
  const text = await verifiedPayload(jws, firmKey);
  // Whoever has the firm's key wrote it: that it is a certificate is all that is left to see.
  const payload = JSON.parse(text) as LicenseCertificate;
  if (canonicalJson(payload) !== text || decodeExactly(payload.holder, 32) === null) {
    throw new FirmItemFault("a certificate is not in canonical form");
  }
  return payload;
}

async function verifiedPayload(jws: string, firmKey: Uint8Array): Promise<string> {
  const parts = jws.split(".");
  const canonical = parts.every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
  if (parts.length !== 3 || !canonical) throw new FirmItemFault("a certificate is not a compact JWS: it is damaged");
  try {
    const { alg, typ, kid, ...more } = decodeProtectedHeader(jws) as Record<string, unknown>;
    if (alg !== ALGORITHM || typ !== CERTIFICATE_TYPE || Object.keys(more).length > 0) throw new Error("header");
    if (kid !== firmKeyId(firmKey)) throw new Error("kid");
    const { payload } = await compactVerify(jws, ed25519PublicKeyObject(firmKey), { algorithms: [ALGORITHM] });
    return Buffer.from(payload).toString("utf8");
  } catch (cause) {
    throw new FirmItemFault("a certificate is altered, or signed by another key than the firm's", { cause });
  }
}
