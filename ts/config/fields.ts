/**
 * The kinds of values that configuration files hold. The error text of each schema says what belongs there; the
 * reader of the document adds what was found instead.
 */
import { z } from "zod";
import { isPlainLine } from "../wire/text.js";
import { SECRET } from "./document.js";

export const U32_MAX = 0xffff_ffff;
/** Firm Codes from here on are universal; TMR licenses need one. */
export const UNIVERSAL_FIRM_CODE_MIN = 6_000_000;

/** A table with exactly these keys. */
export function table<S extends z.ZodRawShape>(shape: S) {
  // Unknown keys keep the library's own issue: the reader of the document turns it into a did-you-mean.
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? undefined : "a table"),
  });
}

/** An integer in the closed range. */
export function integer(min: number, max: number) {
  const error = `an integer from ${min} to ${max}`;
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
}

const textEncoder = new TextEncoder();

/** One line of text of at most `maxBytes` in UTF-8, without control characters; may be empty where `min` is 0. */
export function line(maxBytes: number, min = 1) {
  const error = `${min === 0 ? "" : "non-empty "}text of at most ${maxBytes} bytes without control characters`;
  return z
    .string({ error })
    .refine((text) => text.length >= min && isPlainLine(text) && textEncoder.encode(text).length <= maxBytes, {
      error,
    });
}

/** Decodes base64url without padding; null unless it is the one canonical spelling of `bytes` bytes. */
export function decodeBase64url(text: string, bytes: number): Buffer | null {
  const decoded = Buffer.from(text, "base64url");
  return decoded.length === bytes && decoded.toString("base64url") === text ? decoded : null;
}

/** Bytes as base64url. What was received is never shown: it may be a private key in the wrong place. */
export function base64url(bytes: number) {
  const error = `${SECRET}${bytes} bytes as base64url (${Math.ceil((bytes * 8) / 6)} characters)`;
  return z.string({ error }).transform((text, context) => {
    const decoded = decodeBase64url(text, bytes);
    if (decoded !== null && decoded.some((byte) => byte !== 0)) return decoded;
    context.addIssue({ code: "custom", message: error });
    return z.NEVER;
  });
}

const addressError = "an address host:port, with an IPv6 host in brackets";

/** `host:port`, kept as text. */
export const address = z.string({ error: addressError }).refine(isAddress, { error: addressError });

function isAddress(text: string): boolean {
  const match = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(text);
  if (match === null) return false;
  const port = Number(match[3]);
  return port >= 1 && port <= 65_535;
}

/** A virtual container: mask 131 and a serial of 32 bits. */
const virtualError = "a virtual container 131-serial, e.g. 131-729831162";
export const virtualContainer = z
  .string({ error: virtualError })
  .refine((text) => isContainerName(text, 131), { error: virtualError });

/** True for `mask-serial` with exactly this mask and a serial of 32 bits in its shortest decimal form. */
export function isContainerName(text: string, mask: number): boolean {
  const match = /^([1-9][0-9]{0,2})-(0|[1-9][0-9]{0,9})$/.exec(text);
  return match !== null && Number(match[1]) === mask && Number(match[2]) <= U32_MAX;
}

/** A path as text; resolving it is the loader's work. */
export const path = z
  .string({ error: "a path" })
  .refine((text) => text.length > 0 && !text.includes("\0"), { error: "a path" });

const levels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof levels)[number];

/** The `[log]` table. */
export const log = table({ level: z.enum(levels, { error: `one of ${levels.join(", ")}` }).default("info") }).prefault(
  {},
);
