import assert from "node:assert/strict";
import { Kind } from "../../ts/wire/kinds.js";
import { EXPIRE, identityText, LicenseKit, terms } from "../support/license-kit.js";

const SHARE = 2;

function kitWith(quantity: number, more: Partial<Parameters<typeof terms>[0]> = {}): LicenseKit {
  const kit = new LicenseKit();
  kit.holdAll(terms({ tmrId: 1, quantity, lingerSeconds: 60, ...more }));
  open(kit, "anna", { user: "anna", host: "h1" });
  open(kit, "ben", { user: "ben", host: "h2" });
  return kit;
}

function open(kit: LicenseKit, session: string, names: Parameters<typeof identityText>[0]): void {
  kit.ask(session, Kind.openSession, { blob: identityText(names), durationMs: 600_000 });
}

function counts(kit: LicenseKit): unknown {
  const [item] = kit.items("ben");
  return [item?.["used"], item?.["lingering"], item?.["free"]];
}

function accessAndRelease(kit: LicenseKit, session: string, fields = {}): void {
  const { handle } = kit.access(session, fields);
  assert.equal(kit.ask(session, Kind.release, { handle }).outcome, "ok");
}

describe("linger time", () => {
  it("keeps the seat taken after release for its seconds of log time, whatever the calendar says", () => {
    const kit = kitWith(1);
    accessAndRelease(kit, "anna");
    assert.deepEqual(counts(kit), [0, 1, 0]);
    kit.logMs += 59_999;
    kit.calendarMs += 10_000_000;
    assert.equal(kit.access("ben").outcome, "no-free-license");
    kit.logMs += 1;
    assert.deepEqual(counts(kit), [0, 0, 1]);
    assert.equal(kit.access("ben").outcome, "ok");
  });

  it("says in the refusal that seats only linger", () => {
    const kit = kitWith(1);
    accessAndRelease(kit, "anna");
    assert.equal(
      kit.access("ben").text,
      "License 6000010:13 item 1 in container 131-729831162: 0 of 1 seats are free, 1 asked for; 1 lingering.",
    );
  });

  it("is given up at once to the same user, on any station", () => {
    const kit = kitWith(3);
    accessAndRelease(kit, "anna");
    open(kit, "anna elsewhere", { user: "anna", host: "h9" });
    assert.equal(kit.access("anna elsewhere").outcome, "ok");
    assert.deepEqual(counts(kit), [1, 0, 2]);
  });

  it("is not given up to another user on the same station", () => {
    const kit = kitWith(1);
    accessAndRelease(kit, "anna");
    open(kit, "cora", { user: "cora", host: "h1" });
    assert.equal(kit.access("cora").outcome, "no-free-license");
  });

  it("without a user name is given up to the same station", () => {
    const kit = kitWith(1);
    open(kit, "one", { host: "h5", station: "1" });
    open(kit, "same", { host: "h5", station: "1" });
    open(kit, "other", { host: "h5", station: "2" });
    accessAndRelease(kit, "one");
    assert.equal(kit.access("other").outcome, "no-free-license");
    assert.equal(kit.access("same").outcome, "ok");
  });

  it("of somebody who says no name at all is given up to nobody", () => {
    const kit = kitWith(1);
    open(kit, "one", {});
    open(kit, "two", {});
    accessAndRelease(kit, "one");
    assert.equal(kit.access("one").outcome, "no-free-license");
    assert.equal(kit.access("two").outcome, "no-free-license");
  });

  it("gives up only as many seats as are asked for, and adds free ones", () => {
    const kit = kitWith(5);
    accessAndRelease(kit, "anna", { quantity: 3 });
    kit.access("anna", { quantity: 1 });
    assert.deepEqual(counts(kit), [1, 2, 2]);
    kit.access("anna", { quantity: 4 });
    assert.deepEqual(counts(kit), [5, 0, 0]);
  });

  it("ends when the license expires", () => {
    const kit = kitWith(1, { expirationMs: Date.UTC(2030, 0, 1) + 10_000 });
    accessAndRelease(kit, "anna");
    assert.equal(kit.one(EXPIRE).nextExpiryMs, kit.logMs + 10_000);
    kit.logMs += 10_000;
    assert.deepEqual(counts(kit), [0, 0, 1]);
  });

  it("does not begin for a license that expired meanwhile", () => {
    const kit = kitWith(1, { expirationMs: Date.UTC(2030, 0, 1) + 10_000 });
    const { handle } = kit.access("anna");
    kit.calendarMs += 10_001;
    kit.ask("anna", Kind.release, { handle });
    assert.deepEqual(counts(kit), [0, 0, 1]);
  });

  it("begins for every seat of a session that is closed or times out", () => {
    const kit = kitWith(9);
    kit.access("anna", { quantity: 2 });
    kit.access("anna", { quantity: 1 });
    kit.access("anna", { mode: 4 });
    kit.ask("anna", Kind.closeSession);
    assert.deepEqual(counts(kit), [0, 3, 6]);
    open(kit, "cora", { user: "cora" });
    kit.ask("cora", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 });
    kit.logMs += 599_000;
    kit.ask("ben", Kind.heartbeat);
    kit.logMs += 1_000;
    kit.one(EXPIRE);
    assert.deepEqual(counts(kit), [0, 1, 8]);
  });

  it("begins for a shared seat when the last handle of the station is released", () => {
    const kit = kitWith(2);
    const handles = [0, 1].map(() => kit.access("anna", { mode: SHARE }).handle);
    kit.ask("anna", Kind.release, { handle: handles[0] ?? 0 });
    assert.deepEqual(counts(kit), [1, 0, 1]);
    kit.ask("anna", Kind.release, { handle: handles[1] ?? 0 });
    assert.deepEqual(counts(kit), [0, 1, 1]);
    kit.access("anna", { mode: SHARE });
    assert.deepEqual(counts(kit), [1, 0, 1]);
  });

  it("is named by expire, and its handle is unknown to the session that released it", () => {
    const kit = kitWith(1);
    const { handle } = kit.access("anna");
    kit.ask("anna", Kind.release, { handle });
    assert.equal(kit.one(EXPIRE).nextExpiryMs, kit.logMs + 60_000);
    assert.equal(kit.ask("anna", Kind.info, { handle }).outcome, "handle-unknown");
  });

  it("gives no seat up beyond a quantity that was lowered", () => {
    const kit = kitWith(3);
    accessAndRelease(kit, "anna");
    kit.access("ben", { quantity: 2 });
    kit.holdAll(terms({ tmrId: 1, quantity: 2, lingerSeconds: 60 }));
    assert.equal(kit.access("anna").outcome, "no-free-license");
    assert.deepEqual(counts(kit), [2, 1, 0]);
  });

  it("survives that the license disappears, and ends on time", () => {
    const kit = kitWith(1);
    accessAndRelease(kit, "anna");
    for (const upstream of [1, 2, 3] as const) kit.hold(upstream);
    kit.logMs += 59_999;
    kit.holdAll(terms({ tmrId: 1, lingerSeconds: 60 }));
    assert.deepEqual(counts(kit), [0, 1, 0]);
    kit.logMs += 1;
    assert.deepEqual(counts(kit), [0, 0, 1]);
  });
});
