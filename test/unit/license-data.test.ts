/** Data of a license and what is computed with its secret data; each row is one statement. */
import assert from "node:assert/strict";
import { createHmac, hkdfSync } from "node:crypto";
import * as fc from "fast-check";
import { hkdfSha256, hmacSha256 } from "../../ts/license/hmac.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import type { Terms } from "../../ts/license/terms.js";
import { CryptMethod, DataKind } from "../../ts/wire/data-kinds.js";
import { Kind } from "../../ts/wire/kinds.js";
import { type Asked, LicenseKit, type Told, terms } from "../support/license-kit.js";
import { licensePorts, sha256, testGenesis } from "../support/license-ports.js";
import { seeded } from "../support/seeded.js";

const base64url = (text: string): string => Buffer.from(text).toString("base64url");
const code = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const license = "License 6000010:13 item 1 in container 131-729831162";
const full: Partial<Terms> = {
  ownerInformation: "plant 1",
  userData: base64url("at first"),
  protectedData: base64url("protected"),
  extendedProtectedData: [
    { index: 0, data: base64url("zero") },
    { index: 127, data: base64url("last") },
  ],
  hiddenData: [{ index: 3, data: base64url("hidden"), accessCode: 0xfedc_ba98 }],
  secretData: [{ index: 5, data: base64url("secret") }],
};

/** A system whose one license has these options, and a handle of it in session "a". */
function held(options: Partial<Terms>): { kit: LicenseKit; handle: number } {
  const kit = new LicenseKit();
  kit.holdAll(terms({ tmrId: 1, quantity: 5, ...options }));
  kit.open("a");
  return { kit, handle: kit.access("a").handle };
}

describe("data of a license", () => {
  interface Row {
    readonly says: string;
    readonly sort: number;
    readonly index?: number;
    readonly code?: Buffer;
    readonly options?: Partial<Terms>;
    readonly told: string;
    readonly text: string;
  }
  const { ownerInformation, userData, protectedData, extendedProtectedData, hiddenData } = DataKind;
  const none = (index: number): string => `${license} has no such data ${index}.`;
  const hidden = (index: number): string => `${license} shows no hidden data ${index} for this access code.`;
  const rows: readonly Row[] = [
    { says: "shows the owner information", sort: ownerInformation, told: "ok", text: "plant 1" },
    { says: "has one owner information", sort: ownerInformation, index: 1, told: "not-found", text: none(1) },
    { says: "shows protected data", sort: protectedData, told: "ok", text: "protected" },
    { says: "shows user data as they were issued", sort: userData, told: "ok", text: "at first" },
    {
      says: "shows empty user data that were issued empty",
      sort: userData,
      options: { userData: true },
      told: "ok",
      text: "",
    },
    { says: "shows the first piece of extended protected data", sort: extendedProtectedData, told: "ok", text: "zero" },
    { says: "shows the last piece", sort: extendedProtectedData, index: 127, told: "ok", text: "last" },
    {
      says: "says that there is no piece between",
      sort: extendedProtectedData,
      index: 1,
      told: "not-found",
      text: none(1),
    },
    {
      says: "shows hidden data to who knows the code",
      sort: hiddenData,
      index: 3,
      code: code(0xfedc_ba98),
      told: "ok",
      text: "hidden",
    },
    {
      says: "does not show them for another code",
      sort: hiddenData,
      index: 3,
      code: code(0xfedc_ba99),
      told: "bad-request",
      text: hidden(3),
    },
    {
      says: "says the same where there are none",
      sort: hiddenData,
      index: 4,
      code: code(0xfedc_ba98),
      told: "bad-request",
      text: hidden(4),
    },
    {
      says: "takes no code of three bytes",
      sort: hiddenData,
      index: 3,
      code: Buffer.alloc(3),
      told: "bad-request",
      text: "An access code has 4 bytes, 3 received.",
    },
    {
      says: "takes no missing code",
      sort: hiddenData,
      index: 3,
      told: "bad-request",
      text: "An access code has 4 bytes, 0 received.",
    },
    { says: "knows no sort 0", sort: 0, told: "bad-request", text: "Data of sort 0 are not known here." },
    {
      says: "shows no secret data by any sort",
      sort: 6,
      index: 5,
      told: "bad-request",
      text: "Data of sort 6 are not known here.",
    },
    ...[ownerInformation, userData, protectedData, extendedProtectedData].map((sort) => ({
      says: `says that a license without options has none of sort ${sort}`,
      sort,
      options: Object.fromEntries(Object.keys(full).map((name) => [name, undefined])) as Partial<Terms>,
      told: "not-found",
      text: none(0),
    })),
  ];
  for (const { says, sort, index = 0, code: blob, options, told, text } of rows) {
    it(says, () => {
      const given = Object.entries({ ...full, ...options }).filter(([, value]) => value !== undefined);
      const { kit, handle } = held(Object.fromEntries(given));
      const asked: Partial<Asked> = { handle, featureMap: sort, cursor: index };
      const answer = kit.ask("a", Kind.readData, blob === undefined ? asked : { ...asked, blob });
      assert.deepEqual([answer.outcome, answer.text], [told, text]);
    });
  }

  it("is not in any list", () => {
    const { kit } = held(full);
    const [item] = kit.items("a");
    const { userData: user, protectedData: plain, hiddenData: hid, secretData: secret } = item ?? {};
    assert.deepEqual([user, plain, hid, secret], [true, true, [3], [5]]);
    assert.doesNotMatch(JSON.stringify(item), new RegExp(`${base64url("secret")}|${base64url("hidden")}|4275878552`));
  });

  it("is read by who holds the license alone", () => {
    const { kit, handle } = held(full);
    kit.open("b");
    assert.equal(kit.ask("b", Kind.readData, { handle, featureMap: protectedData }).outcome, "handle-unknown");
    kit.ask("a", Kind.release, { handle });
    assert.equal(kit.ask("a", Kind.readData, { handle, featureMap: protectedData }).outcome, "handle-unknown");
  });

  it("is read while two upstreams that hold it are reached", () => {
    const { kit, handle } = held(full);
    kit.reached = 1;
    const told = kit.ask("a", Kind.readData, { handle, featureMap: protectedData });
    assert.equal(told.outcome, "not-found");
    assert.equal(told.text, `${license}: too few of the upstreams that are reached hold it now.`);
  });
});

