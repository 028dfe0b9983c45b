import assert from "node:assert/strict";
import { didYouMean } from "../../ts/config/did-you-mean.js";

describe("did you mean", () => {
  const known = ["heartbeatMs", "suspectMs", "graceMs", "key", "id"];
  const cases: readonly (readonly [word: string, meant: string | undefined])[] = [
    ["heartbeatms", "heartbeatMs"],
    ["hearbeatMs", "heartbeatMs"],
    ["suspcetMs", "suspectMs"],
    ["grace", "graceMs"],
    ["kee", "key"],
    ["kye", "key"],
    ["di", "id"],
    ["address", undefined],
    ["zz", undefined],
    ["", undefined],
  ];
  for (const [word, meant] of cases) {
    it(`answers ${meant ?? "nothing"} to "${word}"`, () => assert.equal(didYouMean(word, known), meant));
  }
});
