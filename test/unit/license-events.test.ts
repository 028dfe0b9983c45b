import assert from "node:assert/strict";
import * as fc from "fast-check";
import { TmrError } from "../../ts/errors.js";
import { LIMITS } from "../../ts/license/limits.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { Kind } from "../../ts/wire/kinds.js";
import { borrowAs, returnAs, returnOf } from "../support/borrow-kit.js";
import {
  acknowledge,
  askEvents,
  askSeries,
  drain,
  linesOf,
  type ToldEvent,
  type ToldSeries,
  trackingOff,
  trackingOn,
} from "../support/events-kit.js";
import { EXPIRE, LicenseKit, terms } from "../support/license-kit.js";
import { licensePorts, sha256, testGenesis } from "../support/license-ports.js";
import { STORY_LIMITS, Storyteller, story } from "../support/license-story.js";
import { seeded } from "../support/seeded.js";

const FIRM = 6000010;
const names = (...parts: string[]): Buffer =>
  Buffer.concat(parts.flatMap((part) => [Buffer.from([Buffer.byteLength(part)]), Buffer.from(part)]));

function kitOf(maxEventBytes = LIMITS.maxEventBytes): LicenseKit {
  const kit = new LicenseKit({ ...LIMITS, maxEventBytes });
  kit.holdAll(terms({ tmrId: 1, quantity: 2 }));
  return kit;
}

/** Tracking is on, what that says is read, and session `a` is open. */
function trackedKit(): LicenseKit {
  const kit = kitOf();
  kit.one(trackingOn);
  drain(kit);
  kit.ask("a", Kind.openSession, { durationMs: 10_000, blob: names("cad-1", "anna", "", "cad", "1.2.0") });
  return kit;
}

/** Tracked, with ten units to consume, and two seats that may be borrowed for a minute and called back. */
function lendingKit(): LicenseKit {
  const kit = trackedKit();
  const options = { borrowSeconds: 60, borrowRevocable: true as const, unitCounter: 10 };
  kit.holdAll(terms({ tmrId: 1, quantity: 2, ...options }));
  drain(kit);
  return kit;
}

const anna = { host: "cad-1", user: "anna", program: "cad", runtime: "1.2.0" };
const license = { product: 13, item: 1 };

