/**
 * The limits of every term of a license (licensing.md section 3), written once: for the issuer, for whoever reads a
 * container, and for the state machine. Each rule says in words what belongs there.
 */
import { isPlainLine } from "../wire/text.js";

const U32_MAX = 0xffff_ffff;

/** Bytes, UTF-8, of `text` and `ownerInformation`. */
export const MAX_TEXT_BYTES = 256;
/** Bytes, UTF-8, of a user's name: what a session's name can hold. */
export const MAX_USER_BYTES = 255;
/** Bytes, UTF-8, of a module's text. */
export const MAX_MODULE_TEXT_BYTES = 64;
/** Bytes of one piece of data, and of the user data. */
export const MAX_DATA_BYTES = 256;
/** Pieces of data of one sort, and modules, of one item. */
export const MAX_ENTRIES = 128;
/** Last millisecond of the year 9999: later times cannot be shown. */
export const MAX_TIME_MS = 253_402_300_799_999;
/** A `unitCounter` of this value counts what is consumed instead of what is left. */
export const CONSUMPTION = U32_MAX;

/** What one term may be. */
export interface TermRule {
  readonly required: boolean;
  /** for a message: "expected ..." */
  readonly expected: string;
  readonly allows: (value: unknown) => boolean;
}

function integer(min: number, max: number): TermRule {
  const allows = (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
  return { required: false, expected: `an integer from ${min} to ${max}`, allows };
}

function line(maxBytes: number): TermRule {
  const allows = (value: unknown): boolean =>
    typeof value === "string" && isPlainLine(value) && Buffer.byteLength(value) <= maxBytes;
  return { required: false, expected: `text of at most ${maxBytes} bytes without control characters`, allows };
}

const yes: TermRule = { required: false, expected: "true, or left out", allows: (value) => value === true };
const bytes: TermRule = {
  required: false,
  expected: `1 to ${MAX_DATA_BYTES} bytes as base64url`,
  allows: (value) => {
    if (typeof value !== "string" || value.length === 0 || value.length > 2 * MAX_DATA_BYTES) return false;
    const decoded = Buffer.from(value, "base64url");
    // One spelling only, so that equal data are equal terms.
    return decoded.length <= MAX_DATA_BYTES && decoded.toString("base64url") === value;
  },
};
const version: TermRule = {
  required: false,
  expected: "a version as three numbers, e.g. 2.10.0",
  allows: (value) => typeof value === "string" && /^(?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){2}$/.test(value),
};

/** A list of tables with exactly these members, strictly ascending by the first one. */
function list(what: string, members: Readonly<Record<string, TermRule>>): TermRule {
  const names = Object.keys(members);
  const [key] = names as [string];
  const isEntry = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" &&
    value !== null &&
    Object.keys(value).length === names.length &&
    Object.entries(members).every(
      ([name, rule]) => Object.hasOwn(value, name) && rule.allows((value as Record<string, unknown>)[name]),
    );
  const allows = (value: unknown): boolean => {
    if (!Array.isArray(value) || value.length === 0 || value.length > MAX_ENTRIES || !value.every(isEntry))
      return false;
    const entries: readonly Record<string, unknown>[] = value;
    return entries.every((entry, i) => i === 0 || (entries[i - 1]?.[key] as number) < (entry[key] as number));
  };
  const parts = names.map((name) => `${name} (${members[name]?.expected})`).join(", ");
  return { required: false, expected: `1 to ${MAX_ENTRIES} ${what} in ascending order, each ${parts}`, allows };
}

const required = (rule: TermRule): TermRule => ({ ...rule, required: true });
const index = integer(0, MAX_ENTRIES - 1);
const seconds = integer(1, U32_MAX);
const time = integer(0, MAX_TIME_MS);
const u32 = integer(0, U32_MAX);

/** Every term that there is, by its name in canonical JSON. */
export const termRules = {
  actId: required(u32),
  firmCode: required(u32),
  productCode: required(u32),
  tmrId: required(u32),
  text: required(line(MAX_TEXT_BYTES)),
  quantity: required(integer(1, U32_MAX)),
  featureMap: required(u32),
  itemRef: integer(1, U32_MAX),
  activationMs: time,
  expirationMs: time,
  ownerInformation: line(MAX_TEXT_BYTES),
  localOnly: yes,
  unitCounter: u32,
  usagePeriodSeconds: seconds,
  maintenanceFromMs: time,
  maintenanceUntilMs: time,
  lingerSeconds: seconds,
  minimumRuntimeVersion: version,
  namedUser: line(MAX_USER_BYTES),
  namedUserIntervalSeconds: seconds,
  userData: {
    required: false,
    expected: `true, or what it is at first: ${bytes.expected}`,
    allows: (value) => value === true || bytes.allows(value),
  },
  protectedData: bytes,
  extendedProtectedData: list("pieces of data", { index, data: bytes }),
  hiddenData: list("pieces of data", { index, data: bytes, accessCode: u32 }),
  secretData: list("pieces of data", { index, data: bytes }),
  borrowSeconds: seconds,
  borrowRevocable: yes,
  modules: list("modules", { productCode: u32, text: line(MAX_MODULE_TEXT_BYTES), featureMap: u32 }),
} as const satisfies Readonly<Record<string, TermRule>>;

/** The name of a term. */
export type TermName = keyof typeof termRules;

/** The terms as far as {@link faultInRelations} looks at them; each was found to be allowed by itself. */
type Related = Readonly<Partial<Record<TermName, unknown>>> & {
  readonly productCode: number;
  readonly tmrId: number;
  readonly modules?: readonly { readonly productCode: number }[];
};

/** What is wrong between terms that are each allowed by themselves, in words that go behind "an item", or null. */
export function faultInRelations(terms: Related): string | null {
  const later = (from: TermName, until: TermName): boolean => (terms[from] as number) > (terms[until] as number);
  if (terms.tmrId === 0 && terms.itemRef === undefined) return "without a TMR-ID needs an itemRef";
  if (terms.tmrId !== 0 && terms.itemRef !== undefined) return "has a TMR-ID and an itemRef";
  if (later("activationMs", "expirationMs")) return "expires before it is activated";
  if ((terms.maintenanceFromMs === undefined) !== (terms.maintenanceUntilMs === undefined)) {
    return "has one end of a maintenance period without the other";
  }
  if (later("maintenanceFromMs", "maintenanceUntilMs")) return "has a maintenance period that ends before it begins";
  if (terms.namedUserIntervalSeconds !== undefined && terms.namedUser === undefined) {
    return "has a namedUserIntervalSeconds without a namedUser";
  }
  if (terms.borrowRevocable !== undefined && terms.borrowSeconds === undefined) {
    return "has borrowRevocable without borrowSeconds";
  }
  if (terms.modules?.some(({ productCode }) => productCode === terms.productCode) === true) {
    return "has a module with its own Product Code";
  }
  return null;
}
