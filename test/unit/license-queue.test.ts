import assert from "node:assert/strict";
import { signingKeysOf } from "../../ts/license/genesis.js";
import { LIMITS } from "../../ts/license/limits.js";
import { identityOf } from "../../ts/license/party.js";
import { State } from "../../ts/license/state.js";
import { checkStatement } from "../../ts/license/statement.js";
import { AccessMode, Kind } from "../../ts/wire/kinds.js";
import { allRules } from "../../ts/wire/rules.js";
import { EXPIRE, identityText, LicenseKit, signedStatement, type Told, terms } from "../support/license-kit.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";

const WAIT = { durationMs: 10_000 };
const system = { request: 0, session: new Uint8Array(16) };

/** One seat, held by `a`; all others have a session. */
function kitWith(quantity = 1, more: Partial<Parameters<typeof terms>[0]> = {}, limits = LIMITS): LicenseKit {
  const kit = new LicenseKit(limits);
  kit.holdAll(terms({ tmrId: 1, quantity, ...more }));
  for (const name of ["a", "b", "c", "d", "e"]) {
    kit.ask(name, Kind.openSession, { blob: identityText({ user: name, host: name }), durationMs: 600_000 });
  }
  return kit;
}

const brief = (told: Told): unknown => [told.outcome, told.free];
const info = (kit: LicenseKit, session: string, handle: number): unknown =>
  brief(kit.ask(session, Kind.info, { handle }));

