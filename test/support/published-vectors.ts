/** Test vectors that others published; they lie beside the repository, not in it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.env["TMR_VECTORS"] ?? join(process.cwd(), "..", "shared", "vectors");

/**
 * Reads one file of vectors. Null, and a line that says so, when there are none on this machine; a folder that was
 * named with TMR_VECTORS must have them.
 */
export function publishedVectors<T>(name: string): T | null {
  const path = join(folder, name);
  if (process.env["TMR_VECTORS"] === undefined && !existsSync(path)) {
    console.log(`skipped: ${name} is not on this machine (TMR_VECTORS names a folder with it)`);
    return null;
  }
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

/** Bytes of a hexadecimal field. */
export function unhex(text: string): Buffer {
  return Buffer.from(text, "hex");
}

/** A file of Project Wycheproof. */
export interface Wycheproof<Group, Test> {
  readonly testGroups: readonly (Group & {
    readonly tests: readonly (Test & {
      readonly tcId: number;
      readonly comment: string;
      readonly flags: readonly string[];
      readonly result: "valid" | "invalid" | "acceptable";
    })[];
  })[];
}