describe("user data", () => {
  const read = (kit: LicenseKit, handle: number): string =>
    kit.ask("a", Kind.readData, { handle, featureMap: DataKind.userData }).text;
  const write = (kit: LicenseKit, handle: number, blob: Uint8Array): Told =>
    kit.ask("a", Kind.writeUserData, { handle, blob });

  it("are what was written last, of the license and not of the handle", () => {
    const { kit, handle } = held(full);
    const other = kit.access("a").handle;
    for (const text of ["one", "", "x".repeat(256)]) {
      assert.equal(write(kit, handle, Buffer.from(text)).outcome, "ok");
      assert.equal(read(kit, other), text);
    }
  });

  it("survive other terms, absence of the license, and a snapshot", () => {
    const { kit, handle } = held(full);
    write(kit, handle, Buffer.from("kept"));
    kit.holdAll();
    kit.holdAll(terms({ tmrId: 1, quantity: 6, userData: base64url("issued anew") }));
    kit.machine = LicenseMachine.restore(kit.machine.snapshot(), testGenesis, licensePorts);
    assert.equal(read(kit, handle), "kept");
  });

  it("of 257 bytes are refused and change nothing", () => {
    const { kit, handle } = held(full);
    const told = write(kit, handle, Buffer.alloc(257));
    assert.deepEqual([told.outcome, told.text], ["bad-request", "User data have at most 256 bytes; these have 257."]);
    assert.equal(read(kit, handle), "at first");
  });

  it("cannot be written where the license has none", () => {
    const { kit, handle } = held({});
    assert.equal(write(kit, handle, Buffer.from("x")).text, `${license} has no user data.`);
  });

  it("are written once, however often the request comes", () => {
    const { kit, handle } = held(full);
    const first = { ...kit.next("a", Kind.writeUserData, { handle, blob: Buffer.from("first") }) };
    const told = kit.one(first);
    const second = kit.next("a", Kind.writeUserData, { handle, blob: Buffer.from("second") });
    kit.one({ ...second, answeredBelow: first.request });
    assert.deepEqual(kit.one({ ...first, answeredBelow: first.request }).bytes, told.bytes);
    assert.equal(read(kit, handle), "second");
  });
});

