/** Each row is one statement about one option of a license: who asks what when, and what is told. */
import assert from "node:assert/strict";
import { LIMITS } from "../../ts/license/limits.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { isAtLeast } from "../../ts/license/runtime-version.js";
import type { Terms } from "../../ts/license/terms.js";
import { Kind } from "../../ts/wire/kinds.js";
import { type Asked, EXPIRE, LicenseKit, type Told, terms } from "../support/license-kit.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";
import { type Names, namesBlob } from "../support/session-names.js";

const start = Date.UTC(2030, 0, 1);
const iso = (ms: number): string => new Date(ms).toISOString();
const license = "License 6000010:13 item 1 in container 131-729831162";

/** A system that holds one license with these options, and the session "a" of this client. */
function kitWith(options: Partial<Terms>, names: Names = {}): LicenseKit {
  const kit = new LicenseKit();
  kit.holdAll(terms({ tmrId: 1, quantity: 5, ...options }));
  openAs(kit, "a", names);
  return kit;
}

function openAs(kit: LicenseKit, session: string, names: Names): void {
  assert.equal(kit.ask(session, Kind.openSession, { blob: namesBlob(names) }).outcome, "ok");
}

function setUser(kit: LicenseKit, user: string | Uint8Array, itemRef = 1): Told {
  const fields = { kind: Kind.setNamedUser, request: 0, session: new Uint8Array(16), firmCode: 6000010 };
  return kit.one({ ...fields, productCode: 13, itemRef, blob: Buffer.from(user) });
}

