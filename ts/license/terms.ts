/**
 * The terms of one license item, as containers and holding statements carry them. Strict: an option that the state
 * machine does not enforce is refused, because a server that ignored it would grant what the issuer did not.
 */
import { canonicalJson } from "../wire/canonical.js";
import { faultInRelations, type TermRule, termRules } from "./term-rules.js";

/** One piece of data: up to 256 bytes as base64url. */
export interface DataPiece {
  /** 0 to 127 */
  readonly index: number;
  readonly data: string;
}

/** A piece of data that only who knows the code can read. */
export interface HiddenPiece extends DataPiece {
  readonly accessCode: number;
}

/** A child: what is accessed by this Product Code is granted by the item that the module is of, and counted there. */
export interface Module {
  readonly productCode: number;
  readonly text: string;
  readonly featureMap: number;
}

/** One license item. All integers u32 unless said otherwise; limits are in term-rules.ts. */
export interface Terms {
  readonly actId: number;
  readonly firmCode: number;
  readonly productCode: number;
  /** 0: an ordinary license, which is no part of a TMR system */
  readonly tmrId: number;
  /** of an ordinary license, and of no other */
  readonly itemRef?: number;
  readonly text: string;
  /** seats, at least 1 */
  readonly quantity: number;
  readonly featureMap: number;
  /** ms since 1970: valid from this moment on */
  readonly activationMs?: number;
  /** ms since 1970: valid up to and including this moment */
  readonly expirationMs?: number;
  readonly ownerInformation?: string;
  /** not for clients on other machines */
  readonly localOnly?: true;
  /** units that the issuer granted so far, all together; {@link CONSUMPTION}: counted, not limited */
  readonly unitCounter?: number;
  /** from the first access on */
  readonly usagePeriodSeconds?: number;
  /** ms since 1970: the release date of a program must not be before ... */
  readonly maintenanceFromMs?: number;
  /** ... nor after */
  readonly maintenanceUntilMs?: number;
  /** how long a seat stays taken after its release */
  readonly lingerSeconds?: number;
  /** of the client library: three numbers */
  readonly minimumRuntimeVersion?: string;
  /** `user` or `user@domain`; empty: the first user who accesses it */
  readonly namedUser?: string;
  /** the user may be changed once in so many seconds; left out: never */
  readonly namedUserIntervalSeconds?: number;
  /** there is user data; a text: what it is until it is written */
  readonly userData?: true | string;
  readonly protectedData?: string;
  readonly extendedProtectedData?: readonly DataPiece[];
  readonly hiddenData?: readonly HiddenPiece[];
  readonly secretData?: readonly DataPiece[];
  /** the longest borrowing */
  readonly borrowSeconds?: number;
  /** a borrowed seat may be called back */
  readonly borrowRevocable?: true;
  readonly modules?: readonly Module[];
}

const rules = new Map<string, TermRule>(Object.entries(termRules));

/** The fault in `value` as terms, or null when it is {@link Terms}. Any JSON may be given. */
export function faultInTerms(value: unknown): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "an item is not an object";
  const item = value as Record<string, unknown>;
  for (const [name, rule] of rules) {
    if (rule.required && !Object.hasOwn(item, name)) return `an item lacks ${name}`;
  }
  for (const name of Object.keys(item)) {
    const rule = rules.get(name);
    if (rule === undefined) return "an item has an option that this server does not enforce";
    if (!rule.allows(item[name])) return `an item's ${name} is out of range`;
  }
  const fault = faultInRelations(value as Terms);
  return fault === null ? null : `an item ${fault}`;
}

/** The bytes whose SHA-256 is the digest of the terms. */
export function termsBytes(terms: Terms): Buffer {
  return Buffer.from(canonicalJson(terms));
}

/** The item reference: the TMR-ID, or the `itemRef` of an ordinary license. */
export function referenceOf(terms: Pick<Terms, "tmrId" | "itemRef">): number {
  return terms.tmrId || (terms.itemRef ?? 0);
}

/** A join key as numbers. */
export type JoinKey = Pick<Terms, "firmCode" | "productCode" | "tmrId" | "itemRef" | "actId">;

/** Order of join keys (firmCode, productCode, item reference, actId): negative, zero or positive. */
export function compareKeys(a: JoinKey, b: JoinKey): number {
  return (
    a.firmCode - b.firmCode || a.productCode - b.productCode || referenceOf(a) - referenceOf(b) || a.actId - b.actId
  );
}

/**
 * The terms as a list may show them: of the data only which pieces there are. What is protected is read with a handle,
 * what is hidden with its code too, and what is secret never.
 */
export function shownTerms(terms: Partial<Terms>): Record<string, unknown> {
  const { userData, protectedData, extendedProtectedData, hiddenData, secretData, ...shown } = terms;
  return {
    ...shown,
    ...(userData === undefined ? {} : { userData: true }),
    ...(protectedData === undefined ? {} : { protectedData: true }),
    ...indexesOf("extendedProtectedData", extendedProtectedData),
    ...indexesOf("hiddenData", hiddenData),
    ...indexesOf("secretData", secretData),
  };
}

function indexesOf(name: string, pieces: readonly DataPiece[] | undefined): Record<string, unknown> {
  return pieces === undefined ? {} : { [name]: pieces.map(({ index }) => index) };
}
