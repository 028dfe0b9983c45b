/** What the firm of the tour sells: for each rule a product of its own, so that none plays into another. */
import { FIRM_CODE } from "../demo/licenses.js";
import type { PlantPlan } from "../demo/plant.js";

/** Product Codes, by what they are there for. */
export const Product = {
  seats: 1,
  features: 2,
  later: 3,
  over: 4,
  published: 10,
  twoItems: 11,
  lingering: 52,
  local: 53,
  spent: 54,
  kept: 12,
  unequal: 13,
  lonely: 14,
  three: 15,
  listed: 16,
  station: 17,
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
  { id: "published", quantity: 20 },
  { id: "twoItems-1", options: "expiration = 2024-12-31T23:59:59Z" },
  { id: "twoItems-2" },
  { id: "kept" },
  { id: "lingering", options: 'lingerTime = "2s"' },
  { id: "local", options: "localOnly = true" },
  { id: "spent", options: "unitCounter = 1000" },
  { id: "unequal", quantity: UNEQUAL_QUANTITY },
  { id: "lonely" },
  { id: "three" },
  { id: "listed", quantity: 3 },
  { id: "station", quantity: 2 },
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
