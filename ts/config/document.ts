/** Checking a document against a schema, with every fault collected. */
import { z } from "zod";
import { didYouMean } from "./did-you-mean.js";
import { describe, describeSecret, type Faults, keyPath } from "./faults.js";

/** Schemas put this before their message when the value may be a secret and must not be shown. */
export const SECRET = "secret:";

/** Checks `raw` against the schema. Undefined when anything is wrong; the faults say what. */
export function checkDocument<S extends z.ZodType>(
  schema: S,
  raw: unknown,
  file: string,
  faults: Faults,
): z.output<S> | undefined {
  const outcome = schema.safeParse(raw);
  if (outcome.success) return outcome.data;
  for (const issue of outcome.error.issues) {
    if (issue.code === "unrecognized_keys") {
      const known = knownKeys(schema, issue.path);
      for (const key of issue.keys) {
        faults.add(file, keyPath([...issue.path, key]), `one of the keys ${known.join(", ")}`, unknownKey(key, known));
      }
      continue;
    }
    const value = valueAt(raw, issue.path);
    const secret = issue.message.startsWith(SECRET);
    const expected = secret ? issue.message.slice(SECRET.length) : issue.message;
    faults.add(file, keyPath(issue.path), expected, secret ? describeSecret(value) : describe(value));
  }
  return undefined;
}

function unknownKey(key: string, known: readonly string[]): string {
  const close = didYouMean(key, known);
  return `the unknown key "${key}"${close === undefined ? "" : ` (did you mean "${close}"?)`}`;
}

/** Follows a path into parsed data; undefined where it ends early. */
export function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined,
    raw,
  );
}

/** The keys that the schema allows in the table at `path`. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = unwrapped(schema);
  for (const part of path) {
    if (at instanceof z.ZodObject) at = unwrapped((at.shape as Record<string, unknown>)[String(part)]);
    else if (at instanceof z.ZodArray) at = unwrapped(at.element);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrapped(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodPrefault) at = at.unwrap();
  return at;
}
