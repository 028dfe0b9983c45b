/** The stories beside this file are true: each is acted out and must come out word for word as it is written. */
import assert from "node:assert/strict";
import { played, scenarioKinds, scenariosOf } from "../support/scenario-files.js";
import { textOf } from "../support/source-tree.js";

for (const kind of scenarioKinds) {
  describe(`${kind} scenarios`, () => {
    for (const path of scenariosOf(kind)) {
      const [title = path] = textOf(path).split("\n");
      it(title.replace(/^# /, ""), () => {
        const { written, actual } = played(kind, path);
        assert.equal(actual, written);
      });
    }
  });
}

describe("the stories and docs/protocol.md", () => {
  const paths = scenarioKinds.flatMap((kind) => scenariosOf(kind));
  const protocol = textOf("docs/protocol.md");

  it("name each other: every story a rule, and the rules every story", () => {
    const withoutRule = paths.filter((path) => !/^# Rules? \d/m.test(textOf(path)));
    const unnamed = paths.filter((path) => !protocol.includes(`../${path}`));
    assert.deepEqual({ withoutRule, unnamed }, { withoutRule: [], unnamed: [] });
  });
});
