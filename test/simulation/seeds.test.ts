/** A few random schedules; `npm run sim` runs as many as one likes. */
import assert from "node:assert/strict";
import { runSeed } from "./run-seed.js";

const SEEDS = 20;

describe("random schedules", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`do no harm: seed ${seed}`, () => {
      const { violation, operations } = runSeed(seed);
      assert.equal(violation, null);
      assert.ok(operations > 0);
    });
  }

  it("run the same way again, message for message", () => {
    for (const seed of [3, 18, 47, 63]) assert.deepEqual(runSeed(seed), runSeed(seed));
  });

  it("run differently with another seed", () => {
    assert.notEqual(runSeed(3).digest, runSeed(4).digest);
  });
});
