/**
 * The terms of one license item, as a holding statement carries them. Strict: an option that the state machine does
 * not enforce is refused, because a server that ignored it would grant what the issuer did not.
 */
import { canonicalJson } from "../wire/canonical.js";

/** Bytes, UTF-8, of `text` and `ownerInformation`. */
export const MAX_TEXT_BYTES = 256;
/** Last millisecond of the year 9999: later times cannot be shown. */
export const MAX_TIME_MS = 253_402_300_799_999;

/** One license item. All integers u32 unless said otherwise. */
export interface Terms {
  readonly actId: number;
  readonly firmCode: number;
  readonly productCode: number;
  /** never 0: an item without a TMR-ID is not part of a TMR system */
  readonly tmrId: number;
  readonly text: string;
  /** at least 1 */
  readonly quantity: number;
  readonly featureMap: number;
  /** ms since 1970: valid from this moment on */
  readonly activationMs?: number;
  /** ms since 1970: valid up to and including this moment */
  readonly expirationMs?: number;
  readonly ownerInformation?: string;
  /** only for programs on the server's own machine */
  readonly localOnly?: true;
  /** at least 1: how long a seat stays taken after it was released */
  readonly lingerSeconds?: number;
}

type Check = (value: unknown) => boolean;
const u32: Check = (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff;
const positive: Check = (value) => u32(value) && value !== 0;
const time: Check = (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TIME_MS;
const text: Check = (value) => typeof value === "string" && Buffer.byteLength(value) <= MAX_TEXT_BYTES;

const required: Readonly<Record<string, Check>> = {
  actId: u32,
  firmCode: u32,
  productCode: u32,
  tmrId: positive,
  text,
  quantity: positive,
  featureMap: u32,
};
const optional: Readonly<Record<string, Check>> = {
  activationMs: time,
  expirationMs: time,
  ownerInformation: text,
  localOnly: (value) => value === true,
  lingerSeconds: positive,
};

/** The fault in `value` as terms, or null when it is {@link Terms}. Looks at one level only, so any JSON may be given. */
export function faultInTerms(value: unknown): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "an item is not an object";
  const item = value as Record<string, unknown>;
  for (const [key, check] of Object.entries(required)) {
    if (!Object.hasOwn(item, key)) return `an item lacks ${key}`;
    if (!check(item[key])) return `an item's ${key} is out of range`;
  }
  for (const key of Object.keys(item)) {
    if (Object.hasOwn(required, key)) continue;
    const check = Object.hasOwn(optional, key) ? optional[key] : undefined;
    if (check === undefined) return "an item has an option that this server does not enforce";
    if (!check(item[key])) return `an item's ${key} is out of range`;
  }
  return null;
}

/** The bytes whose SHA-256 is the digest of the terms. */
export function termsBytes(terms: Terms): Buffer {
  return Buffer.from(canonicalJson(terms));
}

/** A join key as numbers. */
export type JoinKey = Pick<Terms, "firmCode" | "productCode" | "tmrId" | "actId">;

/** Order of join keys (firmCode, productCode, tmrId, actId): negative, zero or positive. */
export function compareKeys(a: JoinKey, b: JoinKey): number {
  return a.firmCode - b.firmCode || a.productCode - b.productCode || a.tmrId - b.tmrId || a.actId - b.actId;
}