describe("an option that an access is judged by", () => {
  interface Row {
    readonly says: string;
    readonly options: Partial<Terms>;
    readonly names?: Names;
    readonly asked?: Partial<Asked>;
    /** the outcome, and the sentence behind the license's name */
    readonly told: string;
    readonly why?: string;
  }
  const period = { maintenanceFromMs: start, maintenanceUntilMs: start + 1000 };
  const rows: readonly Row[] = [
    {
      says: "a release on the first day of the maintenance period is inside",
      options: period,
      asked: { releaseMs: start },
      told: "ok",
    },
    {
      says: "a release on its last moment is inside",
      options: period,
      asked: { releaseMs: start + 1000 },
      told: "ok",
    },
    {
      says: "a release before the maintenance period is refused",
      options: period,
      asked: { releaseMs: start - 1 },
      told: "maintenance",
      why: `is for releases from ${iso(start)} to ${iso(start + 1000)}, not ${iso(start - 1)}.`,
    },
    {
      says: "a release after it is refused, whatever the present date",
      options: period,
      asked: { releaseMs: start + 1001 },
      told: "maintenance",
      why: `is for releases from ${iso(start)} to ${iso(start + 1000)}, not ${iso(start + 1001)}.`,
    },
    {
      says: "an access that states no release date is refused",
      options: { maintenanceFromMs: 0, maintenanceUntilMs: start },
      told: "maintenance",
      why: `is for releases from ${iso(0)} to ${iso(start)}; the access states no release date.`,
    },
    {
      says: "a release date beyond all dates is refused",
      options: period,
      asked: { releaseMs: 2 ** 53 - 1 },
      told: "maintenance",
    },
    {
      says: "a release date means nothing to a license without the period",
      options: {},
      asked: { releaseMs: 1 },
      told: "ok",
    },
    {
      says: "the client library of just the minimum version is new enough",
      options: { minimumRuntimeVersion: "1.2.3" },
      names: { runtimeVersion: "1.2.3" },
      told: "ok",
    },
    {
      says: "an older one is not",
      options: { minimumRuntimeVersion: "1.10.0" },
      names: { runtimeVersion: "1.9.9" },
      told: "runtime-too-old",
      why: "needs client library 1.10.0, this one is 1.9.9.",
    },
    {
      says: "one that does not say its version is not",
      options: { minimumRuntimeVersion: "0.0.0" },
      told: "runtime-too-old",
      why: "needs client library 0.0.0, this one is unknown.",
    },
    { says: "the named user is served", options: { namedUser: "ada" }, names: { user: "ada" }, told: "ok" },
    {
      says: "another user is not",
      options: { namedUser: "ada" },
      names: { user: "bob" },
      told: "named-user",
      why: "is for its named user, not for bob.",
    },
    {
      says: "a session that names no user is not",
      options: { namedUser: "ada" },
      told: "named-user",
      why: "is for a named user; the session names none.",
    },
    {
      says: "a name without a domain is this user of any domain",
      options: { namedUser: "ada" },
      names: { user: "ada@x.org" },
      told: "ok",
    },
    {
      says: "a name with a domain is not the user without one",
      options: { namedUser: "ada@x.org" },
      names: { user: "ada" },
      told: "named-user",
    },
    {
      says: "nor of another domain",
      options: { namedUser: "ada@x.org" },
      names: { user: "ada@y.org" },
      told: "named-user",
    },
    {
      says: "nor the beginning of a longer name",
      options: { namedUser: "ada" },
      names: { user: "adam" },
      told: "named-user",
    },
    { says: "capitals count", options: { namedUser: "ada" }, names: { user: "Ada" }, told: "named-user" },
    {
      says: "a license that waits for its first user takes no nameless one",
      options: { namedUser: "" },
      told: "named-user",
    },
    {
      says: "nor one with a control character",
      options: { namedUser: "" },
      names: { user: "a\u0007" },
      told: "named-user",
    },
    {
      says: "a license without a unit left is refused",
      options: { unitCounter: 0 },
      told: "units-used-up",
      why: "has no units left.",
    },
    { says: "one with a unit left is served", options: { unitCounter: 1 }, told: "ok" },
    {
      says: "of an option and a missing feature the option is told",
      options: { unitCounter: 0, featureMap: 1 },
      asked: { featureMap: 2 },
      told: "units-used-up",
    },
    {
      says: "the end of a license is told before its options",
      options: { expirationMs: start - 1, namedUser: "ada", unitCounter: 0 },
      told: "expired",
    },
    {
      says: "no user limit changes nothing of it",
      options: { namedUser: "ada" },
      names: { user: "bob" },
      asked: { mode: 4 },
      told: "named-user",
    },
  ];
  for (const { says, options, names, asked, told, why } of rows) {
    it(says, () => {
      const kit = kitWith(options, names);
      const answer = kit.access("a", asked);
      assert.equal(answer.outcome, told);
      if (why !== undefined) assert.equal(answer.text, `${license} ${why}`);
    });
  }

  it("refuses one item and lets the next one serve", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1, unitCounter: 0 }), terms({ tmrId: 2, namedUser: "bob" }), terms({ tmrId: 3 }));
    openAs(kit, "a", { user: "ada" });
    const told = kit.access("a");
    assert.deepEqual([told.outcome, told.itemRef], ["ok", 3]);
    assert.equal(kit.access("a").outcome, "no-free-license");
  });
});

describe("versions of the client library", () => {
  for (const [version, minimum, is] of [
    ["1.2.3", "1.2.3", true],
    ["1.2.4", "1.2.3", true],
    ["1.3.0", "1.2.9", true],
    ["2.0.0", "1.99.99", true],
    ["1.2.2", "1.2.3", false],
    ["0.9.9", "1.0.0", false],
    ["1.2.3-rc.1", "1.2.3", false],
    ["1.2.4-rc.1", "1.2.3", true],
    ["1.2.3+build.7", "1.2.3", true],
    ["1.2", "1.2.0", false],
    ["v1.2.3", "1.2.3", false],
    ["01.2.3", "1.2.3", false],
    ["1.2.3 ", "1.2.3", false],
    ["", "0.0.0", false],
    ["9999999999.0.0", "1.0.0", false],
  ] as const) {
    it(`"${version}" is ${is ? "" : "not "}at least ${minimum}`, () => assert.equal(isAtLeast(version, minimum), is));
  }
});

