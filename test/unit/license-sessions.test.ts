import assert from "node:assert/strict";
import { LIMITS } from "../../ts/license/limits.js";
import { Kind } from "../../ts/wire/kinds.js";
import { EXPIRE, LicenseKit, sessionOf, type Told, terms } from "../support/license-kit.js";

const license = terms({ tmrId: 1, quantity: 10 });

function kitWith(limits = LIMITS): LicenseKit {
  const kit = new LicenseKit(limits);
  kit.holdAll(license);
  return kit;
}

describe("a session", () => {
  it("is opened with the time-out of the record, and asks for a heartbeat four times as often", () => {
    const told = kitWith().open("a", 5_001);
    assert.deepEqual([told.outcome, told.timeoutMs, told.heartbeatMs], ["ok", 5_001, 1_250]);
  });

  it("has the default time-out when the record names none", () => {
    assert.equal(kitWith().open("a", 0).timeoutMs, 120_000);
  });

  it("is the same session when it is opened again", () => {
    const kit = kitWith();
    kit.open("a", 5_000);
    const { handle } = kit.access("a");
    const again = kit.open("a", 9_000);
    assert.deepEqual([again.outcome, again.timeoutMs], ["ok", 5_000]);
    assert.equal(kit.ask("a", Kind.info, { handle }).outcome, "ok");
    const [container] = JSON.parse(kit.ask("a", Kind.containers).text) as unknown[];
    assert.deepEqual(container, { container: "131-729831162", kind: "virtual", items: 1, sessions: 1, handles: 1 });
  });

  it("frees everything when it is closed, and tells a repeat the same", () => {
    const kit = kitWith();
    kit.open("a");
    kit.open("b");
    kit.access("a", { quantity: 7 });
    const close = kit.next("a", Kind.closeSession);
    const told = kit.one(close);
    assert.deepEqual([told.outcome, told.timeoutMs, told.heartbeatMs], ["ok", 0, 0]);
    assert.deepEqual(
      kit.items("b").map(({ used }) => used),
      [0],
    );
    assert.deepEqual(kit.one(close).bytes, told.bytes);
    assert.equal(kit.access("a").outcome, "session-unknown");
  });

  it("is not opened again by a late copy of its opening", () => {
    const kit = kitWith();
    const open = kit.next("a", Kind.openSession);
    kit.one(open);
    const close = kit.ask("a", Kind.closeSession);
    assert.equal(close.outcome, "ok");
    assert.equal(kit.one(open).outcome, "session-unknown");
    assert.equal(kit.open("a").outcome, "ok");
  });

  for (const [name, kind] of [
    ["access", Kind.access],
    ["release", Kind.release],
    ["info", Kind.info],
    ["heartbeat", Kind.heartbeat],
    ["containers", Kind.containers],
    ["items", Kind.items],
    ["closeSession", Kind.closeSession],
  ] as const) {
    it(`that was never opened cannot ${name}`, () => {
      const told = kitWith().ask("x", kind, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 });
      assert.equal(told.outcome, "session-unknown");
      assert.equal(told.text, "No such session in container 131-729831162: never opened, closed, or timed out.");
    });
  }

  it("is refused names that are not five counted UTF-8 strings, for good", () => {
    const names = (hex: string): Buffer => Buffer.from(hex, "hex");
    for (const [hex, outcome] of [
      ["0000000000", "ok"],
      ["016102626200016300", "ok"],
      ["02c3a900000000", "ok"],
      ["00000000", "bad-request"],
      ["000000000000", "bad-request"],
      ["0000000005", "bad-request"],
      ["01ff00000000", "bad-request"],
    ] as const) {
      const kit = kitWith();
      const open = kit.next("a", Kind.openSession, { blob: names(hex) });
      const told = kit.one(open);
      assert.equal(told.outcome, outcome, hex);
      assert.deepEqual(kit.one({ ...open, blob: names("0000000000") }).bytes, told.bytes);
    }
  });

  it("is refused a time-out that a result cannot show", () => {
    assert.equal(kitWith().open("a", 0xffff_ffff).outcome, "ok");
    assert.equal(kitWith().open("a", 0x1_0000_0000).outcome, "bad-request");
  });

  it("is refused when there are too many, and a repeat is told the same although there is room by then", () => {
    const kit = kitWith({ ...LIMITS, maxSessions: 2 });
    kit.open("a");
    kit.open("b");
    const open = kit.next("c", Kind.openSession);
    const told = kit.one(open);
    assert.deepEqual([told.outcome, told.text], ["bad-request", "All 2 sessions of this system are in use."]);
    kit.ask("a", Kind.closeSession);
    assert.deepEqual(kit.one(open).bytes, told.bytes);
    assert.equal(kit.open("c").outcome, "ok");
  });

  it("keeps the last results of ended sessions up to a limit, the oldest goes first", () => {
    const kit = kitWith({ ...LIMITS, maxEndedSessions: 2 });
    const closes = ["a", "b", "c"].map((name) => {
      kit.open(name);
      const close = kit.next(name, Kind.closeSession);
      kit.one(close);
      return close;
    });
    assert.deepEqual(
      closes.map((close) => kit.one(close).outcome),
      ["session-unknown", "ok", "ok"],
    );
  });

  it("that is refused again counts as ended anew", () => {
    const kit = kitWith({ ...LIMITS, maxSessions: 1, maxEndedSessions: 3 });
    kit.open("a");
    const [, c, b] = ["b", "c", "b", "d"].map((name) => {
      const open = kit.next(name, Kind.openSession);
      kit.one(open);
      return open;
    });
    kit.ask("a", Kind.closeSession);
    assert.ok(b !== undefined && c !== undefined);
    assert.deepEqual([kit.one(b).outcome, kit.one(c).outcome], ["bad-request", "ok"]);
  });

  it("cannot be the zero session, nor send request 0", () => {
    const kit = kitWith();
    const zero = kit.one({ kind: Kind.openSession, request: 1, session: new Uint8Array(16) });
    assert.equal(zero.outcome, "bad-request");
    assert.equal(kit.one({ kind: Kind.openSession, request: 0, session: sessionOf("a") }).outcome, "bad-request");
  });

  it("is told that a kind is unknown", () => {
    const kit = kitWith();
    kit.open("a");
    for (const kind of [0, 62, 63, 64, 192, 255]) {
      const told = kit.ask("a", kind);
      assert.deepEqual([told.kind, told.outcome], [kind, "bad-request"]);
    }
  });
});

