import assert from "node:assert/strict";
import { LicenseMachine } from "../../ts/license/machine.js";
import { Kind } from "../../ts/wire/kinds.js";
import { identityText, LicenseKit, terms } from "../support/license-kit.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";
import { ordinary, StandaloneKit } from "../support/standalone-kit.js";

const SHARE = 2;
const EXCLUSIVE = 3;
const FREE = 4;

interface Names {
  readonly host?: string;
  readonly user?: string;
  readonly station?: string;
  readonly program?: string;
}

/** Sessions by name; a name says who it is: `host/station/program/user`. */
function kitWith(quantity: number, more: Partial<Parameters<typeof terms>[0]> = {}): LicenseKit {
  const kit = new LicenseKit();
  kit.holdAll(terms({ tmrId: 1, quantity, ...more }));
  return kit;
}

function open(kit: LicenseKit, session: string, names: Names): void {
  kit.ask(session, Kind.openSession, { blob: identityText(names) });
}

const seats = (kit: LicenseKit, session: string): unknown =>
  kit.items(session).map(({ used, free, lingering, queued }) => ({ used, free, lingering, queued }))[0];

describe("access modes, as published", () => {
  it("20 licenses, 9 instances open, 3 of them without user limit: 6 taken, 14 free", () => {
    const kit = kitWith(20);
    open(kit, "a", { host: "h", program: "cad" });
    for (let i = 0; i < 9; i++) assert.equal(kit.access("a", { mode: i < 6 ? 1 : FREE }).outcome, "ok");
    assert.deepEqual(seats(kit, "a"), { used: 6, free: 14, lingering: 0, queued: 0 });
  });

  it("one station opens 6 instances in station share and takes 1", () => {
    const kit = kitWith(20);
    for (let i = 0; i < 6; i++) {
      open(kit, `s${i}`, { host: "h", station: "1", program: "cad" });
      assert.equal(kit.access(`s${i}`, { mode: SHARE }).outcome, "ok");
    }
    assert.deepEqual(seats(kit, "s0"), { used: 1, free: 19, lingering: 0, queued: 0 });
  });
});

describe("station share", () => {
  it("takes one seat for each station: host and login session", () => {
    const kit = kitWith(20);
    open(kit, "a", { host: "h", station: "1" });
    open(kit, "b", { host: "h", station: "2" });
    open(kit, "c", { host: "i", station: "1" });
    open(kit, "d", { host: "i", station: "1", user: "other" });
    const taken = ["a", "b", "c", "d", "a"].map((session) => kit.access(session, { mode: SHARE }).free);
    assert.deepEqual(taken, [19, 18, 17, 17, 17]);
  });

  it("keeps the seat until the last handle of the station is released, in any order", () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
      [1, 2, 0],
    ]) {
      const kit = kitWith(1);
      for (let i = 0; i < 3; i++) open(kit, `s${i}`, { host: "h" });
      open(kit, "x", { host: "x" });
      const handles = [0, 1, 2].map((i) => kit.access(`s${i}`, { mode: SHARE }).handle);
      const seen = order.map((i) => {
        const before = kit.access("x").outcome;
        const told = kit.ask(`s${i}`, Kind.release, { handle: handles[i] ?? 0 });
        return [before, told.outcome, told.free];
      });
      assert.deepEqual(seen, [
        ["no-free-license", "ok", 0],
        ["no-free-license", "ok", 0],
        ["no-free-license", "ok", 1],
      ]);
    }
  });

  it("shows the seat at exactly one handle of the station", () => {
    const kit = kitWith(5);
    open(kit, "a", { host: "h" });
    open(kit, "b", { host: "h" });
    const first = kit.access("a", { mode: SHARE });
    const second = kit.access("b", { mode: SHARE });
    assert.deepEqual([first.quantity, second.quantity], [1, 0]);
    kit.ask("a", Kind.release, { handle: first.handle });
    assert.equal(kit.ask("b", Kind.info, { handle: second.handle }).quantity, 1);
  });

  it("counts a client that names no station as a station by itself", () => {
    const kit = kitWith(5);
    open(kit, "a", {});
    open(kit, "b", {});
    assert.deepEqual(
      ["a", "a", "b"].map((session) => kit.access(session, { mode: SHARE }).free),
      [4, 4, 3],
    );
  });

  it("comes back to the item whose seat the station shares, though an earlier one is free by now", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1 }), terms({ tmrId: 2 }));
    open(kit, "a", { host: "h" });
    open(kit, "x", { host: "x" });
    const { handle } = kit.access("x");
    assert.equal(kit.access("a", { mode: SHARE }).itemRef, 2);
    kit.ask("x", Kind.release, { handle });
    assert.equal(kit.access("a", { mode: SHARE }).itemRef, 2);
    assert.deepEqual(
      kit.items("a").map(({ used }) => used),
      [0, 1],
    );
  });

  it("takes a seat of its own beside user limit of the same station", () => {
    const kit = kitWith(5);
    open(kit, "a", { host: "h" });
    assert.deepEqual([kit.access("a").free, kit.access("a", { mode: SHARE }).free], [4, 3]);
  });

  it("ends with its sessions", () => {
    const kit = kitWith(1);
    open(kit, "a", { host: "h" });
    open(kit, "b", { host: "h" });
    open(kit, "x", { host: "x" });
    kit.access("a", { mode: SHARE });
    kit.access("b", { mode: SHARE });
    kit.ask("a", Kind.closeSession);
    assert.equal(kit.access("x").outcome, "no-free-license");
    kit.ask("b", Kind.closeSession);
    assert.equal(kit.access("x").outcome, "ok");
  });
});

