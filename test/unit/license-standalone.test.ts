/** The license rules of a server that serves alone: one of one decides, and containers are shown as they are. */
import assert from "node:assert/strict";
import { genesisDigest } from "../../ts/license/genesis.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { Kind } from "../../ts/wire/kinds.js";
import { EXPIRE, signedStatement, stating, terms } from "../support/license-kit.js";
import { licensePorts, sha256, testGenesis } from "../support/license-ports.js";
import { ordinary, ownStatement, StandaloneKit, standaloneGenesis } from "../support/standalone-kit.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("a standalone genesis", () => {
  it("has a format tag of its own and one key", () => {
    const text = `tmr standalone genesis/1\n${canonicalJson({ ...standaloneGenesis })}`;
    assert.equal(hex(genesisDigest(standaloneGenesis, sha256)), hex(sha256(Buffer.from(text))));
    assert.notEqual(hex(genesisDigest(standaloneGenesis, sha256)), hex(genesisDigest(testGenesis, sha256)));
  });

  it("with a key that is none is refused", () => {
    assert.throws(() => LicenseMachine.create({ ...standaloneGenesis, upstreams: ["AAAA"] }, licensePorts), {
      code: "ERR_TMR_ARGUMENT",
    });
  });
});

describe("a standalone license server's rules", () => {
  it("grant an ordinary license of the one statement that there is, under the number of its container", () => {
    const kit = new StandaloneKit();
    kit.holdOwn({ container: "130-77", items: [ordinary(1)] });
    kit.open("a");
    const told = kit.access("a");
    assert.deepEqual(
      [told.outcome, told.itemRef, told.mask, told.serial, told.free, told.total],
      ["ok", 1, 130, 77, 0, 1],
    );
    const second = kit.access("a");
    assert.deepEqual(
      [second.outcome, second.text],
      ["no-free-license", "License 6000010:13 item 1 in container 130-77: 0 of 1 seats are free, 1 asked for."],
    );
    assert.equal(kit.ask("a", Kind.release, { handle: told.handle }).outcome, "ok");
    assert.equal(kit.access("a").outcome, "ok");
  });

  it("look into containers in order of their serial, then at items in order of their reference", () => {
    const kit = new StandaloneKit();
    kit.holdOwn(
      { container: "130-5", actId: 9, items: [ordinary(2, { actId: 9 }), ordinary(4, { actId: 9 })] },
      { container: "130-70", actId: 3, items: [ordinary(1, { actId: 3 })] },
    );
    kit.open("a");
    const granted = [1, 2, 3].map(() => kit.access("a")).map(({ serial, itemRef }) => `${serial}:${itemRef}`);
    assert.deepEqual(granted, ["5:2", "5:4", "70:1"]);
    assert.equal(kit.access("a").outcome, "no-free-license");
  });

  it("count equal item references of two containers apart, whatever their actId", () => {
    const kit = new StandaloneKit();
    kit.holdOwn({ container: "130-5", items: [ordinary(1)] }, { container: "130-70", items: [ordinary(1)] });
    kit.open("a");
    assert.deepEqual(
      [1, 2, 3].map(() => kit.access("a").outcome),
      ["ok", "ok", "no-free-license"],
    );
  });

  describe("bind a license that several containers hold with one item reference", () => {
    const three = ["130-5", "130-70", "130-71"];
    const named = { namedUser: "ada", namedUserIntervalSeconds: 60 };
    const license = "License 6000010:13 item 1";
    const rows: readonly (readonly [says: string, holders: readonly string[], container: string, told: string])[] = [
      [
        "not, unless its container is named",
        three.slice(0, 2),
        "0-0",
        `bad-request ${license} is not one: containers 130-5, 130-70 hold it; name the one that is meant.`,
      ],
      [
        "not, and name no more containers than a sentence has room for",
        [...three, "130-72"],
        "0-0",
        `bad-request ${license} is not one: containers 130-5, 130-70, 130-71 and 1 more hold it; name the one that is meant.`,
      ],
      ["in the container that is named", three, "130-70", "ok "],
      ["in the only one there is without naming it", ["130-70"], "0-0", "ok "],
      ["not in a container that has none", three, "130-9", `not-found ${license} is not in container 130-9.`],
    ];
    for (const [says, holders, container, told] of rows) {
      it(says, () => {
        const kit = new StandaloneKit();
        kit.holdOwn(...holders.map((name) => ({ container: name, items: [ordinary(1, named)] })));
        const [mode = 0, featureMap = 0] = container.split("-").map(Number);
        const codes = { firmCode: 6000010, productCode: 13, itemRef: 1 };
        const asked = { ...EXPIRE, kind: Kind.setNamedUser, ...codes, mode, featureMap, blob: Buffer.from("bob") };
        const { outcome, text } = kit.one(asked);
        assert.equal(`${outcome} ${text}`, told);
        kit.open("a");
        const bound = kit.items("a").filter((item) => item["namedUser"] === "bob");
        assert.deepEqual(
          bound.map((item) => item["container"]),
          outcome === "ok" ? ["130-70"] : [],
        );
      });
    }
  });

  it("name every container in which nothing was found", () => {
    const kit = new StandaloneKit();
    kit.open("a");
    assert.equal(kit.access("a").text, "No license 6000010:13 in container (none).");
    kit.holdOwn(...[1, 2, 3, 4].map((serial) => ({ container: `130-${serial}`, items: [] })));
    assert.equal(kit.access("a").text, "No license 6000010:13 in container 130-1, 130-2, 130-3 and 1 more.");
  });

  it("refuse a license with a TMR-ID as tmr-only, and neither list nor count it", () => {
    const kit = new StandaloneKit();
    kit.holdOwn({ container: "130-77", items: [ordinary(1), terms({ tmrId: 5, productCode: 14 })] });
    kit.open("a");
    const told = kit.access("a", { productCode: 14 });
    assert.deepEqual(
      [told.outcome, told.text],
      [
        "tmr-only",
        "License 6000010:14 in container 130-77 has TMR-ID 5: only the TMR servers of its system may use it.",
      ],
    );
    assert.equal(kit.access("a", { productCode: 14, itemRef: 6 }).outcome, "not-found");
    assert.deepEqual(
      kit.items("a").map(({ itemRef }) => itemRef),
      [1],
    );
  });

  it("prefer an ordinary license to one with a TMR-ID of the same product", () => {
    const kit = new StandaloneKit();
    kit.holdOwn({ container: "130-77", items: [ordinary(1), terms({ tmrId: 5 })] });
    kit.open("a");
    assert.equal(kit.access("a").itemRef, 1);
    assert.equal(kit.access("a").outcome, "no-free-license");
  });

  it("list each container with its kind, licenses and handles, and each license with its container", () => {
    const kit = new StandaloneKit();
    kit.holdOwn(
      { container: "2-5", items: [ordinary(1, { quantity: 2 }), ordinary(2)] },
      { container: "130-70", items: [ordinary(1, { productCode: 14 })] },
    );
    kit.open("a");
    kit.access("a");
    kit.access("a");
    const shown = { sessions: 1 };
    assert.deepEqual(JSON.parse(kit.ask("a", Kind.containers).text), [
      { ...shown, container: "2-5", kind: "dongle", items: 2, handles: 2 },
      { ...shown, container: "130-70", kind: "activation", items: 1, handles: 0 },
    ]);
    const [first] = kit.items("a");
    assert.deepEqual(
      { container: first?.["container"], holders: first?.["holders"], used: first?.["used"] },
      { container: "2-5", holders: [1], used: 2 },
    );
  });

  it("keep the seats of a container that goes and comes back", () => {
    const kit = new StandaloneKit();
    kit.holdOwn({ container: "130-77", items: [ordinary(1)] });
    kit.open("a");
    const { handle } = kit.access("a");
    kit.holdOwn();
    assert.equal(kit.access("a").outcome, "not-found");
    assert.equal(kit.ask("a", Kind.info, { handle }).outcome, "ok");
    kit.holdOwn({ container: "130-77", items: [ordinary(1)] });
    assert.equal(kit.access("a").outcome, "no-free-license");
  });

  it("go on from a snapshot with the same digest and the same answers", () => {
    const kit = new StandaloneKit();
    kit.holdOwn(
      { container: "130-5", items: [ordinary(1)] },
      { container: "130-70", items: [ordinary(1), terms({ tmrId: 5, productCode: 14 })] },
    );
    kit.open("a");
    kit.access("a");
    const snapshot = kit.machine.snapshot();
    const other = new StandaloneKit();
    other.machine = LicenseMachine.restore(snapshot, standaloneGenesis, licensePorts);
    assert.equal(hex(other.machine.snapshot()), hex(snapshot));
    const asked = [
      kit.next("a", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 }),
      kit.next("a", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 14 }),
      kit.next("a", Kind.items),
    ];
    const told = kit.run(...asked).map(({ bytes }) => hex(bytes));
    assert.deepEqual(
      other.run(...asked).map(({ bytes }) => hex(bytes)),
      told,
    );
    assert.equal(hex(other.machine.stateDigest), hex(kit.machine.stateDigest));
    assert.throws(() => LicenseMachine.restore(snapshot, testGenesis, licensePorts), { code: "ERR_TMR_STORE" });
  });
});

