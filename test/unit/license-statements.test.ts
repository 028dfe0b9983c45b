import assert from "node:assert/strict";
import { MAX_STATEMENT_BYTES } from "../../ts/license/limits.js";
import { statementMessage } from "../../ts/license/statement.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { Kind } from "../../ts/wire/kinds.js";
import { LicenseKit, signedStatement, stating, terms } from "../support/license-kit.js";
import { sha256, signAs } from "../support/license-ports.js";

const license = terms({ tmrId: 1, quantity: 10 });

describe("the virtual container", () => {
  it("shows an item from the second equal statement on", () => {
    const kit = new LicenseKit();
    kit.open("a");
    const seen = [1, 3, 2].map((upstream) => {
      kit.hold(upstream as 1 | 2 | 3, license);
      return kit.items("a").map(({ itemRef, holders, odd }) => [itemRef, holders, odd]);
    });
    assert.deepEqual(seen, [[], [[1, [1, 3], undefined]], [[1, [1, 2, 3], undefined]]]);
  });

  it("drops the license only one upstream holds", () => {
    const kit = new LicenseKit();
    kit.open("a");
    kit.holdAll(license);
    kit.hold(1);
    kit.hold(2);
    assert.deepEqual(kit.items("a"), []);
    assert.equal(kit.access("a").outcome, "not-found");
  });

  it("names the odd one of three", () => {
    const kit = new LicenseKit();
    kit.open("a");
    kit.holdAll(license);
    kit.hold(2, { ...license, quantity: 11 });
    const [item] = kit.items("a");
    assert.deepEqual([item?.["quantity"], item?.["holders"], item?.["odd"]], [10, [1, 3], 2]);
  });

  it("hides what all three state differently", () => {
    const kit = new LicenseKit();
    kit.open("a");
    for (const upstream of [1, 2, 3] as const) kit.hold(upstream, { ...license, quantity: upstream });
    assert.deepEqual(kit.items("a"), []);
  });

  it("does not join items of different actId", () => {
    const kit = new LicenseKit();
    kit.open("a");
    for (const upstream of [1, 2, 3] as const) {
      const items = [{ ...license, actId: upstream }];
      kit.one(stating(upstream, signedStatement({ actId: upstream, items, upstream, version: 1 })));
      assert.equal(kit.machine.statementVersion(upstream), 1);
    }
    assert.deepEqual(kit.items("a"), []);
  });

  it("grants only what two of the reached upstreams hold", () => {
    const kit = new LicenseKit();
    kit.open("a");
    kit.holdAll(license);
    kit.hold(3);
    const outcomes = [0, 1, 2, 3, 4, 5, 6, 7].map((reached) => {
      kit.reached = reached;
      return kit.access("a").outcome;
    });
    const no = "not-found";
    assert.deepEqual(outcomes, [no, no, no, "ok", no, no, no, "ok"]);
    kit.reached = 5;
    assert.equal(
      kit.access("a").text,
      "License 6000010:13 item 1 in container 131-729831162: upstreams 1, 2 hold it, 1 of them reached, two are needed.",
    );
    assert.deepEqual(kit.items("a"), []);
  });

  it("tells the reason of a reached item before that of one that is not", () => {
    const kit = new LicenseKit();
    kit.open("a");
    const second = terms({ tmrId: 2, featureMap: 1 });
    kit.holdAll(license, second);
    kit.hold(3, second);
    kit.reached = 6;
    assert.equal(kit.access("a", { featureMap: 2 }).outcome, "feature-missing");
  });

  it("keeps handles and seats of an item that changes, disappears and comes back", () => {
    const kit = new LicenseKit();
    kit.open("a");
    kit.holdAll(license);
    const { handle } = kit.access("a", { quantity: 4 });
    const info = (): unknown[] => {
      const { outcome, quantity, free, total } = kit.ask("a", Kind.info, { handle });
      return [outcome, quantity, free, total];
    };
    kit.holdAll({ ...license, quantity: 3 });
    assert.deepEqual(info(), ["ok", 4, 0, 3]);
    assert.deepEqual(
      kit.items("a").map(({ used, free }) => [used, free]),
      [[4, 0]],
    );
    assert.equal(kit.access("a").outcome, "no-free-license");
    kit.holdAll();
    assert.deepEqual(info(), ["ok", 4, 0, 0]);
    kit.holdAll({ ...license, quantity: 6 });
    assert.deepEqual(info(), ["ok", 4, 2, 6]);
    assert.equal(kit.ask("a", Kind.release, { handle }).free, 6);
  });

  it("forgets the seats of an item that is gone when they are given back", () => {
    const kit = new LicenseKit();
    kit.open("a");
    kit.holdAll(license);
    const { handle } = kit.access("a", { quantity: 4 });
    kit.holdAll();
    const told = kit.ask("a", Kind.release, { handle });
    assert.deepEqual([told.outcome, told.itemRef, told.free, told.total], ["ok", 1, 0, 0]);
    kit.holdAll(license);
    assert.deepEqual(
      kit.items("a").map(({ used }) => used),
      [0],
    );
  });
});