describe("exclusive", () => {
  const rows: readonly (readonly [string, Names, string])[] = [
    ["the same program on the same station", { host: "h", station: "1", program: "cad" }, "no-free-license"],
    ["the same for another user", { host: "h", station: "1", program: "cad", user: "u" }, "no-free-license"],
    ["another program on the same station", { host: "h", station: "1", program: "cam" }, "ok"],
    ["the same program on another station", { host: "h", station: "2", program: "cad" }, "ok"],
    ["the same program on another host", { host: "i", station: "1", program: "cad" }, "ok"],
  ];
  for (const [name, names, outcome] of rows) {
    it(`${outcome}: ${name}`, () => {
      const kit = kitWith(9);
      open(kit, "a", { host: "h", station: "1", program: "cad" });
      open(kit, "b", names);
      assert.equal(kit.access("a", { mode: EXCLUSIVE }).outcome, "ok");
      const told = kit.access("b", { mode: EXCLUSIVE });
      assert.equal(told.outcome, outcome);
      if (outcome === "ok") return;
      assert.equal(
        told.text,
        "License 6000010:13 item 1 in container 131-729831162: the program runs on this station already, and it is exclusive.",
      );
    });
  }

  it("may run again once it was released, or its session ended", () => {
    const kit = kitWith(9);
    for (const name of ["a", "b", "c"]) open(kit, name, { host: "h", program: "cad" });
    const { handle } = kit.access("a", { mode: EXCLUSIVE });
    kit.ask("a", Kind.release, { handle });
    assert.equal(kit.access("b", { mode: EXCLUSIVE }).outcome, "ok");
    assert.equal(kit.access("c", { mode: EXCLUSIVE }).outcome, "no-free-license");
    kit.ask("b", Kind.closeSession);
    assert.equal(kit.access("c", { mode: EXCLUSIVE }).outcome, "ok");
    assert.deepEqual(seats(kit, "c"), { used: 1, free: 8, lingering: 0, queued: 0 });
  });

  it("is not got around by another item of the product", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1 }), terms({ tmrId: 2 }));
    open(kit, "a", { host: "h", program: "cad" });
    kit.access("a", { mode: EXCLUSIVE });
    assert.equal(kit.access("a", { mode: EXCLUSIVE, itemRef: 2 }).outcome, "no-free-license");
  });

  it("is not got around by modules of different licenses, nor by a license with the Product Code of a module", () => {
    const kit = new LicenseKit();
    const modules = [{ productCode: 20, text: "", featureMap: 0 }];
    const licenses = [terms({ tmrId: 1, modules }), terms({ tmrId: 2, productCode: 14, modules })];
    kit.holdAll(...licenses, terms({ tmrId: 3, productCode: 20 }));
    open(kit, "a", { host: "h", program: "cad" });
    open(kit, "b", { host: "h", program: "cad" });
    const asked = { mode: EXCLUSIVE, productCode: 20 };
    const { handle, itemRef } = kit.access("a", asked);
    assert.equal(itemRef, 1);
    const others = (): string[] => [2, 3].map((item) => kit.access("b", { ...asked, itemRef: item }).outcome);
    assert.deepEqual(others(), ["no-free-license", "no-free-license"]);
    kit.machine = LicenseMachine.restore(kit.machine.snapshot(), testGenesis, licensePorts);
    assert.deepEqual(others(), ["no-free-license", "no-free-license"]);
    kit.ask("a", Kind.release, { handle });
    assert.deepEqual(others(), ["ok", "no-free-license"]);
  });

  it("counts a license and its module as two: a program may use both", () => {
    const kit = kitWith(2, { modules: [{ productCode: 20, text: "", featureMap: 0 }] });
    open(kit, "a", { host: "h", program: "cad" });
    const taken = [13, 20, 13, 20].map((productCode) => kit.access("a", { mode: EXCLUSIVE, productCode }).outcome);
    assert.deepEqual(taken, ["ok", "ok", "no-free-license", "no-free-license"]);
  });

  it("does not wait for its other instance", () => {
    const kit = kitWith(9);
    open(kit, "a", { host: "h", program: "cad" });
    kit.access("a", { mode: EXCLUSIVE });
    assert.equal(kit.access("a", { mode: EXCLUSIVE, durationMs: 1_000 }).outcome, "no-free-license");
  });

  it("counts an instance that waits", () => {
    const kit = kitWith(1);
    open(kit, "x", { host: "x" });
    open(kit, "a", { host: "h", program: "cad" });
    open(kit, "b", { host: "h", program: "cad" });
    kit.access("x");
    assert.equal(kit.access("a", { mode: EXCLUSIVE, durationMs: 1_000 }).outcome, "queued");
    assert.equal(kit.access("b", { mode: EXCLUSIVE, durationMs: 1_000 }).outcome, "no-free-license");
  });
});