describe("a session's time", () => {
  it("is over at its deadline in log time, by an expire record only", () => {
    const kit = kitWith();
    kit.open("a", 5_000);
    kit.open("b", 9_000);
    kit.access("a");
    kit.logMs += 4_999;
    assert.deepEqual(expire(kit), ["ok", kit.logMs + 1]);
    kit.logMs += 1;
    assert.deepEqual(expire(kit), ["ok", 10_000]);
    assert.equal(kit.access("a").outcome, "session-unknown");
    assert.deepEqual(
      kit.items("b").map(({ used }) => used),
      [0],
    );
  });

  it("begins anew with every request, also one that comes late but before the expire record", () => {
    const kit = kitWith();
    kit.open("a", 5_000);
    kit.access("a");
    kit.logMs += 60_000;
    const [told, expired] = kit.run(kit.next("a", Kind.heartbeat), EXPIRE);
    assert.deepEqual([told?.outcome, told?.timeoutMs, told?.heartbeatMs], ["ok", 5_000, 1_250]);
    assert.equal(expired?.nextExpiryMs, kit.logMs + 5_000);
    assert.deepEqual(
      kit.items("a").map(({ used }) => used),
      [1],
    );
  });

  it("is over for a request behind the expire record of the same batch", () => {
    const kit = kitWith();
    kit.open("a", 5_000);
    kit.logMs += 5_000;
    const [expired, told] = kit.run(EXPIRE, kit.next("a", Kind.heartbeat));
    assert.deepEqual([expired?.outcome, expired?.nextExpiryMs, told?.outcome], ["ok", 0, "session-unknown"]);
  });

  it("never goes backwards", () => {
    const kit = kitWith();
    kit.logMs = 50_000;
    kit.open("a", 5_000);
    kit.logMs = 1_000;
    assert.deepEqual(expire(kit), ["ok", 55_000]);
    assert.equal(kit.machine.logMs, 50_000);
  });

  it("leaves a session that timed out to be opened as a new one, with its numbers going on", () => {
    const kit = kitWith();
    kit.open("a", 5_000);
    const { handle } = kit.access("a");
    kit.logMs += 5_000;
    expire(kit);
    assert.equal(kit.ask("a", Kind.heartbeat).outcome, "session-unknown");
    assert.equal(kit.open("a", 5_000).outcome, "ok");
    assert.equal(kit.ask("a", Kind.info, { handle }).outcome, "handle-unknown");
    assert.notEqual(kit.access("a").handle, handle);
  });

  it("is watched for thousands of sessions in any order", () => {
    const kit = kitWith();
    const names = Array.from({ length: 3_000 }, (_, i) => `s${i}`);
    const timeouts = new Map(names.map((name, i) => [name, 1_000 + ((i * 7_919) % 3_001)]));
    for (let i = 0; i < names.length; i += 1_000) {
      kit.run(
        ...names
          .slice(i, i + 1_000)
          .map((name) => kit.next(name, Kind.openSession, { durationMs: timeouts.get(name) ?? 0 })),
      );
    }
    kit.run(...names.slice(0, 500).map((name) => kit.next(name, Kind.closeSession)));
    const opened = kit.logMs;
    const deadlines = names.slice(500).map((name) => opened + (timeouts.get(name) ?? 0));
    for (const after of [0, 999, 1_000, 1_700, 2_500, 4_000, 4_001]) {
      kit.logMs = opened + after;
      const later = deadlines.filter((deadline) => deadline > kit.logMs);
      assert.deepEqual(expire(kit), ["ok", later.length === 0 ? 0 : Math.min(...later)]);
    }
  });
});

