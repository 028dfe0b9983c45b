/** Checks what a program passes in, before anything is sent: one clear message with expected and received. */
import { TmrError } from "../errors.js";

/** The largest integer of 32 bits. */
export const U32_MAX = 0xffff_ffff;
const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** An integer in the closed range; throws ERR_TMR_ARGUMENT. */
export function integer(name: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  throw new TmrError("ERR_TMR_ARGUMENT", `${name}: expected an integer from ${min} to ${max}, received ${show(value)}`);
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** A waiting time in ms, at most what a timer takes (24 days); fractions are allowed. */
export function checkTimeout(name: string, value: unknown): number {
  if (typeof value === "number" && value > 0 && value <= MAX_TIMEOUT_MS) return value;
  throw new TmrError(
    "ERR_TMR_ARGUMENT",
    `${name}: expected milliseconds above 0 and up to ${MAX_TIMEOUT_MS}, received ${show(value)}`,
  );
}

/** Bytes, or a text as its UTF-8; throws ERR_TMR_ARGUMENT. */
export function bytesFor(name: string, value: unknown, max: number): Uint8Array {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  // A copy: the request may be repeated after the caller has used its array for something else.
  if (bytes instanceof Uint8Array && bytes.length <= max) return Buffer.from(bytes);
  const received = bytes instanceof Uint8Array ? `${bytes.length} bytes` : show(value);
  throw new TmrError("ERR_TMR_ARGUMENT", `${name}: expected at most ${max} bytes or a text, received ${received}`);
}

/** ms since 1970 of a date that a program states; 0: none was stated. */
function dateMs(name: string, value: unknown): number {
  if (value === undefined) return 0;
  const ms = value instanceof Date ? value.getTime() : Number.NaN;
  if (ms > 0) return ms;
  throw new TmrError("ERR_TMR_ARGUMENT", `${name}: expected a Date after 1970, received ${show(value)}`);
}

/** The longest wait in a queue: a timer of the caller runs beside it. */
const MAX_WAIT_MS = 0x7fff_ffff;

/** The numbers of an access; throws ERR_TMR_ARGUMENT. */
export function checkAccess(options: {
  readonly firmCode: number;
  readonly productCode: number;
  readonly itemRef?: number;
  readonly quantity?: number;
  readonly featureMap?: number;
  readonly releaseDate?: Date;
  readonly waitMs?: number;
}): {
  firmCode: number;
  productCode: number;
  itemRef: number;
  quantity: number;
  featureMap: number;
  releaseMs: number;
  durationMs: number;
} {
  return {
    firmCode: integer("firmCode", options.firmCode, 1, U32_MAX),
    productCode: integer("productCode", options.productCode, 0, U32_MAX),
    itemRef: integer("itemRef", options.itemRef ?? 0, 0, U32_MAX),
    quantity: integer("quantity", options.quantity ?? 1, 1, U32_MAX),
    featureMap: integer("featureMap", options.featureMap ?? 0, 0, U32_MAX),
    releaseMs: dateMs("releaseDate", options.releaseDate),
    durationMs: integer("waitMs", options.waitMs ?? 0, 0, MAX_WAIT_MS),
  };
}

/** `host:port` strings, one or two. */
export function checkServers(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.length >= 1 && value.length <= 8 && value.every((one) => typeof one === "string")) {
    return value;
  }
  throw new TmrError("ERR_TMR_ARGUMENT", `servers: expected 1 to 8 addresses "host:port", received ${show(value)}`);
}

/** A public key as 32 bytes or their base64url. */
export function checkServerKey(value: unknown): Uint8Array {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64url") : value;
  if (bytes instanceof Uint8Array && bytes.length === 32) return bytes;
  throw new TmrError("ERR_TMR_ARGUMENT", "serverKey: expected 32 bytes or their base64url (43 characters)");
}
