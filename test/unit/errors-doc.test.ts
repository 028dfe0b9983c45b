/** docs/errors.md and the catalogue in ts/errors.ts list the same codes, and the document says something about each. */
import assert from "node:assert/strict";
import { errorCodes } from "../../ts/errors.js";
import { repositoryFiles, textOf } from "../support/source-tree.js";

/** The document's sections by code: the text below each `## ERR_TMR_…` heading. */
function sections(): Map<string, string> {
  const parts = textOf("docs/errors.md").split(/^#{2,3} +`?(ERR_TMR_[A-Z_]+)`?.*$/m);
  const found = new Map<string, string>();
  for (let i = 1; i < parts.length; i += 2) {
    const code = parts[i] ?? "";
    assert.ok(!found.has(code), `${code} has two sections in docs/errors.md`);
    found.set(code, (parts[i + 1] ?? "").trim());
  }
  return found;
}

describe("docs/errors.md", () => {
  it("has a section for every code of the catalogue and no other", () => {
    assert.deepEqual([...sections().keys()].sort(), Object.keys(errorCodes).sort());
  });

  it("says in each section what the code means and what to do", () => {
    for (const [code, text] of sections()) assert.ok(text.length >= 80, `${code}: the section is too short to help`);
  });

  it("names no code that the catalogue does not have, nor does any other document or source", () => {
    const faults: string[] = [];
    for (const path of repositoryFiles().filter((name) => /^(?:ts|test|docs|native)\/|\.md$/.test(name))) {
      for (const [code] of textOf(path).matchAll(/\bERR_TMR_[A-Z_]*[A-Z]\b/g)) {
        if (!Object.hasOwn(errorCodes, code) && !path.endsWith("errors-doc.test.ts")) faults.push(`${path}: ${code}`);
      }
    }
    assert.deepEqual(faults, []);
  });
});
