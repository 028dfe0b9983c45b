/** licenses.toml: what a firm wants to license, as a person describes it. */
import { z } from "zod";
import { checkDocument, valueAt } from "../config/document.js";
import { Faults } from "../config/faults.js";
import { integer, line, table, U32_MAX } from "../config/fields.js";
import { parseToml, readText } from "../config/toml-file.js";
import { type Terms, term } from "../container/terms.js";
import { faultInRelations, MAX_ENTRIES, type TermName, termRules } from "../license/term-rules.js";
import { data, date, dateMs, duration, featureMap, isReal, units, userData } from "./human-units.js";

/**
 * One `[[license]]`, checked: the terms of an item but for the numbers that Central gives. `id` is the firm's own name
 * for it: by it, a later issue knows the license again.
 */
export type LicenseDescription = Omit<Terms, "actId" | "firmCode" | "tmrId" | "itemRef"> & { readonly id: string };

const flag = z.boolean({ error: "true or false" }).transform((is) => (is ? (true as const) : undefined));
const index = integer(0, MAX_ENTRIES - 1);
const pieceList = z.array(table({ index, data }), { error: "a list of tables with index and data" });

const licenseSchema = table({
  id: line(64),
  productCode: term("productCode"),
  text: term("text").default(""),
  quantity: term("quantity").default(1),
  featureMap: featureMap.default(0),
  activation: date.optional(),
  expiration: date.optional(),
  ownerInformation: term("ownerInformation").optional(),
  localOnly: flag.optional(),
  unitCounter: units.optional(),
  usagePeriod: duration.optional(),
  maintenanceFrom: date.optional(),
  maintenanceUntil: date.optional(),
  lingerTime: duration.optional(),
  minimumRuntimeVersion: term("minimumRuntimeVersion").optional(),
  namedUser: term("namedUser").optional(),
  namedUserInterval: duration.optional(),
  userData: userData.optional(),
  protectedData: data.optional(),
  extendedProtectedData: pieceList.optional(),
  hiddenData: z
    .array(table({ index, data, accessCode: integer(0, U32_MAX) }), {
      error: "a list of tables with index, data and accessCode",
    })
    .optional(),
  secretData: pieceList.optional(),
  borrowTime: duration.optional(),
  borrowRevocable: flag.optional(),
  module: z
    .array(
      table({
        productCode: integer(0, U32_MAX),
        text: line(64, 0).default(""),
        featureMap: featureMap.default(0),
      }),
      { error: "a list of tables [[license.module]]" },
    )
    .optional(),
});

const listError = "at least one [[license]] table";
const schema = table({ license: z.array(licenseSchema, { error: listError }).min(1, { error: listError }) });

/** Names of options here whose terms have other names, because there they have a fixed unit. */
const termNames = {
  activation: "activationMs",
  expiration: "expirationMs",
  usagePeriod: "usagePeriodSeconds",
  maintenanceFrom: "maintenanceFromMs",
  maintenanceUntil: "maintenanceUntilMs",
  lingerTime: "lingerSeconds",
  namedUserInterval: "namedUserIntervalSeconds",
  borrowTime: "borrowSeconds",
  module: "modules",
} as const satisfies Readonly<Record<string, TermName>>;

/** Reads a description. Throws ERR_TMR_LICENSE_DESCRIPTION with every fault, ERR_TMR_FILE when it cannot be read. */
export function loadDescription(file: string): LicenseDescription[] {
  const faults = new Faults();
  const text = readText(file);
  const raw = parseToml(text, file, faults);
  const parsed = raw === undefined ? undefined : checkDocument(schema, raw, file, faults);
  checkRelations(raw, file, faults);
  checkCalendar(text, file, faults);
  const licenses = parsed?.license.map((license, i) => describedBy(license, `license[${i}]`, file, faults)) ?? [];
  faults.throwIfAny("ERR_TMR_LICENSE_DESCRIPTION");
  return licenses;
}

function describedBy(
  license: z.output<typeof licenseSchema>,
  place: string,
  file: string,
  faults: Faults,
): LicenseDescription {
  const given = Object.entries(license).filter(([, value]) => value !== undefined);
  const described = given.map(
    ([name, value]) => [termOf(name), Array.isArray(value) ? ordered(value) : value] as const,
  );
  for (const [i, [name, value]] of described.entries()) {
    if (name === "id" || termRules[name as TermName].allows(value)) continue;
    faults.add(file, `${place}.${given[i]?.[0]}`, termRules[name as TermName].expected, "something else");
  }
  const terms = Object.fromEntries(described) as unknown as LicenseDescription;
  const fault = faultInRelations({ ...terms, tmrId: 1 });
  if (fault !== null) faults.add(file, place, "terms that fit together", `a license that ${fault}`);
  return Object.freeze(terms);
}

function termOf(name: string): string {
  return Object.hasOwn(termNames, name) ? termNames[name as keyof typeof termNames] : name;
}

/** A person may write a list in any order; the terms have one. */
function ordered(list: readonly object[]): object[] {
  const key = (entry: object): number => ("index" in entry ? entry.index : (entry as Module).productCode) as number;
  return list.toSorted((a, b) => key(a) - key(b));
}

type Module = NonNullable<Terms["modules"]>[number];

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
  const assigned = /^[^#"']*\b(?:activation|expiration|maintenanceFrom|maintenanceUntil)\s*=\s*(\d{4}-\d\d-\d\d)/;
  text.split("\n").forEach((content, i) => {
    const day = assigned.exec(content)?.[1];
    if (day !== undefined && !isReal(`${day}T00:00:00`)) {
      faults.add(file, `line ${i + 1}`, "a day that the calendar has", day);
    }
  });
}