describe("computing with secret data", () => {
  const secret = Buffer.from("secret");
  const ask = (asked: Partial<Asked>, options = full): Told => {
    const { kit, handle } = held(options);
    return kit.ask("a", Kind.crypt, { handle, cursor: 5, mode: CryptMethod.hmac, ...asked });
  };
  const bytesOf = (told: Told): string => told.bytes.subarray(128).toString("hex");
  const challenge = Buffer.from("challenge");

  it("gives the HMAC-SHA-256 that everybody's library gives", () => {
    const told = ask({ blob: challenge });
    assert.equal(told.outcome, "ok");
    assert.equal(bytesOf(told), createHmac("sha256", secret).update(challenge).digest("hex"));
  });

  it("gives the HKDF-SHA-256 without salt, as long as asked", () => {
    for (const quantity of [1, 32, 33, 256]) {
      const told = ask({ blob: challenge, mode: CryptMethod.hkdf, quantity });
      const expected = Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), challenge, quantity));
      assert.equal(bytesOf(told), expected.toString("hex"));
    }
  });

  const rows: readonly (readonly [says: string, asked: Partial<Asked>, told: string, text: string])[] = [
    ["takes an empty challenge", {}, "ok", ""],
    ["takes 256 bytes", { blob: Buffer.alloc(256) }, "ok", ""],
    ["takes no 257", { blob: Buffer.alloc(257) }, "bad-request", "At most 256 bytes are computed with; these are 257."],
    ["knows no method 0", { mode: 0 }, "bad-request", "Method 0 is not known here: use HMAC (1) or HKDF (2)."],
    ["knows no method 3", { mode: 3 }, "bad-request", "Method 3 is not known here: use HMAC (1) or HKDF (2)."],
    ["gives no key of no bytes", { mode: 2 }, "bad-request", "HKDF gives 1 to 256 bytes here; 0 asked for."],
    [
      "gives no key of 257",
      { mode: 2, quantity: 257 },
      "bad-request",
      "HKDF gives 1 to 256 bytes here; 257 asked for.",
    ],
    ["says that there is no such secret", { cursor: 4 }, "not-found", `${license} has no secret data 4.`],
  ];
  for (const [says, asked, outcome, text] of rows) {
    it(says, () => {
      const told = ask(asked);
      assert.equal(told.outcome, outcome);
      if (text !== "") assert.equal(told.text, text);
    });
  }

  it("is refused of a license that is not valid any more", () => {
    const { kit, handle } = held({ ...full, expirationMs: Date.UTC(2030, 0, 1) });
    kit.calendarMs += 1;
    const told = kit.ask("a", Kind.crypt, { handle, cursor: 5, mode: CryptMethod.hmac });
    assert.deepEqual([told.outcome, told.text], ["expired", `${license} was valid until 2030-01-01T00:00:00.000Z.`]);
  });
});

describe("HMAC and HKDF over one hash", () => {
  const hex = (text: string): Buffer => Buffer.from(text, "hex");
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

  it("give the published values (RFC 4231 cases 1, 2 and 6; RFC 5869 case 3)", () => {
    for (const [key, message, mac] of [
      ["0b".repeat(20), Buffer.from("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"],
      [
        Buffer.from("Jefe").toString("hex"),
        Buffer.from("what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      ],
      [
        "aa".repeat(131),
        Buffer.from("Test Using Larger Than Block-Size Key - Hash Key First"),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      ],
    ] as const) {
      assert.equal(text(hmacSha256(sha256, hex(key), message)), mac);
    }
    assert.equal(
      text(hkdfSha256(sha256, hex("0b".repeat(22)), Buffer.alloc(0), 42)),
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    );
  });

  it("give what node:crypto gives", () => {
    const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
    fc.assert(
      fc.property(bytes(200), bytes(300), fc.integer({ min: 1, max: 256 }), (key, message, length) => {
        assert.equal(text(hmacSha256(sha256, key, message)), createHmac("sha256", key).update(message).digest("hex"));
        const derived = Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), message, length));
        assert.equal(text(hkdfSha256(sha256, key, message, length)), derived.toString("hex"));
      }),
      seeded(200),
    );
  });
});
