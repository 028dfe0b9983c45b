import assert from "node:assert/strict";
import { LicenseMachine } from "../../ts/license/machine.js";
import { Kind } from "../../ts/wire/kinds.js";
import { identityText, LicenseKit, type Told, terms } from "../support/license-kit.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";
import { ordinary, StandaloneKit } from "../support/standalone-kit.js";

const WAIT = { durationMs: 10_000 };
const system = { request: 0, session: new Uint8Array(16) };
const product = { level: "product", firmCode: 6000010, productCode: 13 };

/** Sessions of users with their names; anna and ben are in the group cad. */
function kitWith(quantity: number, more: Partial<Parameters<typeof terms>[0]> = {}): LicenseKit {
  const kit = new LicenseKit();
  kit.holdAll(terms({ tmrId: 1, quantity, ...more }));
  for (const name of ["anna", "ben", "cora", "dora"]) {
    kit.ask(name, Kind.openSession, { blob: identityText({ user: name, host: `${name}s` }), durationMs: 600_000 });
  }
  return kit;
}

function set(kit: LicenseKit, ...rules: readonly unknown[]): Told {
  const document = { format: "tmr-access-list/1", groups: { cad: ["anna", "ben"] }, rules };
  return kit.one({ ...system, kind: Kind.setAccessList, blob: Buffer.from(JSON.stringify(document)) });
}

function counts(kit: LicenseKit): unknown {
  const [item] = kit.items("anna");
  return [item?.["used"], item?.["reserved"], item?.["free"]];
}

const rule = (kind: string, value: string, more: object = {}): object => ({
  level: "global",
  kind,
  value,
  effect: "allow",
  ...more,
});

describe("the access list at an access", () => {
  it("denies with a sentence that names the rule", () => {
    const kit = kitWith(1);
    assert.equal(
      set(kit, rule("user", "ben"), { ...product, kind: "group", value: "cad", effect: "deny" }).outcome,
      "ok",
    );
    const told = kit.access("anna");
    assert.deepEqual(
      [told.outcome, told.text],
      [
        "access-list",
        "License 6000010:13 item 1 in container 131-729831162: rule 2 (group cad, product 6000010:13) of the access list denies it.",
      ],
    );
    assert.equal(kit.access("cora").outcome, "ok");
  });

  it("asks rules of a container about that container only", () => {
    const kit = new StandaloneKit();
    kit.holdOwn({ container: "130-5", items: [ordinary(1)] }, { container: "130-70", items: [ordinary(1)] });
    kit.open("a");
    const document = {
      format: "tmr-access-list/1",
      rules: [{ ...rule("default", "", { effect: "deny" }), level: "container", container: "130-5" }],
    };
    kit.one({ ...system, kind: Kind.setAccessList, blob: Buffer.from(JSON.stringify(document)) });
    assert.deepEqual([kit.access("a").serial, kit.access("a").outcome], [70, "no-free-license"]);
  });

  it("denies no user limit too", () => {
    const kit = kitWith(1);
    set(kit, rule("default", "", { effect: "deny" }));
    assert.equal(kit.access("anna", { mode: 4 }).outcome, "access-list");
  });

  it("takes the address from the session", () => {
    const kit = kitWith(1);
    kit.ask("near", Kind.openSession, { address: Buffer.from("00000000000000000000ffff0a010203", "hex") });
    set(kit, rule("default", "", { effect: "deny" }), rule("subnet", "10.1.0.0/16"));
    assert.deepEqual([kit.access("anna").outcome, kit.access("near").outcome], ["access-list", "ok"]);
  });

  it("takes no seat from whoever holds one already", () => {
    const kit = kitWith(1);
    const { handle } = kit.access("anna");
    set(kit, rule("default", "", { effect: "deny" }));
    assert.equal(kit.ask("anna", Kind.info, { handle }).outcome, "ok");
  });

  it("ends the waiting of whom a new list denies, and says so", () => {
    const kit = kitWith(1);
    const { handle } = kit.access("anna");
    const ben = kit.access("ben", WAIT).handle;
    const cora = kit.access("cora", WAIT).handle;
    set(kit, rule("user", "ben", { effect: "deny" }));
    const told = kit.ask("ben", Kind.info, { handle: ben });
    assert.deepEqual(
      [told.outcome, told.text],
      [
        "access-list",
        `Handle ${ben} of license 6000010:13 item 1 in container 131-729831162 waits no more: another access list does not allow it.`,
      ],
    );
    kit.ask("anna", Kind.release, { handle });
    assert.equal(kit.ask("cora", Kind.info, { handle: cora }).outcome, "ok");
  });

  it("is weighed below no free license and above not found", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1, quantity: 1 }), terms({ tmrId: 2, quantity: 1, localOnly: true }));
    kit.open("a");
    assert.equal(kit.access("a", { itemRef: 2 }).outcome, "access-list");
    kit.access("a");
    assert.deepEqual([kit.access("a").outcome, kit.access("a").itemRef], ["no-free-license", 1]);
  });
});

