import assert from "node:assert/strict";
import { LIMITS } from "../../ts/license/limits.js";
import type { Terms } from "../../ts/license/terms.js";
import { Kind } from "../../ts/wire/kinds.js";
import { type Asked, LicenseKit, terms } from "../support/license-kit.js";

const day = 86_400_000;

function kitWith(...items: Terms[]): LicenseKit {
  const kit = new LicenseKit();
  kit.holdAll(...items);
  kit.open("a");
  return kit;
}

describe("license access", () => {
  it("answers with everything a client shows", () => {
    const kit = kitWith(terms({ tmrId: 7, quantity: 20, expirationMs: Date.UTC(2031, 0, 1) }));
    const told = kit.access("a", { quantity: 3 });
    const { outcome, mode, quantity, firmCode, productCode, itemRef, free, total, mask, serial } = told;
    assert.deepEqual(
      { outcome, mode, quantity, firmCode, productCode, itemRef, free, total, mask, serial },
      {
        outcome: "ok",
        mode: 1,
        quantity: 3,
        firmCode: 6000010,
        productCode: 13,
        itemRef: 7,
        free: 17,
        total: 20,
        mask: 131,
        serial: 729831162,
      },
    );
    assert.equal(told.validUntilMs, Date.UTC(2031, 0, 1));
    assert.equal(told.timeoutMs, 120_000);
    assert.equal(told.heartbeatMs, 30_000);
    assert.equal(told.text, "");
    assert.ok(told.handle > 0);
  });

  it("leaves 14 of 20 free when 9 instances are open and 3 of them are without user limit", () => {
    const kit = kitWith(terms({ tmrId: 1, quantity: 20 }));
    for (let i = 0; i < 6; i++) assert.equal(kit.access("a").outcome, "ok");
    for (let i = 0; i < 3; i++) {
      const told = kit.access("a", { mode: 4 });
      assert.deepEqual([told.outcome, told.mode, told.quantity], ["ok", 4, 0]);
    }
    assert.deepEqual(
      kit.items("a").map(({ used, free }) => [used, free]),
      [[6, 14]],
    );
  });

  it("grants without user limit when no seat is free", () => {
    const kit = kitWith(terms({ tmrId: 1, quantity: 1 }));
    kit.access("a");
    assert.equal(kit.access("a").outcome, "no-free-license");
    assert.deepEqual(pick(kit.access("a", { mode: 4 })), ["ok", 1, 0]);
  });

  it("takes the first item in order of item reference that satisfies", () => {
    const kit = kitWith(terms({ tmrId: 2, quantity: 1 }), terms({ tmrId: 5, quantity: 2 }), terms({ tmrId: 9 }));
    const taken = Array.from({ length: 5 }, () => pick(kit.access("a")));
    assert.deepEqual(taken, [
      ["ok", 2, 0],
      ["ok", 5, 1],
      ["ok", 5, 0],
      ["ok", 9, 0],
      ["no-free-license", 2, 0],
    ]);
  });

  it("passes over an item with too few free seats for one that has them", () => {
    const kit = kitWith(terms({ tmrId: 2, quantity: 1 }), terms({ tmrId: 5, quantity: 4 }));
    assert.deepEqual(pick(kit.access("a", { quantity: 3 })), ["ok", 5, 1]);
  });

  it("takes only the item reference that was asked for", () => {
    const kit = kitWith(terms({ tmrId: 2 }), terms({ tmrId: 5 }));
    assert.deepEqual(pick(kit.access("a", { itemRef: 5 })), ["ok", 5, 0]);
    assert.deepEqual(pick(kit.access("a", { itemRef: 5 })), ["no-free-license", 5, 0]);
    assert.deepEqual(pick(kit.access("a", { itemRef: 6 })), ["not-found", 0, 0]);
  });

  it("puts each seat back that a release gives", () => {
    const kit = kitWith(terms({ tmrId: 1, quantity: 5 }));
    const { handle } = kit.access("a", { quantity: 3 });
    const told = kit.ask("a", Kind.release, { handle });
    assert.deepEqual(
      [told.outcome, told.handle, told.quantity, told.itemRef, told.free, told.total],
      ["ok", handle, 3, 1, 5, 5],
    );
    assert.equal(kit.ask("a", Kind.release, { handle }).outcome, "handle-unknown");
  });

  it("gives no handle number twice", () => {
    const kit = kitWith(terms({ tmrId: 1, quantity: 2 }));
    const seen = new Set<number>();
    for (let i = 0; i < 50; i++) {
      const { handle } = kit.access("a");
      assert.ok(!seen.has(handle));
      seen.add(handle);
      kit.ask("a", Kind.release, { handle });
    }
  });

  it("does not tell a session whether another one holds a handle", () => {
    const kit = kitWith(terms({ tmrId: 1 }));
    kit.open("b");
    const { handle } = kit.access("a");
    for (const kind of [Kind.info, Kind.release]) {
      const foreign = kit.ask("b", kind, { handle });
      assert.equal(foreign.outcome, "handle-unknown");
      assert.equal(foreign.text, `This session holds no handle ${handle} in container 131-729831162.`);
    }
    assert.equal(kit.ask("b", Kind.info, { handle: handle + 1 }).outcome, "handle-unknown");
    assert.equal(kit.ask("a", Kind.info, { handle }).outcome, "ok");
  });

  it("tells in info how a handle's license stands now", () => {
    const kit = kitWith(terms({ tmrId: 1, quantity: 5 }));
    const { handle } = kit.access("a", { quantity: 2 });
    kit.access("a");
    const told = kit.ask("a", Kind.info, { handle });
    assert.deepEqual(
      [told.outcome, told.handle, told.mode, told.quantity, told.free, told.total, told.mask, told.serial],
      ["ok", handle, 1, 2, 2, 5, 131, 729831162],
    );
  });
});

