/** Borrowing, each row one statement: who borrows what for how long, and what becomes of the seat. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { LIMITS } from "../../ts/license/limits.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { type Terms, termsBytes } from "../../ts/license/terms.js";
import { Kind } from "../../ts/wire/kinds.js";
import { borrowAs, documentIn, returnAs, seedOf } from "../support/borrow-kit.js";
import { type Asked, EXPIRE, LicenseKit, type Told, terms } from "../support/license-kit.js";
import { licensePorts, sha256, testGenesis } from "../support/license-ports.js";
import { namesBlob } from "../support/session-names.js";

const start = Date.UTC(2030, 0, 1);
const day = 86_400_000;
const license = "License 6000010:13 item 1 in container 131-729831162";
const names = namesBlob({ host: "laptop", user: "ada", station: "desk", program: "cad" });

/** A system with one license of two seats that may be borrowed for a week, and the session "a". */
function kitWith(options: Partial<Terms> = {}, limits = LIMITS): LicenseKit {
  const kit = new LicenseKit(limits);
  kit.holdAll(terms({ tmrId: 1, quantity: 2, borrowSeconds: 7 * 86_400, ...options }));
  kit.ask("a", Kind.openSession, { blob: names });
  return kit;
}

const used = (kit: LicenseKit): unknown => kit.items("a")[0]?.["used"];

function handlesOf(kit: LicenseKit): readonly Record<string, unknown>[] {
  return JSON.parse(kit.ask("a", Kind.handles).text) as Record<string, unknown>[];
}

function cancel(kit: LicenseKit, handle: number): Told {
  return kit.one({ kind: Kind.cancelHandle, request: 0, session: new Uint8Array(16), handle });
}