describe("reserved seats", () => {
  it("count as taken for everyone else, and are shown as reserved, not in use", () => {
    const kit = kitWith(5);
    set(kit, rule("group", "cad", { reserved: 2 }));
    assert.deepEqual(counts(kit), [0, 2, 3]);
    assert.equal(kit.access("cora", { quantity: 3 }).outcome, "ok");
    const refused = kit.access("cora");
    assert.deepEqual(
      [refused.outcome, refused.text],
      [
        "no-free-license",
        "License 6000010:13 item 1 in container 131-729831162: 0 of 5 seats are free, 1 asked for; 2 reserved.",
      ],
    );
    assert.deepEqual(counts(kit), [3, 2, 0]);
    assert.equal(kit.access("anna").outcome, "ok");
    assert.deepEqual(counts(kit), [4, 1, 0]);
    assert.equal(kit.access("ben").outcome, "ok");
    assert.equal(kit.access("ben").outcome, "no-free-license");
  });

  it("are used first by whom they are for; more come from what is free", () => {
    const kit = kitWith(5);
    set(kit, rule("user", "anna", { reserved: 2 }));
    kit.access("anna", { quantity: 4 });
    assert.deepEqual(counts(kit), [4, 0, 1]);
    assert.equal(kit.access("cora").outcome, "ok");
  });

  it("are kept again when they are given back", () => {
    const kit = kitWith(5);
    set(kit, rule("user", "anna", { reserved: 2 }));
    const { handle } = kit.access("anna", { quantity: 2 });
    assert.deepEqual(counts(kit), [2, 0, 3]);
    kit.ask("anna", Kind.release, { handle });
    assert.deepEqual(counts(kit), [0, 2, 3]);
  });

  it("of several rules add up, each for its own", () => {
    const kit = kitWith(5);
    set(kit, rule("user", "anna", { reserved: 2 }), rule("user", "ben", { reserved: 2 }));
    assert.deepEqual(counts(kit), [0, 4, 1]);
    assert.equal(kit.access("anna", { quantity: 4 }).outcome, "no-free-license");
    assert.equal(kit.access("anna", { quantity: 3 }).outcome, "ok");
    assert.equal(kit.access("ben", { quantity: 2 }).outcome, "ok");
  });

  it("beyond what is left show only what is left", () => {
    const kit = kitWith(3);
    kit.access("cora", { quantity: 2 });
    set(kit, rule("user", "anna", { reserved: 5 }));
    assert.deepEqual(counts(kit), [2, 1, 0]);
  });

  it("at a license where a Default decides before the rule are none", () => {
    const kit = kitWith(3);
    set(kit, rule("user", "anna", { reserved: 2 }), { ...product, kind: "default", effect: "allow" });
    assert.deepEqual(counts(kit), [0, 0, 3]);
  });

  it("count seats that linger for whom they are for", () => {
    const kit = kitWith(3, { lingerSeconds: 60 });
    set(kit, rule("user", "anna", { reserved: 2 }));
    const { handle } = kit.access("anna");
    kit.ask("anna", Kind.release, { handle });
    assert.deepEqual(counts(kit), [0, 1, 1]);
    kit.logMs += 60_000;
    assert.deepEqual(counts(kit), [0, 2, 1]);
  });

  it("are granted though others wait for seats that are kept from them", () => {
    const kit = kitWith(2);
    set(kit, rule("user", "anna", { reserved: 1 }));
    kit.access("cora");
    const dora = kit.access("dora", WAIT).handle;
    assert.equal(kit.access("anna").outcome, "ok");
    assert.equal(kit.ask("dora", Kind.info, { handle: dora }).outcome, "queued");
  });

  it("are not granted past one of the same rule who waits for more of them", () => {
    const kit = kitWith(4);
    set(kit, rule("group", "cad", { reserved: 2 }));
    kit.access("cora", { quantity: 2 });
    assert.equal(kit.access("anna", { ...WAIT, quantity: 3 }).outcome, "queued");
    assert.equal(kit.access("ben").outcome, "no-free-license");
  });

  it("that start a station's share let the others of the station in who wait", () => {
    const kit = kitWith(2);
    kit.ask("emil", Kind.openSession, { blob: identityText({ user: "emil", host: "annas" }) });
    set(kit, rule("user", "anna", { reserved: 1 }));
    kit.access("cora");
    const emil = kit.access("emil", { ...WAIT, mode: 2 }).handle;
    assert.equal(kit.ask("emil", Kind.info, { handle: emil }).outcome, "queued");
    // In one batch: at the end of the operation, not only when the next batch begins.
    const [, granted] = kit.run(
      kit.next("anna", Kind.access, { mode: 2, quantity: 1, firmCode: 6000010, productCode: 13 }),
      kit.next("emil", Kind.info, { handle: emil }),
    );
    assert.equal(granted?.outcome, "ok");
    const told = JSON.parse(kit.ask("cora", Kind.handles).text) as { user: string; seats: number }[];
    assert.deepEqual(
      told.map(({ user, seats }) => [user, seats]),
      [
        ["cora", 1],
        ["emil", 0],
        ["anna", 1],
      ],
    );
  });

  it("of licenses that come later are kept too", () => {
    const kit = kitWith(2);
    set(kit, rule("user", "anna", { reserved: 1 }));
    kit.holdAll(terms({ tmrId: 1, quantity: 2 }), terms({ tmrId: 9, quantity: 4 }));
    assert.deepEqual(
      kit.items("anna").map(({ reserved }) => reserved),
      [1, 1],
    );
  });
});

