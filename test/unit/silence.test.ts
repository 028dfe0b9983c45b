/** When a connection on which nothing is heard is given up. */
import assert from "node:assert/strict";
import { Silence, silenceLimitMs } from "../../ts/transport/silence.js";

describe("a silent peer", () => {
  const limits: readonly (readonly [suspectMs: number, limitMs: number])[] = [
    [20, 3_000],
    [600, 3_000],
    [601, 3_005],
    [10_000, 50_000],
  ];
  for (const [suspectMs, limitMs] of limits) {
    it(`that is suspected after ${suspectMs} ms is given up after ${limitMs} ms`, () => {
      assert.equal(silenceLimitMs(suspectMs), limitMs);
    });
  }

  /** `heard` or `asked` at a time, and what the question was answered. */
  type Step = readonly ["heard", number] | readonly ["asked", number, boolean];
  const rows: readonly (readonly [string, readonly Step[]])[] = [
    [
      "is given up at the second question after its time",
      [
        ["asked", 3_000, false],
        ["asked", 3_001, false],
        ["asked", 3_002, true],
        ["asked", 3_003, true],
      ],
    ],
    [
      "is kept while it says something in time",
      [
        ["heard", 2_900],
        ["asked", 5_900, false],
        ["heard", 5_900],
        ["asked", 8_900, false],
      ],
    ],
    [
      "is kept when what it said was read between the two questions, as after a pause of the own process",
      [
        ["asked", 100, false],
        ["asked", 60_000, false],
        ["heard", 60_001],
        ["asked", 60_020, false],
        ["asked", 60_040, false],
      ],
    ],
    [
      "has all of its time again after it was heard",
      [
        ["asked", 4_000, false],
        ["heard", 4_001],
        ["asked", 7_100, false],
        ["asked", 7_101, true],
      ],
    ],
  ];
  for (const [says, steps] of rows) {
    it(says, () => {
      const silence = new Silence(3_000, 0);
      for (const [what, atMs, answer] of steps) {
        if (what === "heard") silence.heard(atMs);
        else assert.equal(silence.isTooLong(atMs), answer, `at ${atMs}`);
      }
    });
  }
});
