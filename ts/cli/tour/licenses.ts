/** What the firm of the tour sells: for each rule a product of its own, so that none plays into another. */
import { FIRM_CODE } from "../demo/licenses.js";
import type { PlantPlan } from "../demo/plant.js";

/** Product Codes, by what they are there for. */
export const Product = {
  seats: 1,
  features: 2,
  later: 3,
  over: 4,
  units: 5,
  counted: 6,
  emergency: 7,
  maintained: 8,
  modern: 9,
  published: 10,
  twoItems: 11,
  listed: 50,
  station: 51,
  lingering: 52,
  local: 53,
  spent: 54,
  kept: 12,
  unequal: 13,
  lonely: 14,
  three: 15,
  named: 20,
  data: 21,
  suite: 22,
  /** a module of {@link Product.suite} */
  module: 23,
  passedOn: 24,
  lent: 30,
  revocable: 31,
  tracked: 60,
} as const;

/** Quantity of {@link Product.unequal}: two copies say this, the third more. */
export const UNEQUAL_QUANTITY = 20;

interface Wanted {
  readonly id: keyof typeof Product | `${keyof typeof Product}-${number}`;
  readonly quantity?: number;
  readonly options?: string;
}

const wanted: readonly Wanted[] = [
  { id: "seats", quantity: 3 },
  { id: "features", quantity: 5, options: "featureMap = [0, 3]" },
  { id: "later", options: "activation = 2098-01-01T00:00:00Z" },
  { id: "over", options: "expiration = 2024-12-31T23:59:59Z" },
  { id: "units", options: "unitCounter = 10" },
  { id: "counted", options: 'unitCounter = "consumption"' },
  { id: "emergency", options: 'usagePeriod = "1s"' },
  { id: "maintained", options: "maintenanceFrom = 2025-01-01T00:00:00Z\nmaintenanceUntil = 2025-12-31T23:59:59Z" },
  { id: "modern", options: 'minimumRuntimeVersion = "999.0.0"' },
  { id: "named", quantity: 9, options: 'namedUser = ""' },
  { id: "passedOn", quantity: 9, options: 'namedUser = "anna"\nnamedUserInterval = "30d"' },
  {
    id: "data",
    options:
      'userData = true\nprotectedData = "plain"\n' +
      'hiddenData = [{ index = 0, data = "hidden", accessCode = 4711 }]\n' +
      'secretData = [{ index = 0, data = "secret" }]',
  },
  { id: "suite", quantity: 2, options: 'module = [{ productCode = 23, text = "Export" }]' },
  { id: "published", quantity: 20 },
  { id: "twoItems-1", options: "expiration = 2024-12-31T23:59:59Z" },
  { id: "twoItems-2" },
  { id: "kept" },
  { id: "listed", quantity: 3 },
  { id: "station", quantity: 2 },
  { id: "lingering", options: 'lingerTime = "2s"' },
  { id: "local", options: "localOnly = true" },
  { id: "spent", options: "unitCounter = 1000" },
  { id: "lent", options: 'borrowTime = "7d"' },
  { id: "revocable", options: 'borrowTime = "7d"\nborrowRevocable = true' },
  { id: "tracked", quantity: 2, options: 'borrowTime = "1d"' },
  { id: "unequal", quantity: UNEQUAL_QUANTITY },
  { id: "lonely" },
  { id: "three" },
];

/** Their description. */
export const licensesToml = wanted
  .map(({ id, quantity = 1, options = "" }) => {
    const name = id.split("-")[0] as keyof typeof Product;
    return `[[license]]\nid = "${id}"\nproductCode = ${Product[name]}\ntext = "${id}"\nquantity = ${quantity}\n${options}\n`;
  })
  .join("\n");

/** Three copies of each license, but for those that are there to be unequal. */
export const tourPlan: PlantPlan = {
  licenses: licensesToml,
  session: { timeoutMs: 30_000, minTimeoutMs: 1_000 },
  copy: (terms, upstream) => {
    if (terms.productCode === Product.lonely && upstream !== 1) return null;
    if (terms.productCode === Product.unequal && upstream === 3) return { ...terms, quantity: 25 };
    return terms.productCode === Product.three ? { ...terms, quantity: upstream } : terms;
  },
};

/** As licenses are named in what a person reads. */
export function licenseName(product: number): string {
  return `${FIRM_CODE}:${product}`;
}
