/**
 * Canonical JSON: one value has exactly one text, so that texts can be signed, hashed and compared. Keys sorted by
 * code unit, no white space; only plain objects, arrays, strings, safe integers and booleans.
 */
import { TmrError } from "../errors.js";

/** Deeper values are refused: nothing of ours is, and a recursion must not depend on the stack that is left. */
const MAX_DEPTH = 32;
const loneSurrogate = /\p{Surrogate}/u;

/**
 * The canonical text of `value`.
 * @throws TmrError ERR_TMR_ARGUMENT for a value without one: null, undefined, a fraction, an unsafe integer, a lone
 * surrogate, an object with a class, or nesting deeper than 32.
 */
export function canonicalJson(value: unknown): string {
  return textOf(value, 0);
}

function textOf(value: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw refused(`nesting of at most ${MAX_DEPTH}`, "more");
  switch (typeof value) {
    case "string":
      if (loneSurrogate.test(value)) throw refused("well-formed text", "a lone surrogate");
      return JSON.stringify(value);
    case "number":
      if (!Number.isSafeInteger(value)) throw refused("a safe integer", String(value));
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (Array.isArray(value)) return `[${Array.from(value, (item) => textOf(item, depth + 1)).join(",")}]`;
      if (value !== null && isPlain(value)) return objectText(value as Record<string, unknown>, depth);
      throw refused("a plain object", value === null ? "null" : "an object with a class");
    default:
      throw refused("an object, array, string, integer or boolean", typeof value);
  }
}

function objectText(value: Record<string, unknown>, depth: number): string {
  const members = Object.keys(value)
    .sort()
    .map((key) => `${textOf(key, depth)}:${textOf(value[key], depth + 1)}`);
  return `{${members.join(",")}}`;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function refused(expected: string, received: string): TmrError {
  return new TmrError("ERR_TMR_ARGUMENT", `canonical JSON: expected ${expected}, received ${received}`);
}
