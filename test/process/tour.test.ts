import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runTmrFor } from "../support/run-tmr.js";
import { scratchFolder } from "../support/scratch.js";

interface Played {
  readonly stage: string;
  readonly section: number;
  readonly rule: string;
  readonly expected: string;
  readonly outcome: string;
  readonly held: boolean;
}

describe("the tour of the license rules", function () {
  this.timeout(300_000);
  const scratch = scratchFolder();

  it("plays rules of sections 3 to 7 against real servers, and every outcome is the expected one", async () => {
    const dir = join(scratch(), "tour");
    const ran = await runTmrFor(240_000, ["tour", "--json", "--dir", dir]);
    const { held, rules } = JSON.parse(ran.out) as { held: boolean; rules: Played[] };
    const different = rules.filter(({ outcome, expected }) => outcome !== expected);
    assert.deepEqual(different, []);
    assert.deepEqual([ran.code, held], [0, true], ran.err);
    for (const section of [3, 4, 5, 6, 7])
      assert.ok(
        rules.some((rule) => rule.section === section),
        String(section),
      );
    assert.ok(existsSync(join(dir, "logs", "tmr-a.log")));
  });
});