describe("a usage period", () => {
  const options = { usagePeriodSeconds: 60 };

  it("has not begun before the first access, and shows no end", () => {
    const kit = kitWith(options);
    kit.calendarMs += 365 * 86_400_000;
    const before = kit.access("a", { featureMap: 1 });
    assert.deepEqual([before.outcome, before.validUntilMs], ["feature-missing", 0]);
    assert.equal(kit.access("a").validUntilMs, kit.calendarMs + 60_000);
  });

  it("runs from the first access on, up to and including its last moment", () => {
    const kit = kitWith(options);
    assert.equal(kit.access("a").validUntilMs, start + 60_000);
    kit.calendarMs = start + 60_000;
    assert.equal(kit.access("a").outcome, "ok");
    kit.calendarMs += 1;
    const told = kit.access("a");
    assert.equal(told.outcome, "usage-period-over");
    const until = iso(start + 60_000);
    assert.equal(told.text, `${license} could be used for 60 s from its first access on, until ${until}.`);
  });

  it("begins with an access that takes no seat, too", () => {
    assert.equal(kitWith(options).access("a", { mode: 4 }).validUntilMs, start + 60_000);
  });

  it("ends with the expiration when that comes first", () => {
    assert.equal(kitWith({ ...options, expirationMs: start + 1 }).access("a").validUntilMs, start + 1);
    assert.equal(kitWith({ ...options, expirationMs: start + 99_000 }).access("a").validUntilMs, start + 60_000);
  });

  it("does not begin anew when the license is gone for a while, or gets other terms", () => {
    const kit = kitWith(options);
    kit.ask("a", Kind.release, { handle: kit.access("a").handle });
    kit.holdAll();
    kit.calendarMs += 61_000;
    kit.holdAll(terms({ tmrId: 1, quantity: 5, ...options }));
    assert.equal(kit.access("a").outcome, "usage-period-over");
    kit.holdAll(terms({ tmrId: 1, quantity: 5, usagePeriodSeconds: 62 }));
    assert.equal(kit.access("a").validUntilMs, start + 62_000);
  });

  it("that is over ends the work with a handle", () => {
    const kit = kitWith({ ...options, unitCounter: 5 });
    const { handle } = kit.access("a");
    kit.calendarMs += 60_001;
    const told = kit.ask("a", Kind.consume, { handle, quantity: 1 });
    assert.deepEqual([told.outcome, told.units], ["usage-period-over", 5]);
    assert.equal(told.text, `${license} was valid until ${iso(start + 60_000)}.`);
    assert.equal(kit.ask("a", Kind.info, { handle }).outcome, "ok");
  });
});

