/** The terms of one license item as a container has them: the rules of ts/license, with messages for people. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { SECRET } from "../config/document.js";
import { integer, table, U32_MAX, UNIVERSAL_FIRM_CODE_MIN } from "../config/fields.js";
import { type TermName, type TermRule, termRules } from "../license/term-rules.js";
import { compareKeys, type Terms, termsBytes } from "../license/terms.js";

export { compareKeys as compareTerms, type Terms };

/** Terms whose value is never shown in a message. */
const data: ReadonlySet<TermName> = new Set([
  "userData",
  "protectedData",
  "extendedProtectedData",
  "hiddenData",
  "secretData",
]);

/** A term by its rule. */
export function term(name: TermName) {
  const rule: TermRule = termRules[name];
  return z.unknown().refine(rule.allows, { error: `${data.has(name) ? SECRET : ""}${rule.expected}` });
}

function optionalOrNot(name: TermName) {
  return termRules[name].required ? term(name) : term(name).optional();
}

const names = Object.keys(termRules) as TermName[];

/** Strict: an unknown option is a fault. */
export const termsSchema = table({
  ...Object.fromEntries(names.map((name) => [name, optionalOrNot(name)])),
  // An activation container holds licenses of Universal Firm Codes alone.
  firmCode: integer(UNIVERSAL_FIRM_CODE_MIN, U32_MAX),
});

/** Terms as the schema gives them: absent options are left out rather than undefined. */
export function termsOf(parsed: z.output<typeof termsSchema>): Terms {
  return Object.fromEntries(Object.entries(parsed).filter(([, value]) => value !== undefined)) as unknown as Terms;
}

/** SHA-256 over the canonical JSON of the terms, 32 bytes: equal licenses have equal digests. */
export function termsDigest(terms: Terms): Buffer {
  return createHash("sha256").update(termsBytes(terms)).digest();
}

/** An item as messages name it. */
export function itemName(terms: Pick<Terms, "firmCode" | "productCode" | "tmrId" | "itemRef">): string {
  const reference = terms.tmrId === 0 ? `item reference ${terms.itemRef}` : `TMR-ID ${terms.tmrId}`;
  return `${terms.firmCode}:${terms.productCode} (${reference})`;
}
