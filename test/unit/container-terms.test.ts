import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { checkDocument } from "../../ts/config/document.js";
import { Faults } from "../../ts/config/faults.js";
import { compareTerms, type Terms, termsDigest } from "../../ts/container/index.js";
import { termsOf, termsSchema } from "../../ts/container/terms.js";
import { compareKeys, faultInTerms, termsBytes } from "../../ts/license/terms.js";
import { seeded } from "../support/seeded.js";

const u32 = fc.oneof(fc.nat(20), fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(-1, 0x1_0000_0000, 1.5));
const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: "grapheme", maxLength: 20 }));
const time = fc.oneof(fc.nat(), fc.constantFrom(-1, 253_402_300_799_999, 253_402_300_800_000));
const anyTerms = fc.record(
  {
    actId: u32,
    firmCode: fc.integer({ min: 6_000_000, max: 6_000_020 }),
    productCode: u32,
    tmrId: fc.oneof(u32, fc.constant(0)),
    text,
    quantity: u32,
    featureMap: u32,
    activationMs: time,
    expirationMs: time,
    ownerInformation: text,
    unitCounter: fc.nat(),
  },
  { requiredKeys: ["actId", "firmCode", "productCode", "tmrId", "text", "quantity", "featureMap"] },
);

function accepted(value: unknown): Terms | undefined {
  const parsed = checkDocument(termsSchema, value, "x", new Faults());
  return parsed === undefined ? undefined : termsOf(parsed);
}

describe("terms of a license", () => {
  it("that a container accepts are accepted by the license rules too, if they have a TMR-ID", () => {
    fc.assert(
      fc.property(anyTerms, (value) => {
        const terms = accepted(value);
        if (terms !== undefined && terms.tmrId !== 0) assert.equal(faultInTerms(terms), null);
      }),
      seeded(500),
    );
  });

  it("have the digest and the order that the license rules use", () => {
    fc.assert(
      fc.property(anyTerms, anyTerms, (a, b) => {
        const [one, two] = [accepted(a), accepted(b)];
        if (one === undefined || two === undefined) return;
        assert.deepEqual(termsDigest(one), createHash("sha256").update(termsBytes(one)).digest());
        assert.equal(Math.sign(compareTerms(one, two)), Math.sign(compareKeys(one, two)));
      }),
      seeded(500),
    );
  });

  it("may have every limit and nothing beyond it", () => {
    const most: Terms = {
      actId: 0xffff_ffff,
      firmCode: 0xffff_ffff,
      productCode: 0xffff_ffff,
      tmrId: 0xffff_ffff,
      text: "x".repeat(256),
      quantity: 0xffff_ffff,
      featureMap: 0xffff_ffff,
      activationMs: 0,
      expirationMs: 253_402_300_799_999,
      ownerInformation: "ä".repeat(128),
    };
    assert.deepEqual(accepted(most), most);
    const beyond: readonly Readonly<Record<string, unknown>>[] = [
      { actId: 0x1_0000_0000 },
      { firmCode: 5_999_999 },
      { productCode: -1 },
      { tmrId: "1" },
      { text: "x".repeat(257) },
      { text: "\u0007" },
      { text: "\ud800" },
      { text: undefined },
      { quantity: 0 },
      { quantity: 1.5 },
      { featureMap: null },
      { activationMs: -1 },
      { expirationMs: 253_402_300_800_000 },
      { ownerInformation: "ä".repeat(129) },
      { borrow: 1 },
    ];
    for (const change of beyond) assert.equal(accepted({ ...most, ...change }), undefined, JSON.stringify(change));
  });
});