describe("an access that may wait", () => {
  it("is granted at once when a seat is free", () => {
    assert.deepEqual(brief(kitWith().access("a", WAIT)), ["ok", 0]);
  });

  it("gets a handle and its place, and takes no seat", () => {
    const kit = kitWith();
    kit.access("a");
    const told = kit.access("b", WAIT);
    assert.deepEqual(
      [told.outcome, told.free, told.quantity, told.total, told.text],
      ["queued", 1, 0, 1, "license 6000010:13 item 1 in container 131-729831162: place 1 of 1 who wait."],
    );
    assert.ok(told.handle > 0);
    assert.deepEqual(brief(kit.access("c", WAIT)), ["queued", 2]);
    const [item] = kit.items("a");
    assert.deepEqual([item?.["used"], item?.["queued"], item?.["free"]], [1, 2, 0]);
  });

  it("is granted in the order of asking, as soon as a seat is given back", () => {
    const kit = kitWith();
    const { handle } = kit.access("a");
    const b = kit.access("b", WAIT).handle;
    const c = kit.access("c", WAIT).handle;
    assert.deepEqual(
      [info(kit, "b", b), info(kit, "c", c)],
      [
        ["queued", 1],
        ["queued", 2],
      ],
    );
    assert.deepEqual(brief(kit.ask("a", Kind.release, { handle })), ["ok", 0]);
    assert.deepEqual(
      [info(kit, "b", b), info(kit, "c", c)],
      [
        ["ok", 0],
        ["queued", 1],
      ],
    );
    kit.ask("b", Kind.closeSession);
    assert.deepEqual(info(kit, "c", c), ["ok", 0]);
  });

  it("does not let anybody overtake, whether he waits or not", () => {
    const kit = kitWith(3);
    const { handle } = kit.access("a", { quantity: 2 });
    const b = kit.access("b", { ...WAIT, quantity: 3 }).handle;
    const refused = kit.access("c");
    assert.deepEqual(
      [refused.outcome, refused.text],
      [
        "no-free-license",
        "License 6000010:13 item 1 in container 131-729831162: 1 of 3 seats are free, 1 asked for; 1 waiting.",
      ],
    );
    assert.deepEqual(brief(kit.access("d", WAIT)), ["queued", 2]);
    kit.ask("a", Kind.release, { handle });
    assert.deepEqual(info(kit, "b", b), ["ok", 0]);
  });

  it("is overtaken by what takes no seat", () => {
    const kit = kitWith();
    kit.ask("s", Kind.openSession, { blob: identityText({ host: "a" }) });
    kit.access("s", { mode: 2 });
    assert.equal(kit.access("b", WAIT).outcome, "queued");
    assert.equal(kit.access("c", { mode: 4 }).outcome, "ok");
    assert.equal(kit.access("a", { mode: 2 }).outcome, "ok");
  });

  it("grants several from one release, as far as the seats go", () => {
    const kit = kitWith(4);
    const { handle } = kit.access("a", { quantity: 4 });
    const handles = [
      ["b", 1],
      ["c", 2],
      ["d", 2],
      ["e", 1],
    ].map(
      ([name, quantity]) =>
        [name, kit.access(name as string, { ...WAIT, quantity: quantity as number }).handle] as const,
    );
    kit.ask("a", Kind.release, { handle });
    assert.deepEqual(
      handles.map(([name, one]) => info(kit, name as string, one)),
      [
        ["ok", 1],
        ["ok", 1],
        ["queued", 1],
        ["queued", 2],
      ],
    );
  });

  it("takes over the seat that its own user releases though others would wait for it to linger", () => {
    const kit = kitWith(1, { lingerSeconds: 60 });
    const { handle } = kit.access("a");
    const b = kit.access("b", WAIT).handle;
    const again = kit.access("a", WAIT).handle;
    kit.ask("a", Kind.release, { handle });
    assert.deepEqual(
      [info(kit, "a", again), info(kit, "b", b)],
      [
        ["ok", 0],
        ["queued", 1],
      ],
    );
  });

  it("is granted when a lingering seat is over, at the beginning of any batch", () => {
    const kit = kitWith(1, { lingerSeconds: 60 });
    const { handle } = kit.access("a");
    kit.ask("a", Kind.release, { handle });
    const b = kit.access("b", { durationMs: 100_000 }).handle;
    kit.logMs += 59_999;
    assert.deepEqual(info(kit, "b", b), ["queued", 1]);
    kit.logMs += 1;
    assert.deepEqual(info(kit, "b", b), ["ok", 0]);
  });

  it("is granted by a raised quantity", () => {
    const kit = kitWith();
    kit.access("a");
    const b = kit.access("b", WAIT).handle;
    kit.holdAll(terms({ tmrId: 1, quantity: 2 }));
    assert.deepEqual(info(kit, "b", b), ["ok", 0]);
  });

  it("is not granted while fewer than two holders are reached, nor by a license that is gone or expired", () => {
    const kit = kitWith(1, { expirationMs: Date.UTC(2030, 0, 1) + 5_000 });
    const { handle } = kit.access("a");
    const b = kit.access("b", WAIT).handle;
    kit.reached = 1;
    kit.ask("a", Kind.release, { handle });
    assert.equal(kit.ask("b", Kind.info, { handle: b }).outcome, "queued");
    kit.calendarMs += 5_001;
    kit.reached = 7;
    assert.equal(kit.ask("b", Kind.info, { handle: b }).outcome, "queued");
    for (const upstream of [1, 2, 3] as const) kit.hold(upstream);
    assert.equal(kit.ask("b", Kind.info, { handle: b }).outcome, "queued");
    kit.holdAll(terms({ tmrId: 1 }));
    assert.deepEqual(info(kit, "b", b), ["ok", 0]);
  });

  it("is granted as soon as two holders are reached again", () => {
    const kit = kitWith();
    const { handle } = kit.access("a");
    const b = kit.access("b", WAIT).handle;
    kit.reached = 1;
    kit.ask("a", Kind.release, { handle });
    kit.reached = 6;
    assert.deepEqual(info(kit, "b", b), ["ok", 0]);
  });

  it("is over at its deadline by log time, which info says until the handle is given back", () => {
    const kit = kitWith();
    const { handle } = kit.access("a");
    const b = kit.access("b", WAIT).handle;
    assert.equal(kit.one(EXPIRE).nextExpiryMs, kit.logMs + 10_000);
    kit.logMs += 9_999;
    assert.deepEqual(info(kit, "b", b), ["queued", 1]);
    kit.logMs += 1;
    const over = `Handle ${b} of license 6000010:13 item 1 in container 131-729831162 waited as long as was asked for, and no seat became free.`;
    for (let i = 0; i < 2; i++) {
      const told = kit.ask("b", Kind.info, { handle: b });
      assert.deepEqual([told.outcome, told.text], ["no-free-license", over]);
    }
    kit.ask("a", Kind.release, { handle });
    assert.equal(kit.access("c").outcome, "ok");
    assert.equal(kit.ask("b", Kind.release, { handle: b }).outcome, "no-free-license");
    assert.equal(kit.ask("b", Kind.info, { handle: b }).outcome, "handle-unknown");
  });

  it("is withdrawn by release, and those behind move up", () => {
    const kit = kitWith(3);
    kit.access("a", { quantity: 2 });
    const b = kit.access("b", { ...WAIT, quantity: 2 }).handle;
    const c = kit.access("c", WAIT).handle;
    assert.deepEqual(info(kit, "c", c), ["queued", 2]);
    assert.equal(kit.ask("b", Kind.release, { handle: b }).outcome, "ok");
    assert.deepEqual(info(kit, "c", c), ["ok", 0]);
  });

  it("is withdrawn by the end of its session", () => {
    for (const end of ["close", "time out"]) {
      const kit = kitWith();
      const { handle } = kit.access("a");
      kit.ask("x", Kind.openSession, { durationMs: 5_000 });
      kit.access("x", { durationMs: 100_000 });
      const c = kit.access("c", { durationMs: 100_000 }).handle;
      if (end === "close") kit.ask("x", Kind.closeSession);
      else {
        kit.logMs += 5_000;
        kit.one(EXPIRE);
      }
      assert.deepEqual(info(kit, "c", c), ["queued", 1]);
      kit.ask("a", Kind.release, { handle });
      assert.deepEqual(info(kit, "c", c), ["ok", 0]);
    }
  });

  it("is refused at once what there are not seats enough for at all", () => {
    const kit = kitWith(2);
    assert.equal(kit.access("a", { ...WAIT, quantity: 3 }).outcome, "no-free-license");
  });

  it("is refused at once where as many wait already as may", () => {
    const kit = kitWith(1, {}, { ...LIMITS, maxWaiting: 2 });
    const { handle } = kit.access("a");
    assert.deepEqual(
      [brief(kit.access("b", WAIT)), brief(kit.access("c", WAIT))],
      [
        ["queued", 1],
        ["queued", 2],
      ],
    );
    const refused = kit.access("d", WAIT);
    assert.deepEqual(
      [refused.outcome, refused.handle, refused.itemRef, refused.total, refused.text],
      [
        "no-free-license",
        0,
        1,
        1,
        "No more can wait for license 6000010:13 item 1 in container 131-729831162: 2 do, the most allowed.",
      ],
    );
    kit.ask("a", Kind.release, { handle });
    assert.deepEqual(brief(kit.access("d", WAIT)), ["queued", 2]);
  });

  it("may not use the handle before it is granted", () => {
    const kit = kitWith();
    kit.access("a");
    const { handle } = kit.access("b", WAIT);
    for (const kind of [Kind.consume, Kind.crypt, Kind.readData]) {
      assert.notEqual(kit.ask("b", kind, { handle }).outcome, "ok");
    }
  });

  it("waits for the first item of a product that has no free seat", () => {
    const kit = new LicenseKit();
    kit.holdAll(
      terms({ tmrId: 1, featureMap: 0 }),
      terms({ tmrId: 2, featureMap: 1 }),
      terms({ tmrId: 3, featureMap: 1 }),
    );
    kit.open("a");
    kit.access("a", { featureMap: 1 });
    kit.access("a", { featureMap: 1 });
    assert.deepEqual([kit.access("a", { featureMap: 1, ...WAIT }).itemRef], [2]);
  });

  it("repeats its answer for the same request though it was granted meanwhile", () => {
    const kit = kitWith();
    const { handle } = kit.access("a");
    const asked = kit.next("b", Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13, ...WAIT });
    const first = kit.one(asked);
    kit.ask("a", Kind.release, { handle });
    assert.deepEqual(kit.one(asked).bytes, first.bytes);
    assert.deepEqual(info(kit, "b", first.handle), ["ok", 0]);
  });
});