describe("license tracking", () => {
  const rows: readonly (readonly [string, (kit: LicenseKit) => void, readonly Record<string, unknown>[]])[] = [
    ["says nothing of a session that takes nothing", (kit) => kit.ask("a", Kind.info), []],
    [
      "tells an access with who, what, how and how the license stands",
      (kit) => kit.access("a"),
      [{ event: "access", ...anna, ...license, seats: 1, mode: "user-limit", handle: 262144, used: 1, total: 2 }],
    ],
    [
      "tells a release with its cause",
      (kit) => {
        const { handle } = kit.access("a", { mode: 4 });
        kit.ask("a", Kind.release, { handle });
      },
      [
        { event: "access", ...anna, ...license, seats: 0, mode: "no-user-limit", handle: 262144, used: 0, total: 2 },
        {
          event: "release",
          ...anna,
          ...license,
          seats: 0,
          mode: "no-user-limit",
          handle: 262144,
          cause: "released",
          used: 0,
          total: 2,
        },
      ],
    ],
    [
      "tells a refusal with its status and sentence",
      (kit) => kit.access("a", { quantity: 3 }),
      [
        {
          event: "refusal",
          request: "access",
          ...anna,
          product: 13,
          item: 0,
          status: "no-free-license",
          reason: "License 6000010:13 item 1 in container 131-729831162: 2 of 2 seats are free, 3 asked for.",
          asked: 3,
          mode: "user-limit",
        },
      ],
    ],
    [
      "tells a changed, a new and a vanished license",
      (kit) => {
        kit.holdAll(terms({ tmrId: 1, quantity: 3 }), terms({ tmrId: 2, text: "New", expirationMs: 5 }));
        kit.holdAll(terms({ tmrId: 2, text: "New", expirationMs: 5 }));
      },
      [
        { event: "license", ...license, text: "Item 1", used: 0, total: 3 },
        { event: "license", product: 13, item: 2, text: "New", until: 5, used: 0, total: 1 },
        { event: "license", ...license, text: "", used: 0, total: 0 },
      ],
    ],
    [
      "tells a repeated request once",
      (kit) => {
        const asked = kit.next("a", Kind.access, { mode: 1, quantity: 9, firmCode: FIRM, productCode: 13 });
        kit.run(asked, asked);
      },
      [
        {
          event: "refusal",
          request: "access",
          ...anna,
          product: 13,
          item: 0,
          status: "no-free-license",
          reason: "License 6000010:13 item 1 in container 131-729831162: 2 of 2 seats are free, 9 asked for.",
          asked: 9,
          mode: "user-limit",
        },
      ],
    ],
  ];
  for (const [statement, act, expected] of rows) {
    it(statement, () => {
      const kit = trackedKit();
      act(kit);
      assert.deepEqual(
        drain(kit).map(({ what }) => what),
        expected,
      );
    });
  }

  const held = { ...anna, ...license, seats: 1, mode: "user-limit", handle: 262144 };
  const lent = { event: "borrow", ...held, until: Date.UTC(2030, 0, 1) + 60_000, used: 1, total: 2 };
  const back = { event: "return", ...held, used: 0, total: 2 };
  const refused = { event: "refusal", request: "consume", ...anna, product: 13, item: 0 };
  const inContainer = "License 6000010:13 item 1 in container 131-729831162";
  const lending: readonly (readonly [string, (kit: LicenseKit) => void, readonly Record<string, unknown>[]])[] = [
    [
      "tells units with the handle that took them, and how many are left",
      (kit) => {
        const { handle } = kit.access("a");
        kit.ask("a", Kind.consume, { handle, quantity: 4 });
      },
      [
        { event: "access", ...held, used: 1, total: 2 },
        { event: "units", ...held, asked: 4, units: 6 },
      ],
    ],
    [
      "tells units that are refused, and takes none",
      (kit) => {
        const { handle } = kit.access("a");
        kit.ask("a", Kind.consume, { handle, quantity: 11 });
      },
      [
        { event: "access", ...held, used: 1, total: 2 },
        {
          ...refused,
          ...license,
          status: "units-used-up",
          reason: `${inContainer}: 10 units are left, 11 asked for.`,
          asked: 11,
          handle: 262144,
        },
      ],
    ],
    [
      "tells a borrowing once, as that and not as an access, with its end; its return with the cause",
      (kit) => void returnAs(kit, "a", borrowAs(kit, "a", "laptop"), "laptop"),
      [lent, { ...back, cause: "returned" }],
    ],
    [
      "tells a borrowing of several seats",
      (kit) => void borrowAs(kit, "a", "laptop", { quantity: 2, durationMs: 5_000 }),
      [{ ...lent, seats: 2, until: Date.UTC(2030, 0, 1) + 5_000, used: 2 }],
    ],
    [
      "tells a borrowing once that is asked for again with its key, and a return that is signed again as refused",
      (kit) => {
        const borrowed = borrowAs(kit, "a", "laptop");
        borrowAs(kit, "a", "laptop");
        returnAs(kit, "a", borrowed, "laptop");
        kit.ask("a", Kind.returnBorrow, returnOf(borrowed, "laptop"));
      },
      [
        lent,
        { ...back, cause: "returned" },
        {
          ...refused,
          request: "return",
          product: 0,
          status: "handle-unknown",
          reason: "Nothing is borrowed as handle 262144 from 131-729831162.",
          asked: 0,
          handle: 262144,
        },
      ],
    ],
    [
      "tells a borrowing whose time is over, after its session too, with who had it",
      (kit) => {
        borrowAs(kit, "a", "laptop");
        kit.ask("a", Kind.closeSession);
        kit.calendarMs += 60_001;
        kit.one(EXPIRE);
      },
      [lent, { ...back, cause: "ended" }],
    ],
    [
      "tells a borrowing that an administrator calls back",
      (kit) => {
        const { handle } = borrowAs(kit, "a", "laptop");
        kit.one({ kind: Kind.cancelHandle, request: 0, session: new Uint8Array(16), handle });
      },
      [lent, { ...back, cause: "cancelled" }],
    ],
    [
      "tells a refused borrowing with its reason",
      (kit) => void borrowAs(kit, "a", "laptop", { durationMs: 60_001 }),
      [
        {
          ...refused,
          request: "borrow",
          status: "not-borrowable",
          reason: `${inContainer} may be borrowed for at most 60000 ms; this one asked for 60001.`,
          asked: 1,
          mode: "user-limit",
        },
      ],
    ],
  ];
  for (const [statement, act, expected] of lending) {
    it(statement, () => {
      const kit = lendingKit();
      act(kit);
      assert.deepEqual(
        drain(kit).map(({ what }) => what),
        expected,
      );
    });
  }

  it("tells every handle that ends with its session, and why", () => {
    for (const [cause, end] of [
      ["closed", (kit: LicenseKit) => kit.ask("a", Kind.closeSession)],
      [
        "timed-out",
        (kit: LicenseKit) => {
          kit.logMs += 60_000;
          kit.one(EXPIRE);
        },
      ],
    ] as const) {
      const kit = trackedKit();
      kit.access("a");
      kit.access("a");
      end(kit);
      const told = drain(kit).slice(2);
      assert.deepEqual(
        told.map(({ what }) => [what["event"], what["cause"], what["used"]]),
        [
          ["release", cause, 1],
          ["release", cause, 0],
        ],
      );
      // Two events of one record: the same place in the log, told apart by the last number.
      assert.deepEqual(
        told.map(({ at }) => at.split(".")[2]),
        ["0", "1"],
      );
    }
  });

  it("is off at first, and says when it is turned on and off", () => {
    const kit = kitOf();
    kit.open("a");
    kit.access("a");
    assert.deepEqual(drain(kit), []);
    kit.one(trackingOn);
    const told = drain(kit);
    assert.deepEqual(
      told.map(({ firm, number, what }) => [firm, number, what["event"], what["used"] ?? what["on"]]),
      [
        [0, 1, "tracking", true],
        [FIRM, 1, "license", 1],
      ],
    );
    kit.one(trackingOff);
    kit.access("a");
    assert.deepEqual(
      drain(kit).map(({ firm, number, what }) => [firm, number, what["on"]]),
      [
        [0, 2, false],
        [FIRM, 2, false],
      ],
    );
  });

  it("has no series for a Firm Code that no license ever had", () => {
    const kit = trackedKit();
    kit.access("a", { firmCode: 7_777_777 });
    assert.deepEqual(
      drain(kit).map(({ firm, what }) => [firm, what["firm"], what["status"]]),
      [[0, 7_777_777, "not-found"]],
    );
  });

  it("numbers events per Firm Code without a break, whatever was acknowledged in between", () => {
    const kit = trackedKit();
    const told: ToldEvent[] = [];
    for (let i = 0; i < 300; i++) {
      kit.access("a", { quantity: 3 });
      if (i % 70 === 0) told.push(...drain(kit));
    }
    told.push(...drain(kit));
    assert.deepEqual(
      told.map(({ number }) => number),
      Array.from({ length: 300 }, (_, i) => i + 2),
    );
  });

  it("tells again what is not acknowledged, and nothing that is", () => {
    const kit = trackedKit();
    kit.access("a");
    const [first] = linesOf<ToldEvent>(kit.one(askEvents).text);
    kit.access("a");
    const again = linesOf<ToldEvent>(kit.one(askEvents).text);
    assert.deepEqual(again[0], first);
    assert.equal(again.length, 2);
    assert.deepEqual(linesOf<ToldEvent>(kit.one(acknowledge(first?.at ?? "")).text), again.slice(1));
    assert.deepEqual(linesOf<ToldEvent>(kit.one(askEvents).text), again.slice(1));
  });

  it("loses the oldest events when nobody writes them down, and says which", () => {
    const kit = kitOf(4_000);
    kit.one(trackingOn);
    kit.open("a");
    for (let i = 0; i < 40; i++) kit.access("a", { quantity: 3 });
    const told = drain(kit);
    const gaps = told.filter(({ what }) => what["event"] === "gap");
    assert.deepEqual(
      gaps.map(({ firm }) => firm),
      [0, FIRM],
    );
    const ofFirm = told.filter(({ firm }) => firm === FIRM);
    const gap = gaps[1]?.what as { from: number; to: number; lost: number };
    assert.deepEqual([gap.from, gap.lost], [1, gap.to]);
    // What follows the gap is complete.
    assert.deepEqual(
      ofFirm.map(({ number }) => number),
      Array.from({ length: 42 - gap.to }, (_, i) => gap.to + i),
    );
    assert.deepEqual(drain(kit), []);
  });

  it("attests how far each writer has written", () => {
    const kit = trackedKit();
    kit.access("a");
    const [first] = linesOf<ToldEvent>(kit.one(askEvents).text);
    kit.one(acknowledge(first?.at ?? "", "tmr-a", [[FIRM, 12, 7]]));
    kit.one(acknowledge(first?.at ?? "", "tmr-b", [[FIRM, 3, 8]]));
    const series = linesOf<ToldSeries>(kit.one(askSeries()).text);
    const chain = (byte: number): string => Buffer.alloc(32, byte).toString("base64url");
    assert.deepEqual(
      series.map(({ since, ...rest }) => ({ ...rest, since: since > 0 })),
      [
        { firm: 0, assigned: 1, acknowledged: 1, since: true, heads: [] },
        {
          firm: FIRM,
          assigned: 2,
          acknowledged: 2,
          since: true,
          heads: [
            { writer: "tmr-a", lines: 12, chain: chain(7) },
            { writer: "tmr-b", lines: 3, chain: chain(8) },
          ],
        },
      ],
    );
  });

  it("refuses an acknowledgement without a writer, and a switch that is neither on nor off", () => {
    const kit = trackedKit();
    assert.equal(kit.one({ ...acknowledge("9.0.0"), blob: Buffer.from([3, 65]) }).outcome, "bad-request");
    assert.equal(kit.one({ ...trackingOn, quantity: 2 }).outcome, "bad-request");
  });

  it("goes on from a snapshot as if nothing had happened, to the byte, over random stories", () => {
    const restore = (snapshot: Uint8Array): LicenseMachine =>
      LicenseMachine.restore(snapshot, testGenesis, licensePorts, STORY_LIMITS);
    fc.assert(
      fc.property(story, fc.nat({ max: 12 }), (chapters, every) => {
        const teller = new Storyteller();
        const copies = { machine: restore(teller.machine.snapshot()) };
        const tell = (asked: Parameters<Storyteller["tell"]>[0]): string => {
          const [told] = teller.tell(asked);
          copies.machine.apply(teller.batches.at(-1) as Buffer);
          return told?.text ?? "";
        };
        const numbers = new Map<number, number>();
        tell([trackingOn]);
        chapters.forEach((chapter, i) => {
          teller.play(chapter);
          copies.machine.apply(teller.batches.at(-1) as Buffer);
          copies.machine = restore(copies.machine.snapshot());
          assert.deepEqual(copies.machine.snapshot(), teller.machine.snapshot());
          if (i % (every + 1) !== 0) return;
          let last = "";
          for (const { firm, number, at, what } of linesOf<ToldEvent>(tell([askEvents]))) {
            const from = what["event"] === "gap" ? (what["from"] as number) : number;
            assert.equal(from, (numbers.get(firm) ?? 0) + 1);
            numbers.set(firm, number);
            last = at;
          }
          if (last !== "") tell([acknowledge(last)]);
        });
        assert.deepEqual(copies.machine.stateDigest, teller.machine.stateDigest);
      }),
      seeded(60),
    );
  });

  it("survives no alteration of its part of a snapshot unseen", () => {
    const kit = trackedKit();
    kit.access("a");
    kit.access("a", { quantity: 3 });
    const [first] = linesOf<ToldEvent>(kit.one(askEvents).text);
    kit.one(acknowledge(first?.at ?? "", "tmr-a", [[FIRM, 12, 7]]));
    const bytes = Buffer.from(kit.machine.snapshot());
    const plain = Buffer.from(kit.machine.snapshot());
    const end = bytes.length - 32;
    let refused = 0;
    // Every word once, with the digest at the end made right again: refused, or read as it stands.
    for (let at = 200; at < end; at += 4) {
      plain.copy(bytes);
      bytes.writeUInt32LE((bytes.readUInt32LE(at) ^ 0x8000_0001) >>> 0, at);
      sha256(bytes.subarray(0, end)).copy(bytes, end);
      try {
        const copy = LicenseMachine.restore(bytes, testGenesis, licensePorts, LIMITS);
        assert.deepEqual(Buffer.from(copy.snapshot()), bytes);
      } catch (error) {
        assert.ok(error instanceof TmrError && error.code === "ERR_TMR_STORE", String(error));
        refused += 1;
      }
    }
    assert.ok(refused > 50);
  });
});
