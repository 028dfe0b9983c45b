/** An access list as tables, and a decision of it as sentences. */
import { type LicenseName, type NumberedRule, ruleText, type Who } from "../license/access-list.js";
import type { AccessListDocument, Rule } from "../license/access-list-document.js";
import { tableText } from "./table.js";
import { printable, styled, type Terminal } from "./terminal.js";

/** What a decision was asked for. */
export interface Asked {
  readonly who: Who;
  /** as it was given, empty: unknown */
  readonly addressText: string;
  readonly license: LicenseName;
}

/** Rules, then groups; or that there are none. */
export function aclText(terminal: Pick<Terminal, "colour">, { rules, groups }: AccessListDocument): string {
  if (rules.length === 0) return "The access list is empty: everybody may use every license.\n";
  const ruleTable = tableText(
    terminal,
    [
      { title: "RULE", align: "right" },
      { title: "LEVEL" },
      { title: "ABOUT" },
      { title: "KIND" },
      { title: "VALUE" },
      { title: "EFFECT" },
      { title: "RESERVED", align: "right" },
      { title: "LIMIT", align: "right" },
    ],
    rules.map((rule, i) => [
      String(i + 1),
      rule.level,
      aboutText(rule),
      rule.kind,
      printable(rule.value ?? "") || "-",
      styled(terminal, rule.effect === "allow" ? "green" : "red", rule.effect),
      countText(rule.reserved),
      countText(rule.limit),
    ]),
  );
  const named = Object.entries(groups);
  if (named.length === 0) return ruleTable;
  const groupTable = tableText(
    terminal,
    [{ title: "GROUP" }, { title: "USERS" }],
    named.map(([name, users]) => [printable(name), users.map(printable).join(" ") || "-"]),
  );
  return `${ruleTable}\n${groupTable}`;
}

function aboutText({ firmCode, productCode, container }: Rule): string {
  const codes = [firmCode, productCode].filter((code) => code !== undefined).join(":");
  return codes === "" ? (container ?? "-") : codes;
}

/** 0 stands for none, and is told apart from a number at a glance. */
function countText(count: number | undefined): string {
  return count === undefined || count === 0 ? "-" : String(count);
}

/** For programs: the rule that decides with its number, null when none does. */
export function decisionJson(decided: NumberedRule | null): unknown {
  const allowed = decided?.rule.effect !== "deny";
  return { allowed, rule: decided === null ? null : { number: decided.number, ...decided.rule } };
}

/** Who asks for what, which rule decides, and why that one. */
export function decisionText(asked: Asked, decided: NumberedRule | null): string {
  const { who, addressText, license } = asked;
  const named = [
    ["user", who.user],
    ["host", who.host],
    ["address", addressText],
  ] as const;
  const person = named.filter(([, value]) => value !== "").map(([name, value]) => `${name} ${printable(value)}`);
  const where = license.container === "" ? "" : ` in container ${printable(license.container)}`;
  const subject = `${person.join(", ") || "somebody unknown"}, license ${license.firmCode}:${license.productCode}${where}`;
  return `${subject}: ${decided === null ? noRuleText : reasonText(decided)}\n`;
}

const noRuleText = "allowed, because no rule fits and no level has a default.";

function reasonText(decided: NumberedRule): string {
  const { rule } = decided;
  const verdict = rule.effect === "allow" ? "allowed" : "refused (access-list)";
  const why =
    rule.kind === "default"
      ? `nothing else fits at level ${rule.level} or above, and this is its default`
      : `it is the first that fits at level ${rule.level}, and nothing more specific does`;
  const seats = [
    ...((rule.reserved ?? 0) > 0
      ? [`${String(rule.reserved)} seats of each license are kept for whom it decides`]
      : []),
    ...((rule.limit ?? 0) > 0 ? [`they may take ${String(rule.limit)} together`] : []),
  ];
  return `${verdict} by ${printable(ruleText(decided))}: ${why}.${seats.length === 0 ? "" : ` ${capital(seats.join("; "))}.`}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
