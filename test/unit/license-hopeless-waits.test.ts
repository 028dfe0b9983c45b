/** Waits that a change of their license has made hopeless: they end at once, and say why; all others go on. */
import assert from "node:assert/strict";
import { LicenseMachine } from "../../ts/license/machine.js";
import type { Terms } from "../../ts/license/terms.js";
import { Kind } from "../../ts/wire/kinds.js";
import { drain, trackingOn } from "../support/events-kit.js";
import { type Asked, EXPIRE, identityText, LicenseKit, type Told, terms } from "../support/license-kit.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";

const start = Date.UTC(2030, 0, 1);
const WAIT = { durationMs: 100_000 };
const SEATS = 3;

/** All seats are of `a`; `old` has a client library that is older than all others have. */
function kitWith(options: Partial<Terms> = {}): LicenseKit {
  const kit = new LicenseKit();
  state(kit, options);
  for (const name of ["a", "b", "c", "old"]) {
    const runtimeVersion = name === "old" ? "1.0.0" : "2.0.0";
    const blob = identityText({ user: name, host: name, runtimeVersion });
    kit.ask(name, Kind.openSession, { blob, durationMs: 600_000 });
  }
  return kit;
}

const state = (kit: LicenseKit, options: Partial<Terms>): void =>
  kit.holdAll(terms({ tmrId: 1, quantity: SEATS, ...options }));

const info = (kit: LicenseKit, session: string, handle: number): Told => kit.ask(session, Kind.info, { handle });

function nameUser(kit: LicenseKit, user: string): string {
  const license = { firmCode: 6000010, productCode: 13, itemRef: 1 };
  return kit.one({ ...EXPIRE, kind: Kind.setNamedUser, ...license, blob: Buffer.from(user) }).outcome;
}

