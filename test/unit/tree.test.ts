/** What the repository's files must not contain, and what its documents must be true about. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, posix } from "node:path";
import { lineAt, repositoryFiles, textOf } from "../support/source-tree.js";

const files = repositoryFiles();
const textFiles = files.filter(
  (path) => !/\.(?:png|ico|woff2|tgz|node|db|tmrc)$/.test(path) && !path.startsWith("test/vectors/"),
);
const self = "test/unit/tree.test.ts";

/** Every place where a pattern is found, as `path:line match`. */
function placesOf(pattern: RegExp, paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const text = textOf(path);
    return [...text.matchAll(pattern)].map((match) => `${path}:${lineAt(text, match.index)} ${match[0]}`);
  });
}

/** `a.{hpp,cpp}` stands for two names, `{a,b}.{hpp,cpp}` for four. */
function expandBraces(name: string): string[] {
  const match = /^(.*?)\{([^}]+)\}(.*)$/.exec(name);
  if (match === null) return [name];
  const [, before = "", choices = "", after = ""] = match;
  return choices.split(",").flatMap((choice) => expandBraces(`${before}${choice}${after}`));
}

/**
 * The paths that the first code block of a document names: two spaces per level, folders end with `/`,
 * `name.{hpp,cpp}` stands for two files, text after the name is its description.
 */
function treePaths(document: string): { files: string[]; folders: string[] } {
  const block = /```text\n([\s\S]*?)```/.exec(textOf(document))?.[1];
  assert.ok(block !== undefined, `${document} has no tree`);
  const named = { files: [] as string[], folders: [] as string[] };
  const stack: string[] = [];
  for (const line of block.split("\n").filter((text) => text.trim() !== "")) {
    const [, indent = "", name = ""] = /^( *)(\S+)/.exec(line) ?? [];
    // A line that only continues the description above stands far to the right.
    if (indent.length > 12) continue;
    stack.length = indent.length / 2;
    const prefix = stack.join("");
    if (name.endsWith("/")) {
      stack.push(name);
      named.folders.push(prefix + name);
    } else named.files.push(...expandBraces(name).map((each) => prefix + each));
  }
  return named;
}

/** GitHub's anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-");
}

describe("the tree", () => {
  it("holds no path of somebody's machine", () => {
    const paths = textFiles.filter((path) => path !== self);
    assert.deepEqual(
      placesOf(/(?<![\w.~$}/-])\/(?:root|home|work|Users|mnt|workspace)\/[\w.-]+|[A-Z]:\\\\?Users\\/g, paths),
      [],
    );
  });

  it("names no host of a package registry, in the lockfile or elsewhere", () => {
    const paths = textFiles.filter((path) => path !== self);
    assert.deepEqual(
      placesOf(/registry\.(?:npmjs|yarnpkg|npmmirror)\.\w+|deb\.debian\.org|npm\.pkg\.github\.com/g, paths),
      [],
    );
    const lockfiles = files.filter((path) => path.endsWith("package-lock.json"));
    assert.deepEqual(placesOf(/"resolved": "https?:[^"]*"/g, lockfiles), []);
  });

  it("locks every package of every platform, so that a clean install needs no other source of versions", () => {
    interface Locked {
      readonly optionalDependencies?: Readonly<Record<string, string>>;
    }
    const { packages } = JSON.parse(textOf("package-lock.json")) as { packages: Readonly<Record<string, Locked>> };
    const wanted = Object.values(packages).flatMap((locked) => Object.keys(locked.optionalDependencies ?? {}));
    const missing = wanted.filter(
      (name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)),
    );
    assert.deepEqual(missing, []);
  });

  it("has no skipped, exclusive or repeated test", () => {
    const tests = files.filter((path) => /^test\/.*\.(?:ts|mjs)$/.test(path) && path !== self);
    const pattern =
      /\b(?:describe|context|suite|it|specify|test)\.(?:skip|only)\b|\b(?:xit|xdescribe|xcontext|xspecify)\(|\bthis\.(?:skip\(\)|retries\()/g;
    assert.deepEqual(placesOf(pattern, tests), []);
  });

  it("leaves nothing to be done later in a comment", () => {
    const sources = files.filter(
      (path) => /^(?:ts|native|test|bench)\/.*\.(?:ts|mjs|cpp|hpp)$/.test(path) && path !== self,
    );
    assert.deepEqual(placesOf(/\b(?:TODO|FIXME|XXX|HACK)\b/g, sources), []);
  });

  const named = treePaths("docs/source-files.md");
  /** What a tree names and nothing in the repository is; a folder on this disk alone is not there in a fresh clone. */
  const goneFrom = (tree: { files: string[]; folders: string[] }): string[] => [
    ...tree.files.filter((path) => !files.includes(path)),
    ...tree.folders.filter((folder) => !files.some((path) => path.startsWith(folder))),
  ];

  it("is drawn in docs/source-files.md with every source file", () => {
    const sources = files.filter(
      (path) => /^(?:ts|native)\/.*\.(?:ts|mjs|cpp|hpp)$/.test(path) && !path.startsWith("native/test/"),
    );
    assert.deepEqual(
      sources.filter((path) => !named.files.includes(path)),
      [],
      "source files that the tree does not name",
    );
    assert.deepEqual(goneFrom(named), [], "names in the tree that are not there");
  });

  it("is drawn in ARCHITECTURE.md with every folder, in at most 200 lines", () => {
    const shown = treePaths("ARCHITECTURE.md");
    const folders = named.folders.filter((folder) => folder.split("/").length <= 3);
    assert.deepEqual(
      folders.filter((folder) => !shown.folders.includes(folder)),
      [],
      "folders that the tree does not name",
    );
    assert.deepEqual(goneFrom(shown), [], "names in the tree that are not there");
    assert.ok(textOf("ARCHITECTURE.md").trimEnd().split("\n").length <= 200, "ARCHITECTURE.md has over 200 lines");
  });

  it("has documents whose relative links and anchors resolve", () => {
    const faults: string[] = [];
    for (const path of files.filter((name) => name.endsWith(".md"))) {
      const text = textOf(path).replaceAll(/```[\s\S]*?```/g, (block) => block.replaceAll(/[^\n]/g, " "));
      for (const match of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        const link = match[1] ?? "";
        if (/^[a-z]+:/.test(link)) continue;
        const [file = "", anchor] = link.split("#");
        const target = file === "" ? path : posix.join(dirname(path), file);
        const fault = `${path}:${lineAt(text, match.index)} ${link}`;
        if (!existsSync(target)) faults.push(fault);
        else if (anchor !== undefined && target.endsWith(".md")) {
          const anchors = [...textOf(target).matchAll(/^#+ +(.+)$/gm)].map((heading) => anchorOf(heading[1] ?? ""));
          if (!anchors.includes(anchor)) faults.push(`${fault}: no such heading`);
        }
      }
    }
    assert.deepEqual(faults, []);
  });
});
