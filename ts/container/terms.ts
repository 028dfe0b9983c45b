/** The terms of one license item: what is granted, in canonical form (licensing.md section 3). */
import { createHash } from "node:crypto";
import type { z } from "zod";
import { integer, line, table, U32_MAX, UNIVERSAL_FIRM_CODE_MIN } from "../config/fields.js";
import { canonicalJson } from "../wire/canonical.js";

/** The longest text of an item, in UTF-8 bytes. */
export const MAX_TEXT_BYTES = 256;
/** The longest owner information of an item, in UTF-8 bytes. */
export const MAX_OWNER_INFORMATION_BYTES = 256;
/** Last millisecond of the year 9999, the last one that RFC 3339 can name. */
export const MAX_DATE_MS = 253_402_300_799_999;

/** Terms of one item. The join key is (firmCode, productCode, tmrId, actId); tmrId 0 is an ordinary license. */
export interface Terms {
  readonly actId: number;
  readonly firmCode: number;
  readonly productCode: number;
  readonly tmrId: number;
  /** at most 256 bytes, may be empty */
  readonly text: string;
  /** seats, at least 1 */
  readonly quantity: number;
  /** 32 bits */
  readonly featureMap: number;
  /** UTC ms since 1970: not before */
  readonly activationMs?: number;
  /** UTC ms since 1970: not after */
  readonly expirationMs?: number;
  /** at most 256 bytes */
  readonly ownerInformation?: string;
}

/** Options of the design that this version does not enforce; a license that has one is refused, never half obeyed. */
export const optionsNotYet: ReadonlySet<string> = new Set([
  "unitCounter",
  "usagePeriod",
  "maintenancePeriod",
  "lingerTime",
  "minimumRuntimeVersion",
  "namedUser",
  "userData",
  "protectedData",
  "extendedProtectedData",
  "hiddenData",
  "secretData",
  "borrow",
  "moduleItems",
  "localOnly",
]);

/** The limits of every term: the same when a license is issued and when it is read. */
export const termFields = {
  firmCode: integer(UNIVERSAL_FIRM_CODE_MIN, U32_MAX),
  productCode: integer(0, U32_MAX),
  text: line(MAX_TEXT_BYTES, 0),
  quantity: integer(1, U32_MAX),
  featureMap: integer(0, U32_MAX),
  ownerInformation: line(MAX_OWNER_INFORMATION_BYTES, 0),
} as const;

/** Strict: an unknown option is a fault. */
export const termsSchema = table({
  actId: integer(0, U32_MAX),
  firmCode: termFields.firmCode,
  productCode: termFields.productCode,
  tmrId: integer(0, U32_MAX),
  text: termFields.text,
  quantity: termFields.quantity,
  featureMap: termFields.featureMap,
  activationMs: integer(0, MAX_DATE_MS).optional(),
  expirationMs: integer(0, MAX_DATE_MS).optional(),
  ownerInformation: termFields.ownerInformation.optional(),
});

/** Terms as the schema gives them: absent options are left out rather than undefined. */
export function termsOf(parsed: z.output<typeof termsSchema>): Terms {
  return Object.fromEntries(Object.entries(parsed).filter(([, value]) => value !== undefined)) as unknown as Terms;
}

/** SHA-256 over the canonical JSON of the terms, 32 bytes: equal licenses have equal digests. */
export function termsDigest(terms: Terms): Buffer {
  return createHash("sha256").update(canonicalJson(terms)).digest();
}

/** Orders by join key; 0 means the same key. */
export function compareTerms(a: Terms, b: Terms): number {
  return a.firmCode - b.firmCode || a.productCode - b.productCode || a.tmrId - b.tmrId || a.actId - b.actId;
}

/** An item as messages name it. */
export function itemName(terms: Pick<Terms, "firmCode" | "productCode" | "tmrId">): string {
  return `${terms.firmCode}:${terms.productCode} (TMR-ID ${terms.tmrId})`;
}