describe("license access is refused", () => {
  const kitAt2030 = (): LicenseKit =>
    kitWith(
      terms({ productCode: 1, tmrId: 1, quantity: 2, featureMap: 0b0110 }),
      terms({ productCode: 2, tmrId: 2, activationMs: Date.UTC(2030, 0, 2) }),
      terms({ productCode: 3, tmrId: 3, expirationMs: Date.UTC(2029, 11, 31) }),
      terms({ productCode: 4, tmrId: 4, expirationMs: Date.UTC(2029, 11, 31) }),
      terms({ productCode: 4, tmrId: 5, quantity: 1, featureMap: 1 }),
      terms({ productCode: 5, tmrId: 6, featureMap: 1 }),
      terms({ productCode: 5, tmrId: 7, activationMs: Date.UTC(2030, 0, 2) }),
    );
  const where = "in container 131-729831162";
  const cases: readonly (readonly [string, Partial<Asked>, string, string])[] = [
    ["no such product", { productCode: 9 }, "not-found", `No license 6000010:9 ${where}.`],
    ["no such firm", { firmCode: 5, productCode: 1 }, "not-found", `No license 5:1 ${where}.`],
    [
      "no such item reference",
      { productCode: 1, itemRef: 2 },
      "not-found",
      `No license 6000010:1 with item reference 2 ${where}.`,
    ],
    [
      "before the activation time",
      { productCode: 2 },
      "not-yet-valid",
      `License 6000010:2 item 2 ${where} is valid from 2030-01-02T00:00:00.000Z on.`,
    ],
    [
      "after the expiration time",
      { productCode: 3 },
      "expired",
      `License 6000010:3 item 3 ${where} was valid until 2029-12-31T00:00:00.000Z.`,
    ],
    [
      "without a feature bit",
      { productCode: 1, featureMap: 0b1010 },
      "feature-missing",
      `License 6000010:1 item 1 ${where} lacks the feature bits 0x8.`,
    ],
    [
      "with bit 31 of the features missing",
      { productCode: 1, featureMap: 0x8000_0002 },
      "feature-missing",
      `License 6000010:1 item 1 ${where} lacks the feature bits 0x80000000.`,
    ],
    [
      "more seats than there are at all",
      { productCode: 1, quantity: 3 },
      "no-free-license",
      `License 6000010:1 item 1 ${where}: 2 of 2 seats are free, 3 asked for.`,
    ],
    [
      "no seat anywhere, rather than the expired item before",
      { productCode: 4, quantity: 2 },
      "no-free-license",
      `License 6000010:4 item 5 ${where}: 1 of 1 seats are free, 2 asked for.`,
    ],
    [
      "the reason of the first item among different ones",
      { productCode: 5, featureMap: 2 },
      "feature-missing",
      `License 6000010:5 item 6 ${where} lacks the feature bits 0x2.`,
    ],
    [
      "two seats in station share",
      { productCode: 1, mode: 2, quantity: 2 },
      "bad-request",
      "Station share and exclusive take one seat; this access asked for 2.",
    ],
    [
      "two seats exclusively",
      { productCode: 1, mode: 3, quantity: 2 },
      "bad-request",
      "Station share and exclusive take one seat; this access asked for 2.",
    ],
    [
      "no mode",
      { productCode: 1, mode: 0 },
      "bad-request",
      "Access mode 0 is none: use user limit (1), station share (2), exclusive (3) or no user limit (4).",
    ],
    [
      "a fifth mode",
      { productCode: 1, mode: 5 },
      "bad-request",
      "Access mode 5 is none: use user limit (1), station share (2), exclusive (3) or no user limit (4).",
    ],
    [
      "waiting for more than 49 days",
      { productCode: 1, durationMs: 2 ** 32 },
      "bad-request",
      "An access waits for at most 4294967295 ms; this one asked for 4294967296.",
    ],
    [
      "no seat",
      { productCode: 1, quantity: 0 },
      "bad-request",
      "An access asks for at least one seat; this one asked for 0.",
    ],
    [
      "no user limit for an expired item",
      { productCode: 3, mode: 4 },
      "expired",
      `License 6000010:3 item 3 ${where} was valid until 2029-12-31T00:00:00.000Z.`,
    ],
  ];
  for (const [name, fields, outcome, sentence] of cases) {
    it(`${outcome}: ${name}`, () => {
      const told = kitAt2030().access("a", fields);
      assert.deepEqual([told.outcome, told.text, told.handle], [outcome, sentence, 0]);
    });
  }

  it("not at the first and the last millisecond, but before and after them", () => {
    const kit = kitWith(terms({ tmrId: 1, quantity: 9, activationMs: 10 * day, expirationMs: 11 * day }));
    const outcomes = [10 * day - 1, 10 * day, 11 * day, 11 * day + 1].map((calendarMs) => {
      kit.calendarMs = calendarMs;
      return kit.access("a").outcome;
    });
    // The calendar of this log begins in 2030, and does not go back.
    assert.deepEqual(outcomes, ["expired", "expired", "expired", "expired"]);

    const early = new LicenseKit();
    early.calendarMs = 0;
    early.holdAll(terms({ tmrId: 1, quantity: 9, activationMs: 10 * day, expirationMs: 11 * day }));
    early.open("a");
    const all = [10 * day - 1, 10 * day, 11 * day, 11 * day + 1].map((calendarMs) => {
      early.calendarMs = calendarMs;
      return early.access("a").outcome;
    });
    assert.deepEqual(all, ["not-yet-valid", "ok", "ok", "expired"]);
  });

  it("for good when all handles are in use, in the system or in the session", () => {
    const kit = new LicenseKit({ ...LIMITS, maxHandles: 3, maxHandlesPerSession: 2 });
    kit.holdAll(terms({ tmrId: 1, quantity: 9 }));
    kit.open("a");
    kit.open("b");
    const outcomes = ["a", "a", "a", "b", "b"].map((session) => {
      const told = kit.access(session);
      return [told.outcome, told.text];
    });
    assert.deepEqual(outcomes, [
      ["ok", ""],
      ["ok", ""],
      ["bad-request", "This session holds 2 handles, the most allowed."],
      ["ok", ""],
      ["bad-request", "All 3 handles of this system are in use."],
    ]);
  });
});

function pick(told: { outcome: string; itemRef: number; free: number }): [string, number, number] {
  return [told.outcome, told.itemRef, told.free];
}