describe("exactly once", () => {
  it("a repeat is told what was told before, to the byte, and executes nothing", () => {
    const kit = kitWith();
    kit.open("a");
    const access = kit.next("a", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 });
    const refused = kit.next("a", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 99 });
    const [granted, no] = kit.run(access, { ...refused, answeredBelow: 0 });
    assert.equal(no?.outcome, "not-found");
    kit.access("a", { answeredBelow: 0 });
    kit.holdAll();
    assert.deepEqual(kit.one(access).bytes, granted?.bytes);
    assert.deepEqual(kit.one({ ...refused, answeredBelow: 0 }).bytes, no?.bytes);
    assert.equal(firstOf(kit.ask("a", Kind.containers))["handles"], 2);
  });

  it("a repeat in the same batch is one request", () => {
    const kit = kitWith();
    kit.open("a");
    const access = kit.next("a", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 });
    const told = kit.run(access, access, access);
    assert.deepEqual(
      told.map(({ bytes }) => bytes),
      [told[0]?.bytes, told[0]?.bytes, told[0]?.bytes],
    );
    assert.deepEqual(
      kit.items("a").map(({ used }) => used),
      [1],
    );
  });

  it("requests out of order are executed as they come, each once", () => {
    const kit = kitWith();
    kit.open("a");
    const requests = [5, 3, 9, 4, 2].map((request) => ({
      ...kit.next("a", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 }),
      request,
      answeredBelow: 2,
    }));
    const first = kit.run(...requests);
    assert.equal(new Set(first.map(({ handle }) => handle)).size, 5);
    const second = kit.run(...requests);
    assert.deepEqual(
      second.map(({ bytes }) => bytes),
      first.map(({ bytes }) => bytes),
    );
  });

  it("what the client has acknowledged is stale", () => {
    const kit = kitWith();
    kit.open("a");
    const access = kit.next("a", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 });
    kit.one(access);
    kit.ask("a", Kind.heartbeat);
    const told = kit.one(access);
    assert.deepEqual([told.outcome, told.text], ["stale-request", "Request 2 is below 3, so the client was answered."]);
  });

  it("a request that says it was answered itself is stale, and acknowledges nothing", () => {
    const kit = kitWith();
    kit.open("a");
    const session = sessionOf("a");
    assert.equal(kit.one({ kind: Kind.heartbeat, request: 2, answeredBelow: 3, session }).outcome, "stale-request");
    assert.equal(kit.one({ kind: Kind.heartbeat, request: 2, answeredBelow: 2, session }).outcome, "ok");
  });

  it("a request beyond the window is busy, and executed later under the same number", () => {
    const kit = kitWith();
    kit.open("a");
    const session = sessionOf("a");
    const access = { kind: Kind.access, mode: 1, quantity: 1, firmCode: 6000010, productCode: 13, session };
    assert.equal(kit.one({ ...access, request: 256, answeredBelow: 1 }).outcome, "ok");
    assert.equal(kit.one({ ...access, request: 257, answeredBelow: 1 }).outcome, "busy");
    assert.equal(kit.one({ ...access, request: 257, answeredBelow: 2 }).outcome, "ok");
  });

  it("a request is busy while too many results are stored, and executed when there is room", () => {
    const kit = kitWith({ ...LIMITS, maxStoredResults: 3 });
    kit.open("a");
    kit.open("b");
    const access = kit.next("a", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 });
    assert.equal(kit.one({ ...access, answeredBelow: 1 }).outcome, "ok");
    const second = kit.next("a", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 });
    assert.equal(kit.one({ ...second, answeredBelow: 1 }).outcome, "busy");
    assert.equal(kit.open("c").outcome, "busy");
    assert.equal(kit.ask("b", Kind.items).outcome, "ok");
    assert.equal(kit.one(second).outcome, "ok");
  });

  it("reads and heartbeats are executed anew when they are repeated", () => {
    const kit = kitWith();
    kit.open("a");
    const items = kit.next("a", Kind.items);
    assert.equal(firstOf(kit.one(items))["used"], 0);
    kit.access("a", { answeredBelow: 0 });
    assert.equal(firstOf(kit.one(items))["used"], 1);
  });
});

function expire(kit: LicenseKit): [string, number] {
  const told = kit.one(EXPIRE);
  return [told.outcome, told.nextExpiryMs];
}

/** The first entry of a list. */
function firstOf(told: Told): Record<string, unknown> {
  return (JSON.parse(told.text) as Record<string, unknown>[])[0] ?? {};
}
