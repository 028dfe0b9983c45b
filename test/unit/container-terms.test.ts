import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { checkDocument } from "../../ts/config/document.js";
import { Faults } from "../../ts/config/faults.js";
import { compareTerms, type Terms, termsDigest } from "../../ts/container/index.js";
import { termsOf, termsSchema } from "../../ts/container/terms.js";
import { faultInRelations, termRules } from "../../ts/license/term-rules.js";
import { compareKeys, faultInTerms, shownTerms, termsBytes } from "../../ts/license/terms.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { MAX_RESULT_BLOB_BYTES } from "../../ts/wire/result.js";
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

function termFault(terms: Terms): string | null {
  const fault = faultInRelations(terms);
  return fault === null ? null : `an item ${fault}`;
}

function accepted(value: unknown): Terms | undefined {
  const parsed = checkDocument(termsSchema, value, "x", new Faults());
  return parsed === undefined ? undefined : termsOf(parsed);
}

describe("terms of a license", () => {
  it("that a container accepts one by one are accepted by the license rules too, if they fit together", () => {
    fc.assert(
      fc.property(anyTerms, (value) => {
        const terms = accepted(value);
        if (terms !== undefined) assert.equal(faultInTerms(terms), termFault(terms));
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

  const u32Max = 0xffff_ffff;
  const bytes = (count: number): string => Buffer.alloc(count, 0xff).toString("base64url");
  const pieces = (count: number): { index: number; data: string }[] =>
    Array.from({ length: count }, (_, index) => ({ index, data: bytes(256) }));
  const most: Terms = {
    actId: u32Max,
    firmCode: u32Max,
    productCode: u32Max,
    tmrId: u32Max,
    text: "x".repeat(256),
    quantity: u32Max,
    featureMap: u32Max,
    activationMs: 0,
    expirationMs: 253_402_300_799_999,
    ownerInformation: "ä".repeat(128),
    localOnly: true,
    unitCounter: u32Max,
    usagePeriodSeconds: u32Max,
    maintenanceFromMs: 0,
    maintenanceUntilMs: 253_402_300_799_999,
    lingerSeconds: u32Max,
    minimumRuntimeVersion: "999999999.0.10",
    namedUser: "ä".repeat(127),
    namedUserIntervalSeconds: u32Max,
    userData: bytes(256),
    protectedData: bytes(256),
    extendedProtectedData: pieces(128),
    hiddenData: pieces(128).map((piece) => ({ ...piece, accessCode: u32Max })),
    secretData: pieces(128),
    borrowSeconds: u32Max,
    borrowRevocable: true,
    modules: Array.from({ length: 128 }, (_, productCode) => ({
      productCode,
      text: "ä".repeat(32),
      featureMap: u32Max,
    })),
  };

  it("may have every limit of every option", () => {
    assert.deepEqual(Object.keys({ ...most, itemRef: 1 }).toSorted(), Object.keys(termRules).toSorted());
    assert.equal(faultInTerms(most), null);
    assert.deepEqual(accepted(most), most);
    const ordinary = { ...most, tmrId: 0, itemRef: u32Max };
    assert.equal(faultInTerms(ordinary), null);
    assert.deepEqual(accepted(ordinary), ordinary);
  });

  it("say in a list which data there are, and no data, no code", () => {
    const shown = shownTerms({ ...most, hiddenData: [{ index: 7, data: bytes(3), accessCode: 4711 }] });
    const { userData, protectedData, hiddenData } = shown;
    assert.deepEqual([userData, protectedData, hiddenData], [true, true, [7]]);
    assert.deepEqual(
      shown["secretData"],
      Array.from({ length: 128 }, (_, index) => index),
    );
    assert.doesNotMatch(JSON.stringify(shown), /4711|__/);
  });

  it("with every option at its limit fit into one answer of a list", () => {
    const quotes = (text: string): string => '"'.repeat(Buffer.byteLength(text));
    const widest = {
      ...most,
      text: quotes(most.text),
      ownerInformation: quotes("x".repeat(256)),
      namedUser: quotes("x".repeat(255)),
      modules: (most.modules ?? []).map((module, i) => ({
        ...module,
        productCode: i + 1_000_000_000,
        text: '"'.repeat(64),
      })),
    };
    assert.equal(faultInTerms(widest), null);
    const listed = { ...shownTerms(widest), used: u32Max, free: u32Max, holders: [1, 2, 3], odd: 3 };
    assert.ok(canonicalJson([listed]).length < MAX_RESULT_BLOB_BYTES - 1_024);
  });

  const piece = (change: object): object[] => [{ index: 0, data: "AA", ...change }];
  const beyond: readonly (readonly [what: string, change: Readonly<Record<string, unknown>>])[] = [
    ["an actId beyond 32 bits", { actId: 0x1_0000_0000 }],
    ["a negative Product Code", { productCode: -1 }],
    ["a text as TMR-ID", { tmrId: "1" }],
    ["an item reference beside a TMR-ID", { itemRef: 1 }],
    ["neither TMR-ID nor item reference", { tmrId: 0 }],
    ["an item reference of 0", { tmrId: 0, itemRef: 0 }],
    ["a text of 257 bytes", { text: "x".repeat(257) }],
    ["a control character", { text: "\u0007" }],
    ["half a surrogate pair", { text: "\ud800" }],
    ["no text", { text: undefined }],
    ["no seat", { quantity: 0 }],
    ["half a seat", { quantity: 1.5 }],
    ["null as feature map", { featureMap: null }],
    ["a time before 1970", { activationMs: -1 }],
    ["a time after the year 9999", { expirationMs: 253_402_300_800_000 }],
    ["an end before the beginning", { activationMs: 2, expirationMs: 1 }],
    ["an owner information of 258 bytes", { ownerInformation: "ä".repeat(129) }],
    ["localOnly false", { localOnly: false }],
    ["a negative unit counter", { unitCounter: -1 }],
    ["a unit counter beyond 32 bits", { unitCounter: 0x1_0000_0000 }],
    ["a usage period of 0 s", { usagePeriodSeconds: 0 }],
    ["a maintenance period without its end", { maintenanceUntilMs: undefined }],
    ["a maintenance period that ends first", { maintenanceFromMs: 2, maintenanceUntilMs: 1 }],
    ["a linger time of 0 s", { lingerSeconds: 0 }],
    ["a version of two numbers", { minimumRuntimeVersion: "1.2" }],
    ["a version with a leading zero", { minimumRuntimeVersion: "1.02.3" }],
    ["a version with a tail", { minimumRuntimeVersion: "1.2.3-rc.1" }],
    ["a user of 256 bytes", { namedUser: "x".repeat(256) }],
    ["an interval without a named user", { namedUser: undefined }],
    ["an interval of 0 s", { namedUserIntervalSeconds: 0 }],
    ["user data false", { userData: false }],
    ["257 bytes of user data", { userData: bytes(257) }],
    ["no byte of data", { protectedData: "" }],
    ["257 bytes of data", { protectedData: bytes(257) }],
    ["data in another spelling", { protectedData: "AB" }],
    ["data with padding", { protectedData: "AA==" }],
    ["an empty list", { extendedProtectedData: [] }],
    ["129 pieces", { extendedProtectedData: [...pieces(128), { index: 128, data: "AA" }] }],
    ["an index of 128", { extendedProtectedData: piece({ index: 128 }) }],
    ["an index twice", { extendedProtectedData: [...piece({}), ...piece({})] }],
    ["indexes out of order", { secretData: [...piece({ index: 1 }), ...piece({})] }],
    ["a piece with one member more", { secretData: piece({ accessCode: 1 }) }],
    ["hidden data without a code", { hiddenData: piece({}) }],
    ["a code beyond 32 bits", { hiddenData: piece({ accessCode: 0x1_0000_0000 }) }],
    ["a list that is a table", { secretData: { index: 0, data: "AA" } }],
    ["null as a piece", { secretData: [null] }],
    ["a borrowing of 0 s", { borrowSeconds: 0 }],
    ["a revocable borrowing that is none", { borrowSeconds: undefined }],
    ["a module with the item's Product Code", { productCode: 5 }],
    ["a module twice", { modules: [most.modules?.[0], most.modules?.[0]] }],
    ["a module text of 65 bytes", { modules: [{ productCode: 1, text: "x".repeat(65), featureMap: 0 }] }],
    ["an option that nobody knows", { borrow: 1 }],
  ];
  for (const [what, change] of beyond) {
    it(`are refused with ${what}, by container and license rules alike`, () => {
      const changed = Object.fromEntries(
        Object.entries({ ...most, ...change }).filter(([, value]) => value !== undefined),
      );
      assert.notEqual(faultInTerms(changed), null);
      const read = accepted(changed);
      assert.ok(read === undefined || faultInRelations(read) !== null);
    });
  }

  it("are refused by an activation container below Universal Firm Codes", () => {
    assert.equal(accepted({ ...most, firmCode: 5_999_999 }), undefined);
  });
});