describe("many handles that end together", () => {
  it("are one reason to look after those who wait for their license", () => {
    const state = new State(testGenesis, licensePorts, LIMITS, allRules);
    for (const upstream of [1, 2] as const) {
      const blob = signedStatement({ items: [terms({ tmrId: 1, quantity: 3 })], upstream, version: 1 });
      const key = signingKeysOf(testGenesis)[upstream - 1] as Buffer;
      const statement = checkStatement(blob, upstream, 0, key, licensePorts);
      if (typeof statement === "string") assert.fail(statement);
      state.acceptStatement(upstream, statement);
    }
    const [item] = state.container.items;
    if (item === undefined) assert.fail("no license");
    const session = state.openSession(
      Uint32Array.of(1, 2, 3, 4),
      0,
      identityOf(new Uint32Array(4), 0, Buffer.alloc(0)),
      9,
      1,
    );
    const held = [0, 1, 2].map(() => state.grant(session, item, 1, AccessMode.userLimit));
    const wanted = { seats: 1, mode: AccessMode.userLimit, rule: 0, featureMap: 0 };
    const waiting = [0, 1, 2, 3].map((i) => state.enqueue(session, item, wanted, 10 + i));
    for (const slot of [...held, ...waiting.slice(0, 3)]) state.release(slot);
    assert.deepEqual([...state.seats.freed], [item.pool]);
  });
});