describe("a license for the server's own machine", () => {
  const addresses: readonly (readonly [string, string])[] = [
    ["this machine", "00000000000000000000000000000001"],
    ["this machine by IPv4", "00000000000000000000ffff7f000001"],
    ["another machine", "00000000000000000000ffff0a000001"],
    ["an unknown address", "00000000000000000000000000000000"],
  ];
  for (const [name, address] of addresses) {
    it(`${name.startsWith("this") ? "is granted" : "is refused"} to ${name} by a standalone server`, () => {
      const kit = new StandaloneKit();
      kit.holdOwn({ container: "130-77", items: [ordinary(1, { localOnly: true })] });
      kit.ask("a", Kind.openSession, { address: Buffer.from(address, "hex") });
      assert.equal(kit.access("a").outcome, name.startsWith("this") ? "ok" : "access-list");
    });

    it(`of a TMR system is refused to ${name}: it is held by three`, () => {
      const kit = kitWith(1, { localOnly: true });
      kit.ask("a", Kind.openSession, { address: Buffer.from(address, "hex") });
      const told = kit.access("a");
      assert.deepEqual(
        [told.outcome, told.text],
        [
          "access-list",
          "License 6000010:13 item 1 in container 131-729831162 is for programs on the machine of its license server only.",
        ],
      );
    });
  }
});
