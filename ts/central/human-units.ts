/** Values as a person writes them in licenses.toml: dates, durations, feature bits, bytes. */
import { TomlDate } from "smol-toml";
import { z } from "zod";
import { SECRET } from "../config/document.js";
import { U32_MAX } from "../config/fields.js";
import { CONSUMPTION, MAX_DATA_BYTES, MAX_TIME_MS } from "../license/term-rules.js";

/** A schema that takes whatever `read` understands; undefined from it is a fault with this text. */
function readBy<T>(expected: string, read: (value: unknown) => T | undefined) {
  return z.unknown().transform((value, context) => {
    const understood = read(value);
    if (understood !== undefined) return understood;
    context.addIssue({ code: "custom", message: expected });
    return z.NEVER;
  });
}

const inRange = (n: unknown, min: number, max: number): n is number =>
  Number.isInteger(n) && (n as number) >= min && (n as number) <= max;

/** A feature map as a number or as a list of its bits. */
export const featureMap = readBy(`a number from 0 to ${U32_MAX} or a list of bits from 0 to 31`, (value) => {
  if (inRange(value, 0, U32_MAX)) return value;
  if (!Array.isArray(value) || !value.every((bit) => inRange(bit, 0, 31))) return undefined;
  return value.reduce<number>((map, bit: number) => (map | (1 << bit)) >>> 0, 0);
});

/** UTC ms of a date and time. */
export const date = readBy("a date and time with its offset as in RFC 3339, e.g. 2030-12-31T23:59:59Z", dateMs);

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** UTC ms of a TOML date or an RFC 3339 text; undefined for a local one, an impossible one, or one before 1970. */
export function dateMs(value: unknown): number | undefined {
  if (value instanceof TomlDate) {
    return value.isDateTime() && !value.isLocal() ? inRangeMs(value.getTime()) : undefined;
  }
  if (typeof value !== "string") return undefined;
  const match = RFC3339.exec(value);
  if (match === null) return undefined;
  // Date.parse makes 2 March of 30 February, so the day and time are read back without their offset.
  if (!isReal(`${match[1]}T${match[2]}`)) return undefined;
  return inRangeMs(Date.parse(value.toUpperCase()));
}

/** True for a date and time, without offset, that calendar and clock have. */
export function isReal(plain: string): boolean {
  const readBack = new Date(`${plain}Z`);
  return !Number.isNaN(readBack.getTime()) && readBack.toISOString().startsWith(plain);
}

function inRangeMs(ms: number): number | undefined {
  return inRange(ms, 0, MAX_TIME_MS) ? ms : undefined;
}

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Seconds of a duration. */
export const duration = readBy('seconds from 1, or a number with its unit: "90s", "15m", "12h", "30d"', (value) => {
  const match = typeof value === "string" ? /^([1-9]\d{0,9})([smhd])$/.exec(value) : null;
  const seconds = match === null ? value : Number(match[1]) * (secondsOf[match[2] as string] as number);
  return inRange(seconds, 1, U32_MAX) ? seconds : undefined;
});

/** Units that were granted so far, all together. */
export const units = readBy(`a number of units from 0 to ${CONSUMPTION - 1}, or "consumption"`, (value) => {
  if (value === "consumption") return CONSUMPTION;
  return inRange(value, 0, CONSUMPTION - 1) ? value : undefined;
});

const dataError = `${SECRET}data of 1 to ${MAX_DATA_BYTES} bytes: a text, or { hex = "00ff" }`;

/** Base64url of data that is given as a text or in hexadecimal. */
export const data = readBy(dataError, dataOf);

/** User data: true, or what it is until it is written. */
export const userData = readBy(`${dataError}, or true`, (value) => (value === true ? value : dataOf(value)));

function dataOf(value: unknown): string | undefined {
  const bytes = typeof value === "string" ? Buffer.from(value) : bytesOfHex(value);
  return bytes !== undefined && inRange(bytes.length, 1, MAX_DATA_BYTES) ? bytes.toString("base64url") : undefined;
}

function bytesOfHex(value: unknown): Buffer | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { hex, ...more } = value as { readonly hex?: unknown };
  const isHex = typeof hex === "string" && /^(?:[0-9A-Fa-f]{2})+$/.test(hex);
  return isHex && Object.keys(more).length === 0 ? Buffer.from(hex, "hex") : undefined;
}
