/** The repository's own files, for the tests that read them: tests run from the repository's root. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/** All files that are in the repository or would be added to it, as paths from the root with `/`. */
export function repositoryFiles(): string[] {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const names = execFileSync("git", args, { encoding: "utf8" }).split("\0");
  return [...new Set(names)].filter((name) => name !== "" && existsSync(name)).sort();
}

/** The text of one file. */
export function textOf(path: string): string {
  return readFileSync(path, "utf8");
}

/** 1-based number of the line that holds the character at `index`. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** One import or re-export of a TypeScript file. */
export interface Import {
  /** as written, e.g. `./bytes.js` or `node:net` */
  readonly specifier: string;
  /** `import type` and `export type`: nothing is left of it at run time */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** Reads the imports of a TypeScript source: static ones begin their line, dynamic ones are `import("…")`. */
export function importsOf(source: string): Import[] {
  const found: Import[] = [];
  const statement = /^(?:import|export)\b(\s+type\b(?!\s+from\b))?[^;"`]*?\bfrom\s*"([^"]+)"|^import\s*"([^"]+)"/gm;
  for (const match of source.matchAll(statement)) {
    const specifier = match[2] ?? match[3] ?? "";
    found.push({ specifier, typeOnly: match[1] !== undefined, line: lineAt(source, match.index) });
  }
  for (const match of source.matchAll(/(\bawait\s+|\bthen\(\s*)?\bimport\(\s*"([^"]+)"\s*\)/g)) {
    // `import("x").T` inside a type is recognised by the missing await; every run-time one in this tree is awaited.
    found.push({ specifier: match[2] ?? "", typeOnly: match[1] === undefined, line: lineAt(source, match.index) });
  }
  return found;
}

/** One `#include` of a C++ file. */
export interface Include {
  readonly path: string;
  /** `<…>` rather than `"…"` */
  readonly system: boolean;
  readonly line: number;
}

/** Reads the includes of a C++ source. */
export function includesOf(source: string): Include[] {
  return [...source.matchAll(/^\s*#\s*include\s*(["<])([^">]+)[">]/gm)].map((match) => ({
    path: match[2] ?? "",
    system: match[1] === "<",
    line: lineAt(source, match.index),
  }));
}
