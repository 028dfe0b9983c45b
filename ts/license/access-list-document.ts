/**
 * The document of an access list: read whole, and refused whole with the place of every fault in it. Nothing in it is
 * ignored: a member that this server does not know could be one that forbids.
 */
import { parseContainerNumber } from "./genesis.js";
import { parseSubnet } from "./subnet.js";

/** The largest document, in bytes. */
export const MAX_ACCESS_LIST_BYTES = 262_144;
const FORMAT = "tmr-access-list/1";
const MAX_NAME_BYTES = 255;

export type RuleLevel = "global" | "container" | "firm" | "product";
export type RuleKind = "host" | "subnet" | "user" | "group" | "default";

/** One rule. */
export interface Rule {
  readonly level: RuleLevel;
  /** of levels firm and product */
  readonly firmCode?: number;
  /** of level product */
  readonly productCode?: number;
  /** of level container: `mask-serial`; every container of the server without it */
  readonly container?: string;
  readonly kind: RuleKind;
  /** host name, subnet like 10.1.0.0/16, user, or group; none or empty with default */
  readonly value?: string;
  readonly effect: "allow" | "deny";
  /** seats of each license that count as taken for everybody whom another rule decides about */
  readonly reserved?: number;
  /** seats of each license that all whom this rule decides about may take together, 0 = any number */
  readonly limit?: number;
}

/** The whole list. */
export interface AccessListDocument {
  readonly format: typeof FORMAT;
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly rules: readonly Rule[];
}

type Json = Readonly<Record<string, unknown>>;

const codesOf: Readonly<Record<RuleLevel, readonly string[]>> = {
  global: [],
  container: [],
  firm: ["firmCode"],
  product: ["firmCode", "productCode"],
};
const kinds: readonly unknown[] = ["host", "subnet", "user", "group", "default"];
const optional = ["reserved", "limit"];

/** Reads a document; every fault names its place. */
export function readAccessList(bytes: Uint8Array): AccessListDocument | { readonly faults: readonly string[] } {
  if (bytes.length > MAX_ACCESS_LIST_BYTES) {
    return { faults: [`the document has ${bytes.length} bytes, at most ${MAX_ACCESS_LIST_BYTES} are read`] };
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return { faults: ["the document is not JSON in UTF-8"] };
  }
  if (!isObject(value)) return { faults: ["the document is not an object"] };
  const faults: string[] = [];
  for (const name of Object.keys(value)) {
    if (!["format", "groups", "rules"].includes(name)) faults.push(`${shown(name)}: not a member of an access list`);
  }
  if (value["format"] !== FORMAT) faults.push(`format: expected "${FORMAT}"`);
  const groups = value["groups"] ?? {};
  const groupNames = isObject(groups) ? Object.keys(groups) : [];
  if (isObject(groups)) faults.push(...faultsInGroups(groups));
  else faults.push("groups: expected an object");
  const { rules } = value as { readonly rules?: unknown };
  if (Array.isArray(rules)) faults.push(...faultsInRules(rules, groupNames));
  else faults.push("rules: expected a list");
  if (faults.length > 0) return { faults };
  return { format: FORMAT, groups: groups as AccessListDocument["groups"], rules: rules as readonly Rule[] };
}

function faultsInGroups(groups: Json): string[] {
  const faults: string[] = [];
  for (const [name, users] of Object.entries(groups)) {
    const place = `groups.${shown(name)}`;
    if (!isName(name)) faults.push(`${place}: a group's name has 1 to ${MAX_NAME_BYTES} bytes`);
    if (!Array.isArray(users)) faults.push(`${place}: expected a list of users`);
    else {
      users.forEach((user: unknown, i) => {
        if (!isName(user)) faults.push(`${place}[${i}]: a user's name has 1 to ${MAX_NAME_BYTES} bytes`);
      });
    }
  }
  return faults;
}

function faultsInRules(rules: readonly unknown[], groupNames: readonly string[]): string[] {
  const faults: string[] = [];
  const placeOf = new Map<string, number>();
  rules.forEach((rule, i) => {
    const place = `rules[${i}]`;
    if (!isObject(rule)) {
      faults.push(`${place}: expected an object`);
      return;
    }
    const own = faultsInRule(rule, groupNames);
    faults.push(...own.map((fault) => `${place}.${fault}`));
    if (own.length > 0) return;
    const { level, firmCode, productCode, container, kind, value } = rule;
    const name = JSON.stringify([level, firmCode, productCode, container, kind, value]);
    const before = placeOf.get(name);
    if (before === undefined) placeOf.set(name, i);
    else faults.push(`${place}: never decides, rules[${before}] is about the same`);
  });
  return faults;
}

/** Each begins with the name of a member. */
function faultsInRule(rule: Json, groupNames: readonly string[]): string[] {
  const { level, kind, value, effect, reserved = 0, limit = 0 } = rule;
  if (typeof level !== "string" || !Object.hasOwn(codesOf, level)) {
    return ["level: expected global, container, firm or product"];
  }
  const faults: string[] = [];
  const codes = codesOf[level as RuleLevel];
  for (const code of codes) if (!isU32(rule[code])) faults.push(`${code}: a rule of level ${level} needs a u32`);
  const known = [
    "level",
    "kind",
    "value",
    "effect",
    ...codes,
    ...optional,
    ...(level === "container" ? ["container"] : []),
  ];
  for (const name of Object.keys(rule)) {
    if (!known.includes(name)) faults.push(`${shown(name)}: not a member of a rule of level ${level}`);
  }
  const { container } = rule;
  if (container !== undefined && (typeof container !== "string" || parseContainerNumber(container) === null)) {
    faults.push("container: expected mask-serial");
  }
  if (!kinds.includes(kind)) faults.push("kind: expected host, subnet, user, group or default");
  else faults.push(...faultsInValue(kind as RuleKind, value, groupNames));
  if (effect !== "allow" && effect !== "deny") faults.push("effect: expected allow or deny");
  for (const name of optional) {
    const count = rule[name];
    if (count === undefined) continue;
    if (!isU32(count)) faults.push(`${name}: expected a u32`);
    else if (effect === "deny" && count !== 0) faults.push(`${name}: a rule that denies counts no seats`);
  }
  if (isU32(reserved) && isU32(limit) && limit !== 0 && reserved > limit) {
    faults.push(`reserved: ${reserved} seats are kept, ${limit} may be taken`);
  }
  return faults;
}

function faultsInValue(kind: RuleKind, value: unknown, groupNames: readonly string[]): string[] {
  if (kind === "default") return value === undefined || value === "" ? [] : ["value: a default has none"];
  if (!isName(value)) return [`value: expected a ${kind} of 1 to ${MAX_NAME_BYTES} bytes`];
  if (kind === "subnet" && parseSubnet(value) === null)
    return [`value: ${shown(value)} is not a subnet like 10.1.0.0/16`];
  if (kind === "group" && !groupNames.includes(value)) return [`value: there is no group ${shown(value)}`];
  return [];
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A lone surrogate has no UTF-8, so such a name could not be compared with one that a client sends. */
function isName(value: unknown): value is string {
  if (typeof value !== "string" || value.length === 0) return false;
  const bytes = Buffer.from(value);
  return bytes.length <= MAX_NAME_BYTES && bytes.toString() === value;
}

function isU32(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff;
}

/** A name from the document, short enough for a line. */
function shown(name: string): string {
  return name.length > 40 ? `${name.slice(0, 40)}…` : name;
}