describe("a limit", () => {
  it("bounds all whom the rule fits together, at each license", () => {
    const kit = kitWith(9);
    kit.holdAll(terms({ tmrId: 1, quantity: 9 }), terms({ tmrId: 2, productCode: 14, quantity: 9 }));
    set(kit, rule("group", "cad", { limit: 3 }));
    assert.equal(kit.access("anna", { quantity: 2 }).outcome, "ok");
    assert.equal(kit.access("ben").outcome, "ok");
    const told = kit.access("ben");
    assert.deepEqual(
      [told.outcome, told.text],
      [
        "access-list",
        "License 6000010:13 item 1 in container 131-729831162: rule 1 (group cad, global) of the access list allows 3 seats, not 1 more.",
      ],
    );
    assert.equal(kit.access("cora").outcome, "ok");
    assert.equal(kit.access("ben", { productCode: 14 }).outcome, "ok");
  });

  it("of 0 is none", () => {
    const kit = kitWith(9);
    set(kit, rule("user", "anna", { limit: 0 }));
    assert.equal(kit.access("anna", { quantity: 9 }).outcome, "ok");
  });

  it("does not bound what takes no seat", () => {
    const kit = kitWith(9);
    set(kit, rule("user", "anna", { limit: 1 }));
    kit.access("anna");
    assert.deepEqual([kit.access("anna", { mode: 4 }).outcome, kit.access("anna").outcome], ["ok", "access-list"]);
  });

  it("is not waited for", () => {
    const kit = kitWith(9);
    set(kit, rule("user", "anna", { limit: 1 }));
    kit.access("anna");
    assert.equal(kit.access("anna", WAIT).outcome, "access-list");
  });

  it("set below what is taken takes nothing away, and grants nothing more", () => {
    const kit = kitWith(9);
    const { handle } = kit.access("anna", { quantity: 3 });
    set(kit, rule("user", "anna", { limit: 1 }));
    assert.equal(kit.ask("anna", Kind.info, { handle }).quantity, 3);
    assert.equal(kit.access("anna").outcome, "access-list");
    kit.ask("anna", Kind.release, { handle });
    assert.equal(kit.access("anna").outcome, "ok");
  });

  it("counts a seat that lingers for somebody once when he comes back", () => {
    const kit = kitWith(9, { lingerSeconds: 60 });
    set(kit, rule("user", "anna", { limit: 1 }));
    const { handle } = kit.access("anna");
    kit.ask("anna", Kind.release, { handle });
    assert.equal(kit.access("anna").outcome, "ok");
    assert.equal(kit.access("anna").outcome, "access-list");
  });

  it("that holds somebody back who waits does not hold others back", () => {
    const kit = kitWith(3);
    const { handle } = kit.access("dora", { quantity: 2 });
    kit.access("anna");
    const ben = kit.access("ben", WAIT).handle;
    const cora = kit.access("cora", WAIT).handle;
    set(kit, rule("group", "cad", { limit: 1 }));
    kit.ask("dora", Kind.release, { handle });
    assert.deepEqual(
      [kit.ask("ben", Kind.info, { handle: ben }).outcome, kit.ask("cora", Kind.info, { handle: cora }).outcome],
      ["queued", "ok"],
    );
    assert.equal(kit.access("cora").outcome, "ok");
  });
});

