/** Schedules that break systems without one of the rules: with all rules they do no harm, and each rule is needed. */
import assert from "node:assert/strict";
import { directed } from "./directed/index.js";
import { runDirected } from "./directed/script.js";
import { kill, ruleNames, ruleTexts } from "./mutants.js";

describe("directed schedules", () => {
  for (const scenario of directed) {
    it(scenario.name, () => {
      const { report, stuck } = runDirected(scenario);
      assert.equal(stuck, null);
      assert.equal(report?.violation ?? null, null);
    });
  }
});

describe("a system without one of its rules", () => {
  for (const rule of ruleNames) {
    it(`breaks when ${ruleTexts[rule]}`, () => {
      assert.notEqual(kill(rule, 0), null);
    });
  }
});