describe("a holding statement", () => {
  it("is accepted with its version and digest", () => {
    const kit = new LicenseKit();
    const blob = signedStatement({ items: [license], upstream: 2, version: 9 });
    assert.equal(kit.machine.statementVersion(2), 0);
    assert.equal(kit.machine.statementDigest(2), null);
    const told = kit.one(stating(2, blob));
    assert.deepEqual([told.kind, told.outcome, told.text], [Kind.statement, "ok", ""]);
    assert.equal(kit.machine.statementVersion(2), 9);
    assert.deepEqual(kit.machine.statementDigest(2), sha256(blob.subarray(64)));
    assert.equal(kit.machine.statementVersion(1), 0);
  });

  const good = { actId: 1, container: "130-5", items: [license], upstream: 1, version: 2 };
  const item = (change: object): object => ({ ...good, items: [{ ...license, ...change }] });
  const without = (name: string): object => {
    const entries = Object.entries(license).filter(([key]) => key !== name);
    return { ...good, items: [Object.fromEntries(entries)] };
  };
  const text = (payload: string): Buffer => {
    const bytes = Buffer.from(payload);
    return Buffer.concat([signAs(1, statementMessage(bytes)), bytes]);
  };
  const json = (content: unknown): Buffer => text(canonicalJson(content));
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ["without a signature", Buffer.alloc(64), "it is too short to carry a signature"],
    ["empty", Buffer.alloc(0), "it is too short to carry a signature"],
    [
      "signed by another upstream",
      signedStatement({ ...good, upstream: 2 }),
      "its signature is not by this upstream's key",
    ],
    ["with a wrong signature", flipped(json(good), 3), "its signature is not by this upstream's key"],
    ["altered", flipped(json(good), 90), "its signature is not by this upstream's key"],
    ["not JSON", text("{"), "it is not JSON"],
    ["a list", text("[]"), "it is not a JSON object"],
    ["null", text("null"), "it is not a JSON object"],
    ["nested deeply", text("[".repeat(100_000) + "]".repeat(100_000)), "it is not a JSON object"],
    ["with white space", text(`${canonicalJson(good)} `), "it is not canonical JSON"],
    [
      "with members in another order",
      text(JSON.stringify(Object.fromEntries(Object.entries(good).reverse()))),
      "it is not canonical JSON",
    ],
    [
      "with a number in another form",
      text(canonicalJson(good).replace('"version":2', '"version":2.0')),
      "it is not canonical JSON",
    ],
    [
      "with a member twice",
      text(canonicalJson(good).replace('"version":2', '"version":1,"version":2')),
      "it is not canonical JSON",
    ],
    [
      "with an escape that is not needed",
      text(canonicalJson(good).replace("Item", "\\u0049tem")),
      "it is not canonical JSON",
    ],
    ["with a lone surrogate", text(canonicalJson(good).replace("Item", "\\ud800")), "an item's text is out of range"],
    [
      "with one member more",
      json({ ...good, more: 1 }),
      "its members are not actId, container, items, upstream, version",
    ],
    [
      "with another member",
      json({ actId: 1, container: "1-1", items: [], upstream: 1, versions: 2 }),
      "its members are not actId, container, items, upstream, version",
    ],
    ["for another upstream", json({ ...good, upstream: 2 }), "it is not by upstream 1"],
    ["with version 0", json({ ...good, version: 0 }), "its version is not a positive integer"],
    ["with a text as version", json({ ...good, version: "2" }), "its version is not a positive integer"],
    ["with an earlier version", json({ ...good, version: 1 }), "its version 1 is not above 1"],
    ["with a wrong container", json({ ...good, container: "130-05" }), "its container number is wrong"],
    [
      "with a container serial beyond 32 bits",
      json({ ...good, container: "130-4294967296" }),
      "its container number is wrong",
    ],
    ["with items that are no list", json({ ...good, items: {} }), "its items are not a list"],
    ["with an item that is no object", json({ ...good, items: [1] }), "an item is not an object"],
    ["with an item that is a list", json({ ...good, items: [[]] }), "an item is not an object"],
    ["with an item of another actId", json({ ...good, actId: 2 }), "an item's actId is not that of the container"],
    ["with an actId that is no u32", json({ ...good, items: [], actId: -1 }), "its actId is not a u32"],
    ["with an item twice", json({ ...good, items: [license, license] }), "its items are not strictly ascending"],
    [
      "with items in another order",
      json({ ...good, items: [terms({ tmrId: 2 }), license] }),
      "its items are not strictly ascending",
    ],
    [
      "with an option that is not enforced",
      json(item({ usagePeriod: 60 })),
      "an item has an option that this server does not enforce",
    ],
    [
      "with a member of every object",
      text(canonicalJson(good).replace('"actId":1,"featureMap"', '"__proto__":1,"actId":1,"featureMap"')),
      "an item has an option that this server does not enforce",
    ],
    ["with an item without a TMR-ID", json(item({ tmrId: 0, itemRef: 1 })), "an item has no TMR-ID"],
    [
      "with terms that do not fit",
      json(item({ borrowRevocable: true })),
      "an item has borrowRevocable without borrowSeconds",
    ],
    ["with an item without seats", json(item({ quantity: 0 })), "an item's quantity is out of range"],
    ["with too large a quantity", json(item({ quantity: 2 ** 32 })), "an item's quantity is out of range"],
    ["with a negative firm code", json(item({ firmCode: -1 })), "an item's firmCode is out of range"],
    ["with a text as product code", json(item({ productCode: "13" })), "an item's productCode is out of range"],
    ["with too large a feature map", json(item({ featureMap: 2 ** 32 })), "an item's featureMap is out of range"],
    ["with too long a text", json(item({ text: "é".repeat(129) })), "an item's text is out of range"],
    ["with a number as text", json(item({ text: 1 })), "an item's text is out of range"],
    [
      "with a time that has no date",
      json(item({ expirationMs: 253_402_300_800_000 })),
      "an item's expirationMs is out of range",
    ],
    ["with a negative time", json(item({ activationMs: -1 })), "an item's activationMs is out of range"],
    [
      "with too long an owner information",
      json(item({ ownerInformation: "x".repeat(257) })),
      "an item's ownerInformation is out of range",
    ],
    ...["actId", "firmCode", "productCode", "tmrId", "text", "quantity", "featureMap"].map(
      (name) => [`without ${name}`, json(without(name)), `an item lacks ${name}`] as const,
    ),
    [
      "too long",
      Buffer.alloc(MAX_STATEMENT_BYTES + 1),
      `it has ${MAX_STATEMENT_BYTES + 1} bytes, at most ${MAX_STATEMENT_BYTES} are read`,
    ],
  ];
  for (const [name, blob, reason] of cases) {
    it(`${name} is refused and changes nothing`, () => {
      const kit = new LicenseKit();
      kit.open("a");
      kit.hold(1, license);
      kit.hold(2, license);
      const before = kit.items("a");
      const told = kit.one(stating(1, blob));
      assert.deepEqual(
        [told.outcome, told.text],
        ["bad-request", `The statement of upstream 1 is refused: ${reason}.`],
      );
      assert.equal(kit.machine.statementVersion(1), 1);
      assert.deepEqual(kit.items("a"), before);
    });
  }

  it("of a fourth upstream is refused", () => {
    const told = new LicenseKit().one(stating(4, signedStatement(good)));
    assert.deepEqual([told.outcome, told.text], ["bad-request", "A statement is by upstream 1, 2 or 3, not 4."]);
  });

  it("keeps every limit of the terms at its edge", () => {
    const kit = new LicenseKit();
    const edge = terms({
      tmrId: 0xffff_ffff,
      firmCode: 0xffff_ffff,
      productCode: 0xffff_ffff,
      quantity: 0xffff_ffff,
      featureMap: 0xffff_ffff,
      text: "é".repeat(128),
      ownerInformation: '"'.repeat(256),
      activationMs: 0,
      expirationMs: 253_402_300_799_999,
    });
    kit.holdAll(edge);
    kit.open("a");
    const told = kit.access("a", {
      firmCode: 0xffff_ffff,
      productCode: 0xffff_ffff,
      quantity: 0xffff_ffff,
      featureMap: 0xffff_ffff,
    });
    assert.deepEqual([told.outcome, told.quantity, told.free, told.total], ["ok", 0xffff_ffff, 0, 0xffff_ffff]);
    const { actId: _actId, tmrId, ...shown } = edge;
    const seats = { used: 0xffff_ffff, reserved: 0, lingering: 0, queued: 0, free: 0 };
    assert.deepEqual(kit.items("a"), [{ ...shown, itemRef: tmrId, ...seats, holders: [1, 2, 3] }]);
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}
