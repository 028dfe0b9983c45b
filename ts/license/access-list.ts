/**
 * The access list (licensing.md section 6): which rule decides for somebody at a license. The most specific level with
 * a rule that fits wins (product, firm, container, global); in a level the first rule that fits, and when none does its
 * Default. Where no level has one, everybody is allowed, as with an empty list.
 */
import { canonicalJson } from "../wire/canonical.js";
import {
  type AccessListDocument,
  MAX_ACCESS_LIST_BYTES,
  type Rule,
  type RuleLevel,
  readAccessList,
} from "./access-list-document.js";
import type { Party } from "./party.js";
import { contains, foldCase, parseSubnet, type Subnet } from "./subnet.js";

/** The license that somebody wants. */
export interface LicenseName {
  readonly firmCode: number;
  readonly productCode: number;
  /** `mask-serial` of the container that shows it */
  readonly container: string;
}

/** Whom a rule is asked about. */
export type Who = Pick<Party, "user" | "host" | "address">;

/** A rule with its place in the document, from 1. */
export interface NumberedRule {
  readonly number: number;
  readonly rule: Rule;
}

interface Compiled extends NumberedRule {
  readonly fits: (who: Who) => boolean;
}

const levels: readonly RuleLevel[] = ["product", "firm", "container", "global"];

export class AccessList {
  static readonly empty = new AccessList({ format: "tmr-access-list/1", groups: {}, rules: [] });

  readonly document: AccessListDocument;
  /** the document as canonical JSON; the empty list has no bytes */
  readonly bytes: Buffer;
  readonly #rules: readonly Compiled[];
  /** per license and level: its rules in their order, Default last */
  readonly #atLicense = new Map<string, readonly Compiled[]>();

  private constructor(document: AccessListDocument) {
    this.document = document;
    this.bytes = document.rules.length === 0 ? Buffer.alloc(0) : Buffer.from(canonicalJson(document));
    this.#rules = document.rules.map((rule, i) => ({ number: i + 1, rule, fits: testOf(rule, document) }));
  }

  /** The list in the bytes of a document, or every fault in it, each with its place. No bytes: the empty list. */
  static parse(bytes: Uint8Array): AccessList | readonly string[] {
    if (bytes.length === 0) return AccessList.empty;
    const document = readAccessList(bytes);
    if ("faults" in document) return document.faults;
    const list = new AccessList(document);
    // Snapshots keep the canonical form, which may be longer than what came, and read it by the same bound.
    if (list.bytes.length <= MAX_ACCESS_LIST_BYTES) return list;
    return [`the document has ${list.bytes.length} bytes in canonical form, at most ${MAX_ACCESS_LIST_BYTES} are kept`];
  }

  /** Nothing has to be asked. */
  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** The rule with a number. */
  rule(number: number): Rule | undefined {
    return this.#rules[number - 1]?.rule;
  }

  /** The rule that decides, null when nothing fits and no Default is there: allowed. */
  decide(who: Who, license: LicenseName): NumberedRule | null {
    for (const one of this.#at(license)) if (one.fits(who)) return one;
    return null;
  }

  /** The rules that reserve seats at a license. */
  reservations(license: LicenseName): readonly NumberedRule[] {
    return this.#at(license).filter(({ rule }) => (rule.reserved ?? 0) > 0);
  }

  /** What may decide at a license, in the order in which it is asked; nothing behind a Default, which fits everybody. */
  #at(license: LicenseName): readonly Compiled[] {
    const name = `${license.firmCode}:${license.productCode} ${license.container}`;
    const known = this.#atLicense.get(name);
    if (known !== undefined) return known;
    const asked: Compiled[] = [];
    for (const level of levels) {
      const set = this.#rules.filter(({ rule }) => rule.level === level && isAbout(rule, license));
      const byDefault = set.find(({ rule }) => rule.kind === "default");
      asked.push(...set.filter(({ rule }) => rule.kind !== "default"));
      if (byDefault === undefined) continue;
      asked.push(byDefault);
      break;
    }
    this.#atLicense.set(name, asked);
    return asked;
  }
}

/** True for a rule whose seats are counted: it keeps some, or allows no more than some. */
export function isCounted(rule: Rule): boolean {
  return (rule.reserved ?? 0) > 0 || (rule.limit ?? 0) > 0;
}

/** A rule as a sentence names it: `rule 3 (user anna, firm 6000010)`. */
export function ruleText({ number, rule }: NumberedRule): string {
  const { value = "" } = rule;
  const what =
    rule.kind === "default" ? "default" : `${rule.kind} ${value.length > 40 ? `${value.slice(0, 40)}…` : value}`;
  const about = [rule.firmCode, rule.productCode].filter((code) => code !== undefined).join(":") || rule.container;
  return `rule ${number} (${what}, ${rule.level}${about === undefined ? "" : ` ${about}`})`;
}

function isAbout(rule: Rule, license: LicenseName): boolean {
  return (
    (rule.firmCode === undefined || rule.firmCode === license.firmCode) &&
    (rule.productCode === undefined || rule.productCode === license.productCode) &&
    (rule.container === undefined || rule.container === license.container)
  );
}

function testOf(rule: Rule, { groups }: AccessListDocument): (who: Who) => boolean {
  const { value = "" } = rule;
  switch (rule.kind) {
    case "default":
      return () => true;
    case "host": {
      const host = foldCase(value);
      return (who) => foldCase(who.host) === host;
    }
    case "subnet": {
      // The document was read before, so every subnet in it is one.
      const subnet = parseSubnet(value) as Subnet;
      return (who) => contains(subnet, who.address);
    }
    case "user":
      return userTest([value]);
    case "group":
      return userTest(groups[value] ?? []);
  }
}

/** A name without domain fits the user in every domain. */
function userTest(users: readonly string[]): (who: Who) => boolean {
  const names = new Set(users.map(foldCase));
  return ({ user }) => {
    if (user === "") return false;
    const name = foldCase(user);
    const at = name.lastIndexOf("@");
    return names.has(name) || (at > 0 && names.has(name.slice(0, at)));
  };
}