describe("a wait that a change has made hopeless", () => {
  interface Row {
    readonly says: string;
    readonly before?: Partial<Terms>;
    readonly after: Partial<Terms>;
    readonly who?: string;
    readonly asked?: Partial<Asked>;
    readonly told: string;
    readonly why: string;
    readonly cause: string;
  }
  const rows: readonly Row[] = [
    {
      says: "for more seats than there are by now",
      after: { quantity: 2 },
      asked: { quantity: 3 },
      told: "no-free-license",
      why: "the license has fewer seats than it asked for",
      cause: "quantity-lowered",
    },
    {
      says: "for a license that names another user by now",
      after: { namedUser: "c" },
      told: "named-user",
      why: "the license has another named user",
      cause: "named-user",
    },
    {
      says: "for a feature that the license lacks by now",
      before: { featureMap: 3 },
      after: { featureMap: 1 },
      asked: { featureMap: 2 },
      told: "feature-missing",
      why: "the license lacks asked feature bits",
      cause: "feature-missing",
    },
    {
      says: "for a module that its license has no longer",
      before: { modules: [{ productCode: 20, text: "", featureMap: 0 }] },
      after: {},
      asked: { productCode: 20 },
      told: "not-found",
      why: "the license has this module no longer",
      cause: "module-gone",
    },
    {
      says: "by a client library that is too old by now",
      after: { minimumRuntimeVersion: "2.0.0" },
      who: "old",
      told: "runtime-too-old",
      why: "the license needs a later client library",
      cause: "runtime-too-old",
    },
  ];
  for (const { says, before = {}, after, who = "b", asked = {}, told, why, cause } of rows) {
    it(`${says}, ends, and whoever stood behind it is served`, () => {
      const kit = kitWith(before);
      kit.one(trackingOn);
      const held = kit.access("a", { quantity: SEATS - 1 }).handle;
      const rest = kit.access("a").handle;
      const { handle, outcome } = kit.access(who, { ...WAIT, ...asked });
      const behind = kit.access("c", WAIT);
      assert.deepEqual([outcome, behind.outcome, behind.free], ["queued", "queued", 2]);
      drain(kit);
      state(kit, after);
      assert.equal(info(kit, "c", behind.handle).free, 1);
      for (const kind of [Kind.info, Kind.info, Kind.release]) {
        const answer = kit.ask(who, kind, { handle });
        const about = `Handle ${handle} of license 6000010:13 item 1 in container 131-729831162`;
        assert.deepEqual([answer.outcome, answer.text], [told, `${about} waits no more: ${why}.`]);
      }
      assert.equal(info(kit, who, handle).outcome, "handle-unknown");
      kit.ask("a", Kind.release, { handle: held });
      assert.equal(info(kit, "c", behind.handle).outcome, "ok");
      const ends = drain(kit).filter(({ what }) => what["event"] === "queue-end");
      assert.deepEqual(
        ends.map(({ what }) => [what["handle"], what["cause"], what["user"]]),
        [[handle, cause, who]],
      );
      kit.ask("a", Kind.release, { handle: rest });
    });

    it(`${says}, is told so after a snapshot too`, () => {
      const kit = kitWith(before);
      kit.access("a", { quantity: SEATS });
      const { handle } = kit.access(who, { ...WAIT, ...asked });
      state(kit, after);
      kit.machine = LicenseMachine.restore(kit.machine.snapshot(), testGenesis, licensePorts);
      assert.equal(info(kit, who, handle).outcome, told);
    });
  }

  it("for a license that is for its server's machine only by now, ends", () => {
    const kit = kitWith();
    kit.access("a", { quantity: SEATS });
    const { handle } = kit.access("b", WAIT);
    state(kit, { localOnly: true });
    const { outcome, text } = info(kit, "b", handle);
    const about = `Handle ${handle} of license 6000010:13 item 1 in container 131-729831162`;
    assert.deepEqual(
      [outcome, text],
      ["access-list", `${about} waits no more: the license is for its server's own machine only.`],
    );
  });

  it("for more seats than a new access list allows, ends, and whom the same rule decides about is served", () => {
    const kit = kitWith();
    const { handle } = kit.access("a", { quantity: SEATS });
    const b = kit.access("b", { ...WAIT, quantity: 2 }).handle;
    const c = kit.access("c", WAIT).handle;
    const rules = [{ level: "global", kind: "default", value: "", effect: "allow", limit: 1 }];
    const document = JSON.stringify({ format: "tmr-access-list/1", rules });
    assert.equal(kit.one({ ...EXPIRE, kind: Kind.setAccessList, blob: Buffer.from(document) }).outcome, "ok");
    assert.equal(info(kit, "b", b).outcome, "access-list");
    kit.ask("a", Kind.release, { handle });
    assert.equal(info(kit, "c", c).outcome, "ok");
  });

  it("by an administrator who names another user, ends; whoever may still is served at once", () => {
    const kit = kitWith({ namedUser: "", namedUserIntervalSeconds: 1, quantity: 1 });
    kit.ask("c2", Kind.openSession, { blob: identityText({ user: "c" }), durationMs: 600_000 });
    const held = kit.access("b").handle;
    const b = kit.access("b", WAIT).handle;
    kit.calendarMs += 1_000;
    assert.equal(nameUser(kit, ""), "ok");
    const c = kit.access("c", WAIT).handle;
    kit.calendarMs += 1_000;
    assert.equal(nameUser(kit, "c"), "ok");
    assert.deepEqual([info(kit, "b", b).outcome, info(kit, "c", c).free], ["named-user", 1]);
    kit.ask("b", Kind.release, { handle: held });
    assert.equal(info(kit, "c", c).outcome, "ok");
  });

  it("keeps no seats from whoever has the license now", () => {
    const kit = kitWith({ namedUser: "b", namedUserIntervalSeconds: 1 });
    const { handle } = kit.access("b", { quantity: 2 });
    const first = kit.access("b", { ...WAIT, quantity: 3 }).handle;
    assert.equal(nameUser(kit, "c"), "ok");
    assert.equal(info(kit, "b", first).outcome, "named-user");
    assert.deepEqual([kit.access("c").outcome, info(kit, "b", handle).outcome], ["ok", "ok"]);
  });

  it("because somebody else's access bound the license to him, ends", () => {
    const kit = kitWith({ namedUser: "", namedUserIntervalSeconds: 1, quantity: 1 });
    kit.access("b");
    kit.calendarMs += 1_000;
    nameUser(kit, "");
    const b = kit.access("b", WAIT).handle;
    assert.equal(kit.access("c", { mode: 4 }).outcome, "ok");
    assert.equal(info(kit, "b", b).outcome, "named-user");
  });

  it("because he who stood before it was granted and bound the license, ends", () => {
    const kit = kitWith({ namedUser: "", namedUserIntervalSeconds: 1, quantity: 1 });
    const { handle } = kit.access("a");
    kit.calendarMs += 1_000;
    nameUser(kit, "");
    const b = kit.access("b", WAIT).handle;
    const c = kit.access("c", WAIT).handle;
    kit.ask("a", Kind.release, { handle });
    assert.deepEqual([info(kit, "b", b).outcome, info(kit, "c", c).outcome], ["ok", "named-user"]);
  });

  it("while too few upstreams are reached, ends when they are", () => {
    const kit = kitWith();
    kit.access("a", { quantity: SEATS });
    const { handle } = kit.access("b", WAIT);
    kit.reached = 1;
    state(kit, { namedUser: "c" });
    assert.equal(info(kit, "b", handle).outcome, "queued");
    kit.reached = 6;
    assert.equal(info(kit, "b", handle).outcome, "named-user");
  });
});

describe("a wait that may be served again", () => {
  const rows: readonly (readonly [says: string, before: Partial<Terms>, after: Partial<Terms> | null])[] = [
    ["goes on while its license is gone", {}, null],
    ["goes on while its license has expired", {}, { expirationMs: start - 1 }],
    ["goes on while its license is not yet valid", {}, { activationMs: start + 1_000_000 }],
    ["goes on while its license has no units left", { unitCounter: 5 }, { unitCounter: 1 }],
  ];
  for (const [says, before, after] of rows) {
    it(says, () => {
      const kit = kitWith(before);
      const { handle } = kit.access("a", { quantity: SEATS });
      if (before.unitCounter !== undefined) kit.ask("a", Kind.consume, { handle, quantity: 1 });
      const b = kit.access("b", WAIT).handle;
      if (after === null) for (const upstream of [1, 2, 3] as const) kit.hold(upstream);
      else state(kit, after);
      kit.ask("a", Kind.release, { handle });
      assert.equal(info(kit, "b", b).outcome, "queued");
      state(kit, before);
      assert.equal(info(kit, "b", b).outcome, "ok");
    });
  }

  it("goes on after the usage period, which another update lengthens", () => {
    const kit = kitWith({ usagePeriodSeconds: 1 });
    const { handle } = kit.access("a", { quantity: SEATS });
    const b = kit.access("b", WAIT).handle;
    kit.calendarMs += 1_001;
    kit.ask("a", Kind.release, { handle });
    assert.equal(info(kit, "b", b).outcome, "queued");
    state(kit, { usagePeriodSeconds: 60 });
    assert.equal(info(kit, "b", b).outcome, "ok");
  });
});
