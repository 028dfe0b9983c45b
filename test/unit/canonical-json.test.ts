import assert from "node:assert/strict";
import * as fc from "fast-check";
import { canonicalJson } from "../../ts/wire/canonical.js";

describe("canonical JSON", () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [{}, "{}"],
    [[], "[]"],
    [{ b: 1, a: [true, false, "x"] }, '{"a":[true,false,"x"],"b":1}'],
    [{ aa: 1, a: 2, B: 3, "": 4 }, '{"":4,"B":3,"a":2,"aa":1}'],
    [-0, "0"],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
    ['"\\\u0000\n/\u2028é😀', '"\\"\\\\\\u0000\\n/\u2028é😀"'],
    // By code unit, not by code point: a surrogate comes before U+FFFD.
    [{ "\u{1f600}": 1, "\ufffd": 2 }, '{"\u{1f600}":1,"\ufffd":2}'],
    [Object.assign(Object.create(null) as object, { a: 1 }), '{"a":1}'],
  ];
  for (const [value, text] of cases) {
    it(`writes ${text}`, () => assert.equal(canonicalJson(value), text));
  }

  const refused: readonly (readonly [string, unknown])[] = [
    ["null", null],
    ["undefined", undefined],
    ["an absent member", { a: undefined }],
    ["a hole", [1, , 2]], // oxlint-disable-line no-sparse-arrays
    ["a fraction", 0.5],
    ["an unsafe integer", 2 ** 53],
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY],
    ["a big integer", 1n],
    ["a date", new Date(0)],
    ["a map", new Map()],
    ["bytes", new Uint8Array(1)],
    ["a function", () => 1],
    ["a lone surrogate", "\ud800"],
    ["a lone surrogate in a key", { "\udc00": 1 }],
    ["an object that holds itself", circular()],
  ];
  for (const [name, value] of refused) {
    it(`refuses ${name}`, () => assert.throws(() => canonicalJson(value), { code: "ERR_TMR_ARGUMENT" }));
  }

  it("is read back as the same value, whatever the order of the members was", () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: "binary" }),
        fc.maxSafeInteger().map((n) => n + 0),
        fc.boolean(),
        fc.array(tie("any"), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie("any"), { maxKeys: 5, noNullPrototype: true }),
      ),
    })).any;
    fc.assert(
      fc.property(value, (original) => {
        const text = canonicalJson(original);
        assert.deepEqual(JSON.parse(text), original);
        assert.equal(canonicalJson(backwards(original)), text);
      }),
    );
  });
});

function circular(): unknown {
  const self: { self?: unknown } = {};
  self.self = self;
  return self;
}

function backwards(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(backwards);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, backwards(member)]),
  );
}
