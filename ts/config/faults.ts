/**
 * Faults of a document that a person wrote. They are collected, not thrown one by one: whoever fixes a file wants to
 * know about all of them at once.
 */
import { type ErrorCode, TmrError } from "../errors.js";

/** One thing that is wrong: where it is, what belongs there and what is there. */
export interface Fault {
  /** path of the file, as a person would type it */
  readonly file: string;
  /** e.g. `upstream[1].address`; empty for the file as a whole */
  readonly key: string;
  readonly expected: string;
  /** never key material: values that may be secret are described, not shown */
  readonly received: string;
}

/** All faults of one load as one error; `faults` is the same list for programs. */
export class FaultsError extends TmrError {
  readonly faults: readonly Fault[];
  constructor(code: ErrorCode, faults: readonly Fault[]) {
    super(code, faultsText(faults));
    this.faults = faults;
  }
}

function faultText(fault: Fault): string {
  const where = fault.key === "" ? fault.file : `${fault.file}: ${fault.key}`;
  return `${where}: expected ${fault.expected}, received ${fault.received}`;
}

function faultsText(faults: readonly Fault[]): string {
  if (faults.length === 1 && faults[0] !== undefined) return faultText(faults[0]);
  return [`${faults.length} faults:`, ...faults.map((fault) => `  ${faultText(fault)}`)].join("\n");
}

/** Collects faults over several files and throws them together. */
export class Faults {
  readonly #list: Fault[] = [];

  get count(): number {
    return this.#list.length;
  }

  /** A second fault at the same place is left out: the first one already says what belongs there. */
  add(file: string, key: string, expected: string, received: string): void {
    if (this.#list.some((fault) => fault.file === file && fault.key === key)) return;
    this.#list.push({ file, key, expected, received });
  }

  /** Throws {@link FaultsError} with this code when there is any fault. */
  throwIfAny(code: ErrorCode): void {
    if (this.#list.length > 0) throw new FaultsError(code, this.#list);
  }
}

/** `["upstream", 1, "address"]` as `upstream[1].address`. */
export function keyPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? String(part) : `${text}.${String(part)}`;
  }, "");
}

/** A received value for a message: short, one line. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (value instanceof Date) return `the date ${Number.isNaN(value.getTime()) ? "(invalid)" : value.toISOString()}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object") return "a table";
  // What looks like a key may be a private one in the wrong place.
  if (typeof value === "string" && /^[\w-]{43}$/.test(value)) return "what looks like a key";
  if (typeof value === "string") return value.length > 60 ? `${value.length} characters` : JSON.stringify(value);
  return typeof value === "number" || typeof value === "boolean" ? String(value) : `a ${typeof value}`;
}

/** A received value that may be a secret: its kind and length only. */
export function describeSecret(value: unknown): string {
  return typeof value === "string" ? `${value.length} characters` : value === undefined ? "nothing" : typeof value;
}
