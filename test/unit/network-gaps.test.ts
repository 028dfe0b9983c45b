import assert from "node:assert/strict";
import type { OperationLine } from "../chaos/history.js";
import { longestGapMs, median } from "../network/gaps.js";

const MS = 1e6;

function answer(atMs: number, result: OperationLine["result"] = { ok: {} }): OperationLine {
  const rest = {
    type: "operation",
    process: "p",
    session: "p/1",
    license: null,
    arguments: {},
    position: null,
  } as const;
  return { ...rest, operation: "info", callNs: (atMs - 1) * MS, returnNs: atMs * MS, result };
}

describe("the longest time without an answer", () => {
  const gap = (lines: readonly OperationLine[], fromMs: number, untilMs: number): number =>
    longestGapMs(lines, "info", { fromNs: fromMs * MS, untilNs: untilMs * MS }, 1_000 * MS);

  it("is the longest between two answers of which a part lies in the window", () => {
    const lines = [0, 10, 20, 320, 330, 900].map((ms) => answer(ms));
    assert.equal(gap(lines, 15, 325), 300);
    assert.equal(gap(lines, 100, 110), 300);
    assert.equal(gap(lines, 0, 20), 300, "the one that begins at the window's end");
    assert.equal(gap(lines, 0, 1_000), 570);
  });

  it("counts up to the end what was never answered, and no refusal or failure as an answer", () => {
    const lines = [answer(0), answer(400, { refused: "no-quorum", text: "" }), answer(500, { error: "X", text: "" })];
    assert.equal(gap(lines, 0, 600), 1_000);
  });

  it("has a median", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
  });
});
