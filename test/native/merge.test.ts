/** The native merge of container snapshots against a second implementation by way of a Map. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { HOLDING_ENTRY_BYTES, MERGED_ENTRY_BYTES } from "../../ts/wire/merge.js";
import { naiveMerge } from "../support/license-ports.js";
import { engine } from "../support/native-engine.js";
import { seeded } from "../support/seeded.js";

const u32 = fc.constantFrom(0, 1, 2, 255, 256, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff);
const holding = fc.tuple(u32, u32, fc.constantFrom(1, 2), fc.constantFrom(1), fc.constantFrom(1, 1, 2, 3));

function snapshotOf(holdings: readonly (readonly number[])[]): Buffer {
  const byKey = new Map(holdings.map((entry) => [entry.slice(0, 4).join(), entry]));
  const sorted = [...byKey.values()].sort(
    (a, b) => a.map((value, i) => value - (b[i] ?? 0)).find((difference) => difference !== 0) ?? 0,
  );
  const entries = sorted.map((entry) => {
    const bytes = Buffer.alloc(HOLDING_ENTRY_BYTES, entry[4]);
    for (let i = 0; i < 4; i++) bytes.writeUInt32LE(entry[i] ?? 0, 4 * i);
    return bytes;
  });
  return Buffer.concat(entries);
}

const snapshot = fc.oneof(
  { weight: 6, arbitrary: fc.array(holding, { maxLength: 12 }).map(snapshotOf) },
  { weight: 1, arbitrary: fc.constant(null) },
);

describe("the merge of three container snapshots", () => {
  it("is that of the plain definition, whatever the snapshots", () => {
    fc.assert(
      fc.property(snapshot, snapshot, snapshot, (a, b, c) => {
        assert.deepEqual(engine.mergeContainers(a, b, c), naiveMerge(a, b, c));
      }),
      seeded(2_000),
    );
  });

  it("says the same whichever upstream holds what, apart from the names of the upstreams", () => {
    fc.assert(
      fc.property(snapshot, snapshot, snapshot, (a, b, c) => {
        const size = engine.mergeContainers(a, b, c).length;
        assert.equal(size % MERGED_ENTRY_BYTES, 0);
        for (const order of [
          [b, a, c],
          [c, b, a],
          [b, c, a],
        ] as const) {
          assert.deepEqual(engine.mergeContainers(...order), naiveMerge(...order));
          assert.equal(engine.mergeContainers(...order).length, size);
        }
      }),
      seeded(300),
    );
  });

  it("of nothing is empty", () => {
    assert.equal(engine.mergeContainers(null, null, null).length, 0);
    assert.equal(engine.mergeContainers(Buffer.alloc(0), null, Buffer.alloc(0)).length, 0);
  });

  it("refuses a snapshot that is unsorted, repeats a key or ends within an entry", () => {
    const sorted = snapshotOf([
      [1, 1, 1, 1, 1],
      [1, 2, 1, 1, 1],
    ]);
    const [first, second] = [sorted.subarray(0, 48), sorted.subarray(48)];
    const wrong = [
      Buffer.concat([second, first]),
      Buffer.concat([first, first]),
      sorted.subarray(0, 95),
      "x",
      undefined,
    ];
    for (const [place, bad] of wrong.entries()) {
      const snapshots = [sorted, sorted, sorted] as [Buffer, Buffer, Buffer];
      snapshots[place % 3] = bad as Buffer;
      assert.throws(() => engine.mergeContainers(...snapshots), { code: "ERR_TMR_ARGUMENT" });
    }
  });
});