describe("a borrowing", () => {
  interface Row {
    readonly says: string;
    readonly options?: Partial<Terms>;
    readonly asked?: Partial<Asked>;
    /** the outcome; of "ok" the length of the borrowing in ms, else the sentence */
    readonly told: readonly ["ok", number] | readonly [string, string];
  }
  const rows: readonly Row[] = [
    { says: "lasts as long as it asks for", asked: { durationMs: 3 * day }, told: ["ok", 3 * day] },
    { says: "may last as long as the license allows", asked: { durationMs: 7 * day }, told: ["ok", 7 * day] },
    { says: "that names no time lasts as long as the license allows", told: ["ok", 7 * day] },
    {
      says: "for longer is refused",
      asked: { durationMs: 7 * day + 1 },
      told: [
        "not-borrowable",
        `${license} may be borrowed for at most ${7 * day} ms; this one asked for ${7 * day + 1}.`,
      ],
    },
    {
      says: "ends with its license",
      options: { expirationMs: start + 2 * day },
      asked: { durationMs: 3 * day },
      told: ["ok", 2 * day],
    },
    {
      says: "ends with the usage period that it begins",
      options: { usagePeriodSeconds: 3600 },
      told: ["ok", 3_600_000],
    },
    {
      says: "of a license without the option is refused",
      options: { borrowSeconds: undefined } as unknown as Partial<Terms>,
      told: ["not-borrowable", `${license} may not be borrowed.`],
    },
    {
      says: "takes several seats",
      asked: { quantity: 2 },
      told: ["ok", 7 * day],
    },
    {
      says: "of more seats than there are is refused like an access",
      asked: { quantity: 3 },
      told: ["no-free-license", `${license}: 2 of 2 seats are free, 3 asked for.`],
    },
    {
      says: "is judged by feature bits like an access",
      asked: { featureMap: 4 },
      told: ["feature-missing", `${license} lacks the feature bits 0x4.`],
    },
    {
      says: "is judged by the maintenance period like an access",
      options: { maintenanceFromMs: 0, maintenanceUntilMs: start },
      told: ["maintenance", ""],
    },
    {
      says: "is judged by the client library like an access",
      options: { minimumRuntimeVersion: "99.0.0" },
      told: ["runtime-too-old", ""],
    },
    { says: "is judged by the named user like an access", options: { namedUser: "bob" }, told: ["named-user", ""] },
    { says: "of a license with no units left is refused", options: { unitCounter: 0 }, told: ["units-used-up", ""] },
    {
      says: "of another item than the named one is not found",
      asked: { itemRef: 9 },
      told: ["not-found", ""],
    },
    ...[0, 2, 3, 4].map((mode) => ({
      says: `in access mode ${mode} is refused`,
      asked: { mode },
      told: [
        "bad-request",
        `A borrowing takes seats of its own: its access mode is user limit (1), not ${mode}.`,
      ] as const,
    })),
    {
      says: "of no seat is refused",
      asked: { quantity: 0 },
      told: ["bad-request", "A borrowing takes at least one seat; this one asked for 0."],
    },
    {
      says: "without a key is refused",
      asked: { blob: Buffer.alloc(31) },
      told: ["bad-request", "A borrowing names an Ed25519 public key of 32 bytes; this one sent 31."],
    },
  ];
  for (const { says, options = {}, asked = {}, told } of rows) {
    it(says, () => {
      const clean = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
      const kit = new LicenseKit();
      const base: Partial<Terms> = "borrowSeconds" in options ? {} : { borrowSeconds: 7 * 86_400 };
      kit.holdAll(terms({ tmrId: 1, quantity: 2, ...base, ...clean }));
      kit.ask("a", Kind.openSession, { blob: names });
      const answer = borrowAs(kit, "a", "key", asked);
      assert.equal(answer.outcome, told[0], answer.text);
      if (typeof told[1] === "number") {
        const { fromMs, untilMs } = documentIn(answer);
        assert.deepEqual([fromMs, untilMs - fromMs, answer.validUntilMs], [start, told[1], untilMs]);
        assert.equal(used(kit), asked.quantity ?? 1);
      } else {
        if (told[1] !== "") assert.equal(answer.text, told[1]);
        assert.equal(handlesOf(kit).length, 0);
      }
    });
  }

  it("is answered with a document that says all of it", () => {
    const kit = kitWith({ featureMap: 7, borrowRevocable: true });
    const answer = borrowAs(kit, "a", "key", { featureMap: 5, durationMs: day });
    const held = terms({ tmrId: 1, quantity: 2, borrowSeconds: 7 * 86_400, featureMap: 7, borrowRevocable: true });
    assert.deepEqual(documentIn(answer), {
      format: "tmr-borrow/1",
      system: Buffer.from(kitGenesis()).toString("base64url"),
      container: "131-729831162",
      actId: 1,
      firmCode: 6000010,
      productCode: 13,
      tmrId: 1,
      itemRef: 1,
      terms: sha256(termsBytes(held)).toString("base64url"),
      featureMap: 5,
      quantity: 1,
      handle: answer.handle,
      user: "ada",
      host: "laptop",
      station: "desk",
      key: documentIn(answer).key,
      fromMs: start,
      untilMs: start + day,
      revocable: true,
    });
    assert.equal(kit.machine.borrowDocument(answer.handle)?.toString(), answer.text);
    assert.equal(kit.machine.borrowDocument(answer.handle + 1), null);
  });

  it("of a module names the module, and the license by its terms", () => {
    const modules = [{ productCode: 14, text: "Module", featureMap: 3 }];
    const kit = kitWith({ modules });
    const document = documentIn(borrowAs(kit, "a", "key", { productCode: 14, featureMap: 1 }));
    const held = terms({ tmrId: 1, quantity: 2, borrowSeconds: 7 * 86_400, modules });
    assert.deepEqual(
      [document.productCode, document.featureMap, document.terms],
      [14, 1, sha256(termsBytes(held)).toString("base64url")],
    );
  });

  const survivals: readonly { readonly says: string; readonly happens: (kit: LicenseKit) => void }[] = [
    { says: "outlives the closing of its session", happens: (kit) => void kit.ask("a", Kind.closeSession) },
    {
      says: "outlives the time-out of its session",
      happens: (kit) => {
        kit.logMs += 10 * 120_000;
        kit.run(EXPIRE);
      },
    },
    {
      says: "outlives its license, and is there when the license comes back",
      happens: (kit) => {
        kit.holdAll();
        kit.holdAll(terms({ tmrId: 1, quantity: 2, borrowSeconds: 7 * 86_400 }));
      },
    },
    {
      says: "outlives a restart from a snapshot",
      happens: (kit) => {
        kit.machine = LicenseMachine.restore(kit.machine.snapshot(), testGenesis, licensePorts);
      },
    },
    {
      says: "cannot be released by the session that made it",
      happens: (kit) => {
        const [borrowed] = handlesOf(kit);
        const told = kit.ask("a", Kind.release, { handle: borrowed?.["handle"] as number });
        assert.equal(told.outcome, "handle-unknown");
      },
    },
  ];
  for (const { says, happens } of survivals) {
    it(says, () => {
      const kit = kitWith();
      const borrowed = borrowAs(kit, "a", "key");
      happens(kit);
      kit.open("b");
      assert.equal(kit.items("b")[0]?.["used"], 1);
      assert.equal(kit.machine.borrowDocument(borrowed.handle)?.toString(), borrowed.text);
      assert.equal(returnAs(kit, "b", borrowed, "key").outcome, "ok");
      assert.equal(kit.items("b")[0]?.["used"], 0);
    });
  }

  it("takes its seat from others until its last moment, by calendar time alone", () => {
    const kit = kitWith({ quantity: 1 });
    const borrowed = borrowAs(kit, "a", "key", { durationMs: day });
    kit.calendarMs = start + day;
    assert.equal(kit.access("a").outcome, "no-free-license");
    kit.calendarMs += 1;
    assert.equal(kit.access("a").outcome, "ok");
    assert.equal(kit.machine.borrowDocument(borrowed.handle), null);
  });

  it("that ends gives its seat to who waits", () => {
    const kit = kitWith({ quantity: 1 });
    borrowAs(kit, "a", "key", { durationMs: 60_000 });
    const waiting = kit.access("a", { durationMs: day });
    assert.equal(waiting.outcome, "queued");
    const due = kit.one(EXPIRE).nextExpiryMs;
    assert.equal(due, kit.logMs + 60_001, "an expire is due when the borrowing ends");
    kit.logMs = due;
    kit.calendarMs += 60_001;
    kit.run(EXPIRE);
    assert.equal(kit.ask("a", Kind.info, { handle: waiting.handle }).outcome, "ok");
  });

  it("is shown with who has it and until when", () => {
    const kit = kitWith();
    borrowAs(kit, "a", "key", { durationMs: day });
    const [{ state, user, host, untilMs, seats } = {}] = handlesOf(kit);
    assert.deepEqual([state, user, host, untilMs, seats], ["borrowed", "ada", "laptop", start + day, 1]);
  });

  it("asked for again with its key, in another session, is the same one", () => {
    const kit = kitWith();
    const first = borrowAs(kit, "a", "key", { durationMs: day });
    kit.open("b");
    const again = borrowAs(kit, "b", "key", { durationMs: 2 * day });
    assert.deepEqual([again.outcome, again.handle, again.text], ["ok", first.handle, first.text]);
    assert.equal(used(kit), 1);
    const other = borrowAs(kit, "b", "key", { quantity: 2 });
    assert.equal(other.text, `This key has borrowed handle ${first.handle}: use another one.`);
  });

  it("repeated by its number is answered by the stored bytes", () => {
    const kit = kitWith();
    const request = kit.next("a", Kind.borrow, {
      ...{ mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 },
      blob: seedOf("any 32 bytes"),
    });
    const [first, second] = [kit.one(request), kit.one(request)];
    assert.deepEqual(second.bytes.subarray(128), first.bytes.subarray(128));
    assert.equal(second.handle, first.handle);
    assert.equal(used(kit), 1);
  });

  it("that a full batch has no room for is not stored: the same request is executed when there is room", () => {
    const kit = new LicenseKit();
    const others = Array.from({ length: 300 }, (_, i) => terms({ tmrId: i + 2, productCode: 14 }));
    kit.holdAll(terms({ tmrId: 1, quantity: 2, borrowSeconds: 86_400 }), ...others);
    kit.ask("a", Kind.openSession, { blob: names });
    kit.open("b");
    const lists = Array.from({ length: 250 }, () => ({ ...kit.next("b", Kind.items), answeredBelow: 0 }));
    const asked = kit.next("a", Kind.borrow, {
      ...{ mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 },
      blob: seedOf("any 32 bytes"),
    });
    const busy = kit.run(...lists, asked).at(-1);
    assert.deepEqual([busy?.kind, busy?.outcome, busy?.handle], [Kind.borrow, "busy", 0]);
    const told = kit.one(asked);
    assert.deepEqual([told.outcome, told.quantity, kit.one(asked).handle], ["ok", 1, told.handle]);
    assert.equal(handlesOf(kit).length, 1);
  });

  it("is refused when as many are lent as the system keeps", () => {
    const kit = kitWith({ quantity: 9 }, { ...LIMITS, maxBorrowings: 2 });
    borrowAs(kit, "a", "one");
    borrowAs(kit, "a", "two");
    const third = borrowAs(kit, "a", "three");
    assert.deepEqual(
      [third.outcome, third.text],
      ["bad-request", "This system lends no more: it has lent 2 licenses."],
    );
  });

  it("counts for the rule of the access list, and is denied by one", () => {
    const kit = kitWith({ quantity: 9 });
    const rule = (effect: string, limit?: number) => ({
      ...{ level: "global", kind: "user", value: "ada", effect },
      ...(limit === undefined ? {} : { limit }),
    });
    const set = (...rules: unknown[]): Told => {
      const list = Buffer.from(JSON.stringify({ format: "tmr-access-list/1", groups: {}, rules }));
      return kit.one({ kind: Kind.setAccessList, request: 0, session: new Uint8Array(16), blob: list });
    };
    assert.equal(set(rule("allow", 1)).outcome, "ok");
    assert.equal(borrowAs(kit, "a", "one").outcome, "ok");
    assert.equal(borrowAs(kit, "a", "two").outcome, "access-list");
    assert.equal(kit.access("a").outcome, "access-list");
    set(rule("deny"));
    assert.equal(borrowAs(kit, "a", "three").outcome, "access-list");
  });
});

