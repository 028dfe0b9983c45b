/** licenses.toml: what a firm wants to license, as a person describes it. */
import { TomlDate } from "smol-toml";
import { z } from "zod";
import { checkDocument, valueAt } from "../config/document.js";
import { Faults } from "../config/faults.js";
import { line, table, U32_MAX } from "../config/fields.js";
import { parseToml, readText } from "../config/toml-file.js";
import { MAX_DATE_MS, optionsNotYet, termFields } from "../container/terms.js";

/** One `[[license]]`, checked. `id` is the firm's own name for it: by it, a later issue knows the license again. */
export interface LicenseDescription {
  readonly id: string;
  readonly productCode: number;
  readonly text: string;
  readonly quantity: number;
  readonly featureMap: number;
  /** UTC ms since 1970 */
  readonly activationMs?: number;
  /** UTC ms since 1970 */
  readonly expirationMs?: number;
  readonly ownerInformation?: string;
}

const featureError = `a number from 0 to ${U32_MAX} or a list of bits from 0 to 31`;
const featureMap = z.unknown().transform((value, context) => {
  const map = featureMapOf(value);
  if (map !== undefined) return map;
  context.addIssue({ code: "custom", message: featureError });
  return z.NEVER;
});

function featureMapOf(value: unknown): number | undefined {
  const inRange = (n: unknown, max: number): n is number =>
    Number.isInteger(n) && (n as number) >= 0 && (n as number) <= max;
  if (inRange(value, U32_MAX)) return value;
  if (!Array.isArray(value) || !value.every((bit) => inRange(bit, 31))) return undefined;
  return value.reduce<number>((map, bit: number) => (map | (1 << bit)) >>> 0, 0);
}

const dateError = "a date and time with its offset as in RFC 3339, e.g. 2030-12-31T23:59:59Z";
const date = z.unknown().transform((value, context) => {
  const ms = dateMs(value);
  if (ms !== undefined) return ms;
  context.addIssue({ code: "custom", message: dateError });
  return z.NEVER;
});

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** UTC ms of a TOML date or an RFC 3339 text; undefined for a local one, an impossible one, or one before 1970. */
function dateMs(value: unknown): number | undefined {
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
function isReal(plain: string): boolean {
  const readBack = new Date(`${plain}Z`);
  return !Number.isNaN(readBack.getTime()) && readBack.toISOString().startsWith(plain);
}

function inRangeMs(ms: number): number | undefined {
  return ms >= 0 && ms <= MAX_DATE_MS ? ms : undefined;
}

const licenseSchema = table({
  id: line(64),
  productCode: termFields.productCode,
  text: termFields.text.default(""),
  quantity: termFields.quantity.default(1),
  featureMap: featureMap.default(0),
  activation: date.optional(),
  expiration: date.optional(),
  ownerInformation: termFields.ownerInformation.optional(),
});

const listError = "at least one [[license]] table";
const schema = table({ license: z.array(licenseSchema, { error: listError }).min(1, { error: listError }) });

/** Reads a description. Throws ERR_TMR_LICENSE_DESCRIPTION with every fault, ERR_TMR_FILE when it cannot be read. */
export function loadDescription(file: string): LicenseDescription[] {
  const faults = new Faults();
  const text = readText(file);
  const raw = parseToml(text, file, faults);
  const parsed = raw === undefined ? undefined : checkDocument(schema, raw, file, faults, optionsNotYet);
  checkRelations(raw, file, faults);
  checkCalendar(text, file, faults);
  faults.throwIfAny("ERR_TMR_LICENSE_DESCRIPTION");
  return (parsed as z.output<typeof schema>).license.map((license) => {
    const { activation, expiration, ownerInformation, ...rest } = license;
    return Object.freeze({
      ...rest,
      ...(activation === undefined ? {} : { activationMs: activation }),
      ...(expiration === undefined ? {} : { expirationMs: expiration }),
      ...(ownerInformation === undefined ? {} : { ownerInformation }),
    });
  });
}

// Works on the raw document, so that these faults are found together with those of the schema.
function checkRelations(raw: unknown, file: string, faults: Faults): void {
  const licenses = valueAt(raw, ["license"]);
  if (!Array.isArray(licenses)) return;
  const seen = new Map<unknown, number>();
  licenses.forEach((license: unknown, i) => {
    const id = valueAt(license, ["id"]);
    const first = seen.get(id);
    if (id !== undefined && first !== undefined) {
      faults.add(file, `license[${i}].id`, "an id of its own", `the same as license[${first}].id`);
    }
    seen.set(id, first ?? i);
    const from = dateMs(valueAt(license, ["activation"]));
    const until = dateMs(valueAt(license, ["expiration"]));
    if (from !== undefined && until !== undefined && from >= until) {
      const key = `license[${i}].expiration`;
      faults.add(
        file,
        key,
        `later than its activation, ${new Date(from).toISOString()}`,
        new Date(until).toISOString(),
      );
    }
  });
}

/** The TOML library, too, makes 2 March of an unquoted 30 February; only the text shows it. */
function checkCalendar(text: string, file: string, faults: Faults): void {
  text.split("\n").forEach((content, i) => {
    const day = /^[^#"']*\b(?:activation|expiration)\s*=\s*(\d{4}-\d\d-\d\d)/.exec(content)?.[1];
    if (day !== undefined && !isReal(`${day}T00:00:00`)) {
      faults.add(file, `line ${i + 1}`, "a day that the calendar has", day);
    }
  });
}
