/**
 * A firm item: what one firm put into one container, signed by the firm as a compact JWS (RFC 7515, Ed25519 as of
 * RFC 9864). The payload is canonical JSON, so that there is one way to write it.
 */
import { createHash, type KeyObject } from "node:crypto";
import { CompactSign, compactVerify, decodeProtectedHeader } from "jose";
import { z } from "zod";
import { checkDocument } from "../config/document.js";
import { Faults } from "../config/faults.js";
import { decodeBase64url, integer, line, table, U32_MAX } from "../config/fields.js";
import { ed25519PublicKeyObject } from "../config/key-files.js";
import type { FirmEntry } from "../config/system.js";
import { faultInRelations } from "../license/term-rules.js";
import { canonicalJson } from "../wire/canonical.js";
import { compareTerms, itemName, type Terms, termsOf, termsSchema } from "./terms.js";

/** `typ` of the JWS header. */
export const FIRM_ITEM_TYPE = "tmr-firm-item+jws";
/** The one algorithm of what a firm signs. */
export const ALGORITHM = "Ed25519";

/** The signed payload. */
export interface FirmItem {
  /** `130-serial` */
  readonly container: string;
  readonly actId: number;
  /** base64url signing key of the upstream that the container is for */
  readonly holder: string;
  readonly firmCode: number;
  readonly firmName: string;
  /** Firm Update Counter: one more with each change */
  readonly updateCounter: number;
  /** base64url of 16 bytes: the update that led to this counter; left out where it came as a whole container file */
  readonly updateId?: string | undefined;
  /** strictly ascending by join key */
  readonly items: readonly Terms[];
}

const firmItemSchema = table({
  container: z.string({ error: "a container name" }),
  actId: integer(0, U32_MAX),
  holder: z.string({ error: "a signing key" }),
  firmCode: termsSchema.shape.firmCode,
  firmName: line(128),
  updateCounter: integer(1, U32_MAX),
  updateId: z
    .string({ error: "16 bytes as base64url" })
    .refine((text) => decodeBase64url(text, 16) !== null, { error: "16 bytes as base64url" })
    .optional(),
  items: z.array(termsSchema, { error: "an array of items" }),
});

/** RFC 7638 thumbprint of a firm's Ed25519 public key (32 bytes): the `kid` of what it signs. */
export function firmKeyId(publicKey: Uint8Array): string {
  const jwk = { crv: "Ed25519", kty: "OKP", x: Buffer.from(publicKey).toString("base64url") };
  return createHash("sha256").update(canonicalJson(jwk)).digest("base64url");
}

/** Signs a firm item. Items are put in order; the caller checked the terms. */
export async function signFirmItem(item: FirmItem, privateKey: KeyObject, publicKey: Uint8Array): Promise<string> {
  const payload = canonicalJson({ ...item, items: item.items.toSorted(compareTerms) });
  return new CompactSign(Buffer.from(payload))
    .setProtectedHeader({ alg: ALGORITHM, kid: firmKeyId(publicKey), typ: FIRM_ITEM_TYPE })
    .sign(privateKey);
}

/** Why a firm item is not to be trusted. */
export class FirmItemFault extends Error {}

/**
 * Verifies a firm item with the keys of the firms that are trusted. Throws {@link FirmItemFault} with the reason, in
 * words that go behind a file name.
 */
export async function verifyFirmItem(jws: string, firms: readonly FirmEntry[], place: string): Promise<FirmItem> {
  const firm = signer(jws, firms);
  let payload: Uint8Array;
  try {
    payload = (await compactVerify(jws, ed25519PublicKeyObject(firm.key), { algorithms: [ALGORITHM] })).payload;
  } catch {
    throw new FirmItemFault(`what Firm Code ${firm.firmCode} signed is altered or damaged: the signature does not fit`);
  }
  return readPayload(Buffer.from(payload).toString("utf8"), firm, place);
}

/** The trusted firm whose key the header names. Nothing is verified yet. */
function signer(jws: string, firms: readonly FirmEntry[]): FirmEntry {
  const parts = jws.split(".");
  // A second spelling of the same bytes would be a change that no signature sees.
  const canonical = parts.every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
  if (parts.length !== 3 || !canonical) throw new FirmItemFault("a firm item is not a compact JWS: it is damaged");
  let header: unknown;
  try {
    header = decodeProtectedHeader(jws);
  } catch {
    throw new FirmItemFault("the header of a firm item is damaged");
  }
  const { alg, typ, kid, ...more } = header as Record<string, unknown>;
  if (alg !== ALGORITHM || typ !== FIRM_ITEM_TYPE || Object.keys(more).length > 0) {
    throw new FirmItemFault(`a firm item needs the header alg ${ALGORITHM}, typ ${FIRM_ITEM_TYPE} and kid alone`);
  }
  const firm = firms.find((known) => firmKeyId(known.key) === kid);
  if (firm !== undefined) return firm;
  const claimed = claimedFirmCode(parts[1] ?? "");
  const known = firms.some((entry) => entry.firmCode === claimed);
  throw new FirmItemFault(
    known
      ? `Firm Code ${claimed} is signed with another key than the one in system.toml`
      : `signed by a firm${claimed === undefined ? "" : ` (Firm Code ${claimed})`} that system.toml does not name`,
  );
}

/** What an unverified payload says, for an error message only. */
function claimedFirmCode(part: string): number | undefined {
  try {
    const { firmCode } = JSON.parse(Buffer.from(part, "base64url").toString("utf8")) as { firmCode?: unknown };
    return Number.isSafeInteger(firmCode) ? (firmCode as number) : undefined;
  } catch {
    return undefined;
  }
}

function readPayload(text: string, firm: FirmEntry, place: string): FirmItem {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new FirmItemFault("a signed payload is not JSON");
  }
  const faults = new Faults();
  const parsed = checkDocument(firmItemSchema, raw, place, faults);
  faults.throwIfAny("ERR_TMR_CONTAINER");
  const item = parsed as z.output<typeof firmItemSchema>;
  const items = item.items.map(termsOf);
  if (canonicalJson(raw) !== text) throw new FirmItemFault("a signed payload is not in canonical form");
  if (item.firmCode !== firm.firmCode) {
    throw new FirmItemFault(`the key of Firm Code ${firm.firmCode} signed for Firm Code ${item.firmCode}`);
  }
  checkItems({ ...item, items });
  return { ...item, items };
}

function checkItems(item: FirmItem): void {
  item.items.forEach((terms, i) => {
    const name = itemName(terms);
    const before = item.items[i - 1];
    if (terms.firmCode !== item.firmCode) {
      throw new FirmItemFault(`item ${name} is inside the firm item of Firm Code ${item.firmCode}`);
    }
    if (terms.actId !== item.actId) {
      throw new FirmItemFault(`item ${name} has actId ${terms.actId}, its container has ${item.actId}`);
    }
    if (item.items.findIndex((other) => compareTerms(other, terms) === 0) !== i) {
      throw new FirmItemFault(`item ${name} is there twice`);
    }
    if (before !== undefined && compareTerms(before, terms) > 0) {
      throw new FirmItemFault(`item ${name} is out of order`);
    }
    const fault = faultInRelations(terms);
    if (fault !== null) {
      throw new FirmItemFault(`item ${name} ${fault}`);
    }
  });
}