describe("an administrator's cancel", () => {
  const cancel = (kit: LicenseKit, handle: number): Told => kit.one({ ...system, kind: Kind.cancelHandle, handle });

  it("frees the seat at once, and the client is told handle-lost until it gives the handle back", () => {
    const kit = kitWith(1, { lingerSeconds: 60 });
    const { handle } = kit.access("a");
    const told = cancel(kit, handle);
    assert.deepEqual([told.outcome, told.handle, told.free, told.itemRef], ["ok", handle, 1, 1]);
    assert.equal(kit.access("b").outcome, "ok");
    const lost = `Handle ${handle} of license 6000010:13 item 1 in container 131-729831162 was taken away by an administrator.`;
    for (const kind of [Kind.info, Kind.info, Kind.release]) {
      const answer = kit.ask("a", kind, { handle });
      assert.deepEqual([answer.outcome, answer.text], ["handle-lost", lost]);
    }
    assert.equal(kit.ask("a", Kind.info, { handle }).outcome, "handle-unknown");
  });

  it("tells other sessions nothing", () => {
    const kit = kitWith();
    const { handle } = kit.access("a");
    cancel(kit, handle);
    assert.equal(kit.ask("b", Kind.info, { handle }).outcome, "handle-unknown");
  });

  it("lets the next who waits have the seat", () => {
    const kit = kitWith();
    const { handle } = kit.access("a");
    const b = kit.access("b", WAIT).handle;
    assert.equal(cancel(kit, handle).free, 0);
    assert.deepEqual(info(kit, "b", b), ["ok", 0]);
  });

  it("ends waiting and lingering too", () => {
    const kit = kitWith(1, { lingerSeconds: 60 });
    const { handle } = kit.access("a");
    const b = kit.access("b", WAIT).handle;
    cancel(kit, b);
    assert.equal(kit.ask("b", Kind.info, { handle: b }).outcome, "handle-lost");
    kit.ask("a", Kind.release, { handle });
    assert.equal(kit.access("c").outcome, "no-free-license");
    const [lingering] = JSON.parse(kit.ask("c", Kind.handles).text) as { handle: number }[];
    assert.equal(cancel(kit, lingering?.handle ?? 0).outcome, "ok");
    assert.equal(kit.access("c").outcome, "ok");
  });

  it("of a shared seat's first handle leaves the seat to the others of the station", () => {
    const kit = kitWith();
    kit.ask("a2", Kind.openSession, { blob: identityText({ host: "a" }) });
    const { handle } = kit.access("a", { mode: 2 });
    const second = kit.access("a2", { mode: 2 }).handle;
    cancel(kit, handle);
    assert.equal(kit.access("b").outcome, "no-free-license");
    assert.equal(kit.ask("a2", Kind.info, { handle: second }).quantity, 1);
  });

  it("of a handle that is not there is refused", () => {
    const kit = kitWith();
    const { handle } = kit.access("a");
    assert.equal(cancel(kit, handle + 1).outcome, "handle-unknown");
    cancel(kit, handle);
    const again = cancel(kit, handle);
    assert.deepEqual(
      [again.outcome, again.text],
      ["handle-unknown", `There is no handle ${handle} in container 131-729831162.`],
    );
  });

  it("is remembered for a bounded number of handles, the oldest is forgotten", () => {
    const kit = new LicenseKit({ ...LIMITS, maxLostHandles: 2 });
    kit.holdAll(terms({ tmrId: 1, quantity: 9 }));
    kit.open("a");
    const handles = [0, 1, 2].map(() => kit.access("a").handle);
    for (const handle of handles) cancel(kit, handle);
    assert.deepEqual(
      handles.map((handle) => kit.ask("a", Kind.info, { handle }).outcome),
      ["handle-unknown", "handle-lost", "handle-lost"],
    );
  });
});