describe("setting the access list", () => {
  const read = (kit: LicenseKit): string => {
    let text = "";
    let cursor = 0;
    do {
      const told = kit.one({ ...system, kind: Kind.readAccessList, cursor });
      assert.equal(told.outcome, "ok");
      text += told.text;
      cursor = told.nextCursor;
    } while (cursor !== 0);
    return text;
  };

  it("with a wrong rule changes nothing and names the place", () => {
    const kit = kitWith(1);
    set(kit, rule("user", "anna", { effect: "deny" }));
    const before = read(kit);
    const told = set(kit, rule("user", "anna"), rule("user", ""), rule("group", "x"));
    assert.deepEqual(
      [told.outcome, told.text],
      ["bad-request", "The access list is refused (and 1 more): rules[1].value: expected a user of 1 to 255 bytes."],
    );
    assert.equal(read(kit), before);
    assert.equal(kit.access("anna").outcome, "access-list");
  });

  it("is read back as canonical JSON, in as many parts as it takes", () => {
    const kit = kitWith(1);
    assert.equal(read(kit), "");
    const rules = Array.from({ length: 1_500 }, (_, i) => rule("user", `ü${i}`));
    assert.equal(set(kit, ...rules).outcome, "ok");
    const text = read(kit);
    assert.ok(Buffer.byteLength(text) > 65_536);
    assert.deepEqual(JSON.parse(text), { format: "tmr-access-list/1", groups: { cad: ["anna", "ben"] }, rules });
  });

  it("to no bytes or to no rules allows everybody again", () => {
    for (const blob of [undefined, Buffer.from('{"format":"tmr-access-list/1","groups":{},"rules":[]}')]) {
      const kit = kitWith(3);
      set(kit, rule("default", "", { effect: "deny" }), rule("user", "ben", { reserved: 2 }));
      kit.one({ ...system, kind: Kind.setAccessList, ...(blob === undefined ? {} : { blob }) });
      assert.deepEqual(counts(kit), [0, 0, 3]);
      assert.equal(kit.access("anna").outcome, "ok");
      assert.equal(read(kit), "");
    }
  });

  it("lets those who wait have what another list kept from them", () => {
    const kit = kitWith(1);
    set(kit, rule("user", "anna", { reserved: 1 }));
    const { handle } = kit.access("ben", WAIT);
    set(kit);
    assert.equal(kit.ask("ben", Kind.info, { handle }).outcome, "ok");
  });

  it("survives in snapshots, with everything that is counted by it", () => {
    const kit = kitWith(5);
    set(kit, rule("group", "cad", { reserved: 2, limit: 3 }), rule("user", "cora", { effect: "deny" }));
    kit.access("anna");
    const copy = kitWith(5);
    copy.machine = LicenseMachine.restore(kit.machine.snapshot(), testGenesis, licensePorts);
    assert.deepEqual(copy.machine.snapshot(), kit.machine.snapshot());
    assert.equal(read(copy), read(kit));
    assert.equal(copy.machine.position, kit.machine.position);
    assert.deepEqual(counts(kit), [1, 1, 3]);
    const again = kit.next("ben", Kind.access, { mode: 1, quantity: 3, firmCode: 6000010, productCode: 13 });
    assert.deepEqual([copy.one(again).outcome, kit.one(again).outcome], ["access-list", "access-list"]);
  });
});