describe("a borrowed license", () => {
  it("is given back by its key alone, once", () => {
    const kit = kitWith();
    const borrowed = borrowAs(kit, "a", "key");
    const stranger = returnAs(kit, "a", borrowed, "another");
    assert.deepEqual(
      [stranger.outcome, stranger.text],
      ["bad-request", `What gives handle ${borrowed.handle} back is not signed by the key that borrowed it.`],
    );
    const short = kit.ask("a", Kind.returnBorrow, { handle: borrowed.handle, blob: Buffer.alloc(63) });
    assert.equal(short.outcome, "bad-request");
    assert.equal(used(kit), 1);
    assert.deepEqual([returnAs(kit, "a", borrowed, "key").outcome, used(kit)], ["ok", 0]);
    assert.equal(returnAs(kit, "a", borrowed, "key").outcome, "handle-unknown");
  });

  it("is not given back by the return of an earlier one on the same slot", () => {
    const kit = kitWith();
    const first = borrowAs(kit, "a", "key");
    returnAs(kit, "a", first, "key");
    const second = borrowAs(kit, "a", "key");
    assert.notEqual(second.handle, first.handle);
    const forged = returnAs(kit, "a", { ...first, handle: second.handle }, "key");
    assert.equal(forged.outcome, "bad-request");
  });

  it("is not a handle that was accessed", () => {
    const kit = kitWith();
    const held = kit.access("a");
    assert.equal(returnAs(kit, "a", held, "key").outcome, "handle-unknown");
  });

  it("is called back only where its license allows it", () => {
    const fixed = kitWith();
    const lent = borrowAs(fixed, "a", "key", { durationMs: day });
    const refused = cancel(fixed, lent.handle);
    assert.deepEqual(
      [refused.outcome, refused.text],
      [
        "not-borrowable",
        `Handle ${lent.handle} is borrowed until ${new Date(start + day).toISOString()}, and its license does not allow to call it back.`,
      ],
    );
    assert.equal(used(fixed), 1);
    const revocable = kitWith({ borrowRevocable: true });
    const { handle } = borrowAs(revocable, "a", "key");
    assert.deepEqual([cancel(revocable, handle).outcome, used(revocable)], ["ok", 0]);
  });

  it("leaves no seat lingering", () => {
    const kit = kitWith({ lingerSeconds: 100, quantity: 1 });
    const borrowed = borrowAs(kit, "a", "key");
    returnAs(kit, "a", borrowed, "key");
    kit.open("b");
    assert.equal(kit.access("b").outcome, "ok");
  });
});