describe("the list of handles", () => {
  it("says who holds what, since when, from where, in which mode", () => {
    const kit = kitWith(3, { lingerSeconds: 60 });
    kit.ask("p", Kind.openSession, {
      blob: identityText({ host: "pc", user: "anna@plant", station: "1", program: "cad" }),
    });
    const { handle } = kit.access("p", { quantity: 2 });
    const released = kit.access("a").handle;
    kit.ask("a", Kind.release, { handle: released });
    kit.calendarMs += 7;
    const waiting = kit.access("b", { ...WAIT, mode: 3 }).handle;
    const codes = { firmCode: 6000010, productCode: 13, itemRef: 1 };
    const sinceMs = Date.UTC(2030, 0, 1);
    const nobody = { station: "", program: "" };
    assert.deepEqual(JSON.parse(kit.ask("c", Kind.handles).text), [
      {
        ...codes,
        handle,
        seats: 2,
        mode: 1,
        host: "pc",
        user: "anna@plant",
        station: "1",
        program: "cad",
        sinceMs,
        state: "held",
      },
      { ...codes, ...nobody, handle: released, seats: 1, mode: 1, host: "a", user: "a", sinceMs, state: "lingering" },
      {
        ...codes,
        ...nobody,
        handle: waiting,
        seats: 1,
        mode: 3,
        host: "b",
        user: "b",
        sinceMs: sinceMs + 7,
        state: "queued",
      },
    ]);
  });

  it("may be asked for one firm code or product code", () => {
    const kit = new LicenseKit();
    const licenses = [
      [7, 13],
      [6000010, 1],
      [6000010, 13],
    ] as const;
    kit.holdAll(...licenses.map(([firmCode, productCode], i) => terms({ tmrId: i + 1, firmCode, productCode })));
    kit.open("a");
    for (const [firmCode, productCode] of licenses)
      assert.equal(kit.access("a", { firmCode, productCode }).outcome, "ok");
    for (const [firmCode, productCode, items] of [
      [0, 0, [1, 2, 3]],
      [6000010, 0, [2, 3]],
      [0, 13, [1, 3]],
      [6000010, 13, [3]],
      [8, 0, []],
    ] as const) {
      const list = JSON.parse(kit.ask("a", Kind.handles, { firmCode, productCode }).text) as { itemRef: number }[];
      assert.deepEqual(
        list.map(({ itemRef }) => itemRef),
        items,
      );
    }
  });

  it("goes on over as many answers as it needs", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1, quantity: 1_000 }));
    kit.open("a");
    const handles = Array.from({ length: 500 }, () => kit.access("a").handle);
    const seen: number[] = [];
    let cursor = 0;
    let parts = 0;
    do {
      const told = kit.ask("a", Kind.handles, { cursor });
      seen.push(...(JSON.parse(told.text) as { handle: number }[]).map(({ handle }) => handle));
      cursor = told.nextCursor;
      parts += 1;
    } while (cursor !== 0);
    assert.deepEqual(seen, handles);
    assert.ok(parts > 2);
  });
});