describe("a named user", () => {
  const first = { namedUser: "", namedUserIntervalSeconds: 60 };
  const outcome = (kit: LicenseKit, user: string): string => {
    const session = `of ${user} ${kit.machine.position}`;
    openAs(kit, session, { user });
    return kit.access(session).outcome;
  };

  it("is the first one who accesses a license that names nobody, domain included", () => {
    const kit = kitWith({ namedUser: "" });
    assert.deepEqual(
      ["ada@x.org", "bob", "ada", "ada@x.org"].map((user) => outcome(kit, user)),
      ["ok", "named-user", "named-user", "ok"],
    );
  });

  it("is not who was refused for another reason", () => {
    const kit = kitWith({ namedUser: "" });
    openAs(kit, "b", { user: "bob" });
    assert.equal(kit.access("b", { featureMap: 1 }).outcome, "feature-missing");
    assert.equal(outcome(kit, "ada"), "ok");
  });

  it("may be changed once in the interval of calendar time", () => {
    const kit = kitWith({ namedUser: "ada", namedUserIntervalSeconds: 60 });
    assert.equal(setUser(kit, "bob").outcome, "ok");
    assert.deepEqual([outcome(kit, "ada"), outcome(kit, "bob")], ["named-user", "ok"]);
    kit.calendarMs += 59_999;
    const told = setUser(kit, "cleo");
    assert.equal(told.outcome, "named-user");
    assert.equal(told.text, `${license} may have another user from ${iso(start + 60_000)} on.`);
    kit.calendarMs += 1;
    assert.equal(setUser(kit, "cleo").outcome, "ok");
    assert.deepEqual([outcome(kit, "bob"), outcome(kit, "cleo")], ["named-user", "ok"]);
  });

  it("set once more as he is changes nothing and uses up no interval", () => {
    const kit = kitWith({ namedUser: "ada", namedUserIntervalSeconds: 60 });
    setUser(kit, "bob");
    kit.calendarMs += 30_000;
    assert.equal(setUser(kit, "bob").outcome, "ok");
    kit.calendarMs += 30_000;
    assert.equal(setUser(kit, "cleo").outcome, "ok");
  });

  it("who came first counts as a change, and can be taken back for the next one", () => {
    const kit = kitWith(first);
    assert.equal(outcome(kit, "ada"), "ok");
    assert.equal(setUser(kit, "").outcome, "named-user");
    kit.calendarMs += 60_000;
    assert.equal(setUser(kit, "").outcome, "ok");
    assert.deepEqual([outcome(kit, "bob"), outcome(kit, "ada")], ["ok", "named-user"]);
  });

  it("of another name from the issuer counts at once", () => {
    const kit = kitWith({ namedUser: "ada", namedUserIntervalSeconds: 60 });
    setUser(kit, "bob");
    kit.holdAll(terms({ tmrId: 1, quantity: 5, namedUser: "cleo", namedUserIntervalSeconds: 60 }));
    assert.deepEqual([outcome(kit, "bob"), outcome(kit, "cleo")], ["named-user", "ok"]);
    assert.equal(setUser(kit, "dora").outcome, "ok");
  });

  const rows: readonly (readonly [
    says: string,
    options: Partial<Terms>,
    user: string | Uint8Array,
    itemRef: number,
    told: string,
  ])[] = [
    ["of a license without the interval is for good", { namedUser: "ada" }, "bob", 1, "named-user"],
    ["may be told again without the interval", { namedUser: "ada" }, "ada", 1, "ok"],
    [
      "cannot be taken from a license that was issued by name",
      { namedUser: "ada", namedUserIntervalSeconds: 1 },
      "",
      1,
      "bad-request",
    ],
    ["cannot be set where there is none", {}, "bob", 1, "bad-request"],
    ["cannot be set of a license that is not there", first, "bob", 2, "not-found"],
    ["is not half of a character", first, Buffer.of(0xc3), 1, "bad-request"],
    ["has no control characters", first, "a\nb", 1, "bad-request"],
    ["has at most 255 bytes", first, "x".repeat(256), 1, "bad-request"],
    ["may have 255 bytes", first, "x".repeat(255), 1, "ok"],
  ];
  for (const [says, options, user, itemRef, told] of rows) {
    it(says, () => assert.equal(setUser(kitWith(options), user, itemRef).outcome, told));
  }
});