describe("random borrowing", () => {
  const step = fc.record({
    what: fc.constantFrom("borrow", "borrow", "return", "access", "release", "cancel", "close", "restore"),
    key: fc.integer({ min: 0, max: 4 }),
    seats: fc.integer({ min: 1, max: 3 }),
    passMs: fc.integer({ min: 0, max: 40_000 }),
  });

  it("keeps used seats equal to what is held and borrowed, never above the quantity, and snapshots whole", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const kit = kitWith({ quantity: 5, borrowSeconds: 60, borrowRevocable: true });
        const borrowed = new Map<number, { told: Told; untilMs: number }>();
        for (const { what, key, seats, passMs } of steps) {
          kit.calendarMs += passMs;
          kit.logMs += passMs;
          for (const [lent, { untilMs }] of borrowed) if (untilMs < kit.calendarMs) borrowed.delete(lent);
          kit.open("a");
          const known = borrowed.get(key);
          if (what === "borrow" && known === undefined) {
            const told = borrowAs(kit, "a", `key ${key}`, { quantity: seats, durationMs: 1_000 * seats * (key + 1) });
            if (told.outcome === "ok") borrowed.set(key, { told, untilMs: documentIn(told).untilMs });
          } else if (what === "return" && known !== undefined) {
            assert.equal(returnAs(kit, "a", known.told, `key ${key}`).outcome, "ok");
            borrowed.delete(key);
          } else if (what === "cancel" && known !== undefined) {
            assert.equal(cancel(kit, known.told.handle).outcome, "ok");
            borrowed.delete(key);
          } else if (what === "access") {
            kit.access("a", { quantity: seats });
          } else if (what === "release") {
            const held = handlesOf(kit).find(({ state }) => state === "held");
            if (held !== undefined) kit.ask("a", Kind.release, { handle: held["handle"] as number });
          } else if (what === "close") {
            kit.ask("a", Kind.closeSession);
          } else if (what === "restore") {
            const snapshot = kit.machine.snapshot();
            kit.machine = LicenseMachine.restore(snapshot, testGenesis, licensePorts);
            assert.deepEqual(kit.machine.snapshot(), snapshot);
          }
          kit.open("a");
          const shown = handlesOf(kit);
          const sum = shown.reduce((total, each) => total + (each["seats"] as number), 0);
          assert.equal(used(kit), sum);
          assert.ok(sum <= 5);
          const lent = shown.filter(({ state }) => state === "borrowed").map(({ handle }) => handle);
          assert.deepEqual(new Set(lent), new Set([...borrowed.values()].map(({ told }) => told.handle)));
        }
      }),
      { numRuns: 60 },
    );
  });
});

function kitGenesis(): Uint8Array {
  return LicenseMachine.create(testGenesis, licensePorts).stateDigest;
}