describe("a standalone server's statement", () => {
  const one = { actId: 1, container: "130-77", items: [ordinary(1)] };
  const rows: readonly (readonly [what: string, blob: Buffer, fault: string])[] = [
    ["by another key", ownStatement(1, [one], 2), "its signature is not by this upstream's key"],
    [
      "signed as one of a TMR system",
      ownStatement(1, [one], 1, Buffer.from("tmr-statement/1\n")),
      "its signature is not by this upstream's key",
    ],
    [
      "of a TMR system",
      signedStatement({ items: [], upstream: 1, version: 1 }),
      "its signature is not by this upstream's key",
    ],
    ["too short", Buffer.alloc(64), "it is too short to carry a signature"],
    ["of version 0", ownStatement(0, [one]), "its version is not a positive integer"],
    ["without a list", ownStatement(1, "none" as never), "its containers are not a list"],
    [
      "with a container of too many members",
      ownStatement(1, [{ ...one, more: 1 }]),
      "the members of a container are not actId, container, items",
    ],
    [
      "with a container number that is none",
      ownStatement(1, [{ ...one, container: "130" }]),
      "a container number is wrong",
    ],
    ["with a container twice", ownStatement(1, [one, one]), "its containers are not strictly ascending"],
    [
      "with containers out of order",
      ownStatement(1, [one, { ...one, container: "130-5" }]),
      "its containers are not strictly ascending",
    ],
    ["with items that are none", ownStatement(1, [{ ...one, items: 5 }]), "the items of a container are not a list"],
    [
      "with an item twice",
      ownStatement(1, [{ ...one, items: [ordinary(1), ordinary(1)] }]),
      "the items of a container are not strictly ascending",
    ],
    [
      "with an item of another actId",
      ownStatement(1, [{ ...one, items: [ordinary(1, { actId: 2 })] }]),
      "an item's actId is not that of its container",
    ],
    [
      "with an item without any reference",
      ownStatement(1, [{ ...one, items: [terms({ tmrId: 0 })] }]),
      "an item without a TMR-ID needs an itemRef",
    ],
  ];
  for (const [what, blob, fault] of rows) {
    it(`${what} is refused and changes nothing`, () => {
      const kit = new StandaloneKit();
      const told = kit.one(stating(1, blob));
      assert.deepEqual([told.outcome, told.text], ["bad-request", `The statement of upstream 1 is refused: ${fault}.`]);
      assert.equal(kit.machine.statementVersion(1), 0);
    });
  }

  it("of an older version, or by a second upstream, is refused", () => {
    const kit = new StandaloneKit();
    kit.holdOwn(one);
    kit.holdOwn(one);
    assert.match(kit.one(stating(1, ownStatement(2, [one]))).text, /its version 2 is not above 2/);
    assert.equal(kit.one(stating(2, ownStatement(3, [one], 2))).text, "A statement is by upstream 1, not 2.");
  });
});