describe("a module", () => {
  const modules = [
    { productCode: 20, text: "Twenty", featureMap: 2 },
    { productCode: 21, text: "", featureMap: 0 },
  ];

  it("is granted by the item that it is of, and counted there", () => {
    const kit = kitWith({ modules, quantity: 2, unitCounter: 9 });
    const told = kit.access("a", { productCode: 20, featureMap: 2 });
    assert.deepEqual(
      [told.outcome, told.productCode, told.itemRef, told.free, told.total, told.units],
      ["ok", 20, 1, 1, 2, 9],
    );
    assert.equal(kit.access("a", { productCode: 21 }).free, 0);
    assert.equal(kit.access("a", { productCode: 13 }).outcome, "no-free-license");
    assert.equal(kit.access("a", { productCode: 20 }).outcome, "no-free-license");
    assert.equal(kit.ask("a", Kind.info, { handle: told.handle }).productCode, 20);
    const released = kit.ask("a", Kind.release, { handle: told.handle });
    assert.deepEqual([released.productCode, released.free], [20, 1]);
  });

  it("has a feature map of its own and inherits all other options", () => {
    const kit = kitWith({ modules, featureMap: 1, expirationMs: start + 1, namedUser: "ada" }, { user: "ada" });
    assert.equal(kit.access("a", { productCode: 20, featureMap: 1 }).outcome, "feature-missing");
    assert.equal(kit.access("a", { productCode: 20, featureMap: 2 }).validUntilMs, start + 1);
    openAs(kit, "b", { user: "bob" });
    assert.equal(kit.access("b", { productCode: 20 }).outcome, "named-user");
    kit.calendarMs += 2;
    assert.equal(kit.access("a", { productCode: 20 }).outcome, "expired");
  });

  it("consumes the units of its item", () => {
    const kit = kitWith({ modules, unitCounter: 9 });
    const { handle } = kit.access("a", { productCode: 21 });
    const told = kit.ask("a", Kind.consume, { handle, quantity: 4 });
    assert.deepEqual([told.outcome, told.units, told.productCode], ["ok", 5, 21]);
    assert.equal(kit.access("a").units, 5);
  });

  it("comes in the order of item references, among items with its Product Code", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 5, productCode: 12, modules }), terms({ tmrId: 7, productCode: 20 }));
    kit.open("a");
    assert.deepEqual(
      [kit.access("a", { productCode: 20 }).itemRef, kit.access("a", { productCode: 20 }).itemRef],
      [5, 7],
    );
    const later = new LicenseKit();
    later.holdAll(terms({ tmrId: 9, productCode: 12, modules }), terms({ tmrId: 7, productCode: 20 }));
    later.open("a");
    assert.equal(later.access("a", { productCode: 20 }).itemRef, 7);
  });

  it("that is gone cannot be worked with, though its handle still takes its seat", () => {
    const kit = kitWith({ modules, unitCounter: 9 });
    const { handle } = kit.access("a", { productCode: 20 });
    kit.holdAll(terms({ tmrId: 1, quantity: 5, unitCounter: 9 }));
    assert.equal(kit.ask("a", Kind.consume, { handle, quantity: 1 }).outcome, "not-found");
    assert.equal(kit.access("a").free, 3);
    assert.equal(kit.ask("a", Kind.release, { handle }).outcome, "ok");
    assert.equal(kit.access("a").free, 3);
  });
});

