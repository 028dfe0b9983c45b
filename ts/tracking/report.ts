/** How licenses were used, from tracking files: per Firm Code, product and period the most in use, and what was refused. */
import type { Entry } from "./read-series.js";

/** A period is told by the beginning of its time in UTC. */
export const periods = { month: 7, day: 10, hour: 13, all: 0 } as const;
export type Period = keyof typeof periods;

/** One product of a firm in one period. */
export interface UsageRow {
  /** `2026-11`, `2026-11-24` or `2026-11-24T12`; "" for all time */
  readonly period: string;
  readonly firm: number;
  readonly product: number;
  /** licenses there were, at most */
  readonly total: number;
  /** licenses in use, at most */
  readonly maximum: number;
  /** licenses that were never needed */
  readonly unused: number;
  readonly accesses: number;
  readonly refusals: number;
  /** refusals per status */
  readonly reasons: Readonly<Record<string, number>>;
}

interface Counted {
  readonly period: string;
  readonly firm: number;
  readonly product: number;
  total: number;
  maximum: number;
  accesses: number;
  readonly reasons: Map<string, number>;
}

interface Product {
  readonly firm: number;
  readonly product: number;
  /** per container and item reference */
  readonly used: Map<string, number>;
  readonly total: Map<string, number>;
  now: Counted | null;
}

export interface ReportFilter {
  readonly firm?: number | undefined;
  readonly product?: number | undefined;
}

/** Takes events in the order of their numbers, per Firm Code. */
export class UsageReport {
  readonly #length: number;
  readonly #filter: ReportFilter;
  readonly #products = new Map<string, Product>();
  readonly #counted: Counted[] = [];

  constructor(period: Period, filter: ReportFilter = {}) {
    this.#length = periods[period];
    this.#filter = filter;
  }

  add({ firm, members }: Entry): void {
    const { event, time, product, item, used, total, status } = members;
    const code = typeof members["firm"] === "number" ? members["firm"] : firm;
    // A return that is refused leaves its license where it is: nobody went without one.
    if (event === "refusal" && members["request"] === "return") return;
    if (typeof product !== "number" || typeof time !== "string" || typeof event !== "string") return;
    if ((this.#filter.firm ?? code) !== code || (this.#filter.product ?? product) !== product) return;
    const of = this.#productOf(code, product);
    const counted = this.#countedAt(of, time.slice(0, this.#length));
    if (typeof item === "number" && typeof used === "number" && typeof total === "number") {
      const { container } = members;
      const license = `${typeof container === "string" ? container : ""} ${item}`;
      of.used.set(license, used);
      of.total.set(license, total);
      counted.maximum = Math.max(counted.maximum, sum(of.used));
      counted.total = Math.max(counted.total, sum(of.total));
    }
    if (event === "access" || event === "borrow") counted.accesses += 1;
    if (event === "refusal") {
      const reason = typeof status === "string" ? status : "unknown";
      counted.reasons.set(reason, (counted.reasons.get(reason) ?? 0) + 1);
    }
  }

  /** By period, then Firm Code and product. */
  rows(): UsageRow[] {
    const rows = this.#counted.map(({ reasons, ...counted }) => ({
      ...counted,
      unused: Math.max(0, counted.total - counted.maximum),
      refusals: sum(reasons),
      reasons: Object.fromEntries([...reasons].sort(([a], [b]) => (a < b ? -1 : 1))),
    }));
    return rows.sort(
      (a, b) => (a.period < b.period ? -1 : a.period > b.period ? 1 : 0) || a.firm - b.firm || a.product - b.product,
    );
  }

  #productOf(firm: number, product: number): Product {
    const key = `${firm}:${product}`;
    const known = this.#products.get(key);
    if (known !== undefined) return known;
    const made: Product = { firm, product, used: new Map(), total: new Map(), now: null };
    this.#products.set(key, made);
    return made;
  }

  /** What is in use when a period begins is in use in it. */
  #countedAt(of: Product, period: string): Counted {
    if (of.now?.period === period) return of.now;
    const { firm, product } = of;
    of.now = { period, firm, product, total: sum(of.total), maximum: sum(of.used), accesses: 0, reasons: new Map() };
    this.#counted.push(of.now);
    return of.now;
  }
}

function sum(numbers: ReadonlyMap<unknown, number>): number {
  let all = 0;
  for (const number of numbers.values()) all += number;
  return all;
}