describe("options of a license that somebody waits for", () => {
  const release = (kit: LicenseKit, session: string, handle: number): Told =>
    kit.ask(session, Kind.release, { handle });

  it("judge the release date when the waiting begins, and not again", () => {
    const period = { maintenanceFromMs: start, maintenanceUntilMs: start + 1000, quantity: 1 };
    const kit = kitWith(period);
    openAs(kit, "b", {});
    const held = kit.access("a", { releaseMs: start }).handle;
    assert.equal(kit.access("b", { durationMs: 9_000 }).outcome, "maintenance");
    const waits = kit.access("b", { durationMs: 9_000, releaseMs: start });
    assert.equal(waits.outcome, "queued");
    release(kit, "a", held);
    assert.equal(kit.ask("b", Kind.info, { handle: waits.handle }).outcome, "ok");
  });

  it("end the waiting of whom the license is not for any more", () => {
    const kit = kitWith({ namedUser: "", namedUserIntervalSeconds: 1, quantity: 1 }, { user: "ada" });
    const held = kit.access("a").handle;
    const waits = kit.access("a", { durationMs: 9_000 });
    openAs(kit, "b", { user: "bob" });
    assert.equal(kit.access("b", { durationMs: 9_000 }).outcome, "named-user");
    kit.calendarMs += 1_000;
    setUser(kit, "bob");
    release(kit, "a", held);
    assert.equal(kit.ask("a", Kind.info, { handle: waits.handle }).outcome, "named-user");
    assert.equal(kit.access("b").outcome, "ok");
  });

  it("begin a usage period when the seat is granted after the waiting", () => {
    const kit = kitWith({ quantity: 1 });
    const held = kit.access("a").handle;
    const waits = kit.access("a", { durationMs: 9_000 });
    kit.holdAll(terms({ tmrId: 1, quantity: 1, usagePeriodSeconds: 60 }));
    kit.calendarMs += 5_000;
    release(kit, "a", held);
    assert.equal(kit.ask("a", Kind.info, { handle: waits.handle }).validUntilMs, start + 65_000);
  });

  it("are those of the module that is waited for", () => {
    const modules = [{ productCode: 20, text: "", featureMap: 2 }];
    const kit = kitWith({ modules, quantity: 1, unitCounter: 5 });
    const held = kit.access("a").handle;
    const waits = kit.access("a", { productCode: 20, featureMap: 2, durationMs: 9_000 });
    assert.deepEqual([waits.outcome, waits.productCode], ["queued", 20]);
    assert.equal(kit.ask("a", Kind.consume, { handle: waits.handle, quantity: 1 }).outcome, "queued");
    kit.machine = LicenseMachine.restore(kit.machine.snapshot(), testGenesis, licensePorts);
    release(kit, "a", held);
    const told = kit.ask("a", Kind.consume, { handle: waits.handle, quantity: 1 });
    assert.deepEqual([told.outcome, told.productCode, told.units], ["ok", 20, 4]);
    const [listed] = JSON.parse(kit.ask("a", Kind.handles).text) as { productCode: number }[];
    assert.equal(listed?.productCode, 20);
  });

  it("end its lingering with the usage period", () => {
    const kit = kitWith({ usagePeriodSeconds: 60, lingerSeconds: 600, quantity: 1 }, { user: "ada" });
    const { handle } = kit.access("a");
    kit.calendarMs += 50_000;
    release(kit, "a", handle);
    kit.logMs += 9_999;
    kit.one(EXPIRE);
    assert.equal(kit.items("a")[0]?.["lingering"], 1);
    kit.logMs += 1;
    kit.one(EXPIRE);
    assert.equal(kit.items("a")[0]?.["lingering"], 0);
  });
});

describe("what is remembered of licenses that are gone", () => {
  const used = (tmrId: number): Terms => terms({ tmrId, unitCounter: 10 });
  const unitsOf = (kit: LicenseKit, tmrId: number): number => {
    kit.holdAll(used(tmrId));
    const told = kit.access("a", { itemRef: tmrId });
    kit.ask("a", Kind.release, { handle: told.handle });
    return told.units;
  };

  it("is bounded, and the one that is gone longest is forgotten first", () => {
    const kit = new LicenseKit({ ...LIMITS, maxRemembered: 2 });
    kit.open("a");
    for (const tmrId of [3, 1, 2]) {
      kit.holdAll(used(tmrId));
      const { handle } = kit.access("a", { itemRef: tmrId });
      kit.ask("a", Kind.consume, { handle, quantity: tmrId });
      kit.ask("a", Kind.release, { handle });
    }
    kit.holdAll(used(9));
    assert.deepEqual([unitsOf(kit, 1), unitsOf(kit, 2), unitsOf(kit, 3)], [9, 8, 10]);
  });

  it("is nothing of a license of which nothing was used", () => {
    const kit = new LicenseKit();
    kit.holdAll(used(1));
    const before = kit.machine.snapshot().length;
    const two = new LicenseKit();
    two.holdAll(used(2));
    two.holdAll(used(1));
    assert.equal(two.machine.snapshot().length, before + 4);
  });
});
