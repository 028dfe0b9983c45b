import assert from "node:assert/strict";
import { AccessList } from "../../ts/license/access-list.js";
import { MAX_ACCESS_LIST_BYTES, type Rule } from "../../ts/license/access-list-document.js";
import { parseAddress } from "../../ts/license/subnet.js";

const LICENSE = { firmCode: 6000010, productCode: 13, container: "131-1" };

function listOf(rules: readonly unknown[], groups: unknown = {}): AccessList {
  const list = AccessList.parse(Buffer.from(JSON.stringify({ format: "tmr-access-list/1", groups, rules })));
  if (!(list instanceof AccessList)) assert.fail(list.join("; "));
  return list;
}

function who(text: string): { user: string; host: string; address: Buffer } {
  const [user = "", host = "", address = ""] = text.split(" ");
  return { user, host, address: parseAddress(address === "" ? "::" : address) ?? assert.fail(address) };
}

const allow = (kind: string, value: string, more: Partial<Rule> = {}): unknown => ({
  level: "global",
  kind,
  value,
  effect: "allow",
  ...more,
});
const deny = (kind: string, value: string, more: Partial<Rule> = {}): unknown => ({
  ...(allow(kind, value) as object),
  effect: "deny",
  ...more,
});

describe("an access list decides", () => {
  const groups = { cad: ["anna", "ben@plant"] };
  const rows: readonly (readonly [string, readonly unknown[], string, number | null])[] = [
    ["nothing when it is empty", [], "anna pc 10.0.0.1", null],
    ["by host", [deny("host", "pc")], "anna pc", 1],
    ["by host without regard to case", [deny("host", "PC-Ä")], "anna pc-Ä", 1],
    ["not by a part of the host's name", [deny("host", "pc")], "anna pc.plant", null],
    ["by user", [deny("user", "anna")], "anna", 1],
    ["by user without regard to case", [deny("user", "Anna")], "aNNa", 1],
    ["by user in any domain when it names none", [deny("user", "anna")], "anna@plant", 1],
    ["by user in its domain only when it names one", [deny("user", "anna@plant")], "anna@office", null],
    ["not by a domain for a user without one", [deny("user", "anna@plant")], "anna", null],
    ["nothing about a client that names no user", [deny("user", "anna"), deny("group", "cad")], " pc", null],
    ["by group", [deny("group", "cad")], "anna", 1],
    ["by group and domain", [deny("group", "cad")], "ben@plant", 1],
    ["not by a group without the user", [deny("group", "cad")], "cora", null],
    ["by IPv4 subnet", [deny("subnet", "10.1.0.0/16")], "u h 10.1.255.255", 1],
    ["not outside the subnet", [deny("subnet", "10.1.0.0/16")], "u h 10.2.0.0", null],
    ["by a subnet that ends within a byte", [deny("subnet", "10.1.16.0/20")], "u h 10.1.31.1", 1],
    ["not just outside it", [deny("subnet", "10.1.16.0/20")], "u h 10.1.32.0", null],
    ["by one address", [deny("subnet", "10.1.0.7")], "u h 10.1.0.7", 1],
    ["by IPv6 subnet", [deny("subnet", "fd00::/8")], "u h fdff::1", 1],
    ["by every IPv4 address", [deny("subnet", "0.0.0.0/0")], "u h 1.2.3.4", 1],
    ["not by IPv4 subnet about IPv6", [deny("subnet", "0.0.0.0/0")], "u h fd00::1", null],
    ["not by subnet about an unknown address", [deny("subnet", "::/0")], "u h", null],
    [
      "by the first that fits in a set",
      [allow("user", "ben"), deny("user", "anna"), allow("host", "pc")],
      "anna pc",
      2,
    ],
    ["by Default when nothing fits, wherever it stands", [deny("default", ""), allow("user", "ben")], "anna", 1],
    ["not by Default when something fits", [deny("default", ""), allow("user", "anna")], "anna", 2],
    [
      "by product before firm, container and global",
      [
        deny("user", "anna"),
        deny("user", "anna", { level: "container" }),
        deny("user", "anna", { level: "firm", firmCode: 6000010 }),
        allow("user", "anna", { level: "product", firmCode: 6000010, productCode: 13 }),
      ],
      "anna",
      4,
    ],
    [
      "by firm before container and global",
      [
        deny("user", "anna"),
        deny("user", "anna", { level: "container" }),
        allow("user", "anna", { level: "firm", firmCode: 6000010 }),
      ],
      "anna",
      3,
    ],
    ["by container before global", [deny("user", "anna"), allow("user", "anna", { level: "container" })], "anna", 2],
    ["by its own container", [deny("user", "anna", { level: "container", container: "131-1" })], "anna", 1],
    ["not by another container", [deny("user", "anna", { level: "container", container: "131-2" })], "anna", null],
    ["not by another firm", [deny("user", "anna", { level: "firm", firmCode: 7 })], "anna", null],
    [
      "not by another product",
      [deny("user", "anna", { level: "product", firmCode: 6000010, productCode: 14 })],
      "anna",
      null,
    ],
    [
      "by a level's Default before a less specific level",
      [allow("user", "anna"), deny("default", "", { level: "product", firmCode: 6000010, productCode: 13 })],
      "anna",
      2,
    ],
    [
      "by a less specific level when no Default stands before it",
      [deny("user", "anna"), allow("user", "ben", { level: "product", firmCode: 6000010, productCode: 13 })],
      "anna",
      1,
    ],
  ];
  for (const [name, rules, asked, decided] of rows) {
    it(name, () => {
      const list = listOf(rules, groups);
      assert.equal(list.decide(who(asked), LICENSE)?.number ?? null, decided);
    });
  }
});

describe("an access list is refused", () => {
  const global = { level: "global", kind: "user", value: "u", effect: "allow" };
  const rows: readonly (readonly [string, unknown, readonly string[]])[] = [
    ["a list", [], ["the document is not an object"]],
    ["another format", { format: "x", rules: [] }, ['format: expected "tmr-access-list/1"']],
    ["no rules", { format: "tmr-access-list/1" }, ["rules: expected a list"]],
    [
      "an unknown member",
      { format: "tmr-access-list/1", rules: [], rule: 1 },
      ["rule: not a member of an access list"],
    ],
    ["groups as a list", { format: "tmr-access-list/1", rules: [], groups: [] }, ["groups: expected an object"]],
    [
      "a group that is a name",
      { format: "tmr-access-list/1", rules: [], groups: { a: "b" } },
      ["groups.a: expected a list of users"],
    ],
    [
      "a member that is a number",
      { format: "tmr-access-list/1", rules: [], groups: { a: ["b", 1] } },
      ["groups.a[1]: a user's name has 1 to 255 bytes"],
    ],
    [
      "a lone surrogate",
      { format: "tmr-access-list/1", rules: [], groups: { a: ["\ud800"] } },
      ["groups.a[0]: a user's name has 1 to 255 bytes"],
    ],
    ["a rule that is a name", ["u"], ["rules[0]: expected an object"]],
    ["no level", [{ kind: "user" }], ["rules[0].level: expected global, container, firm or product"]],
    [
      "a level of the prototype",
      [{ ...global, level: "constructor" }],
      ["rules[0].level: expected global, container, firm or product"],
    ],
    [
      "a firm rule without firm",
      [{ ...global, level: "firm" }],
      ["rules[0].firmCode: a rule of level firm needs a u32"],
    ],
    [
      "a product rule without codes",
      [{ ...global, level: "product" }],
      [
        "rules[0].firmCode: a rule of level product needs a u32",
        "rules[0].productCode: a rule of level product needs a u32",
      ],
    ],
    [
      "a global rule with a firm",
      [{ ...global, firmCode: 1 }],
      ["rules[0].firmCode: not a member of a rule of level global"],
    ],
    [
      "a container by name",
      [{ ...global, level: "container", container: "x" }],
      ["rules[0].container: expected mask-serial"],
    ],
    [
      "an unknown kind",
      [{ ...global, kind: "station" }],
      ["rules[0].kind: expected host, subnet, user, group or default"],
    ],
    ["no value", [{ ...global, value: "" }], ["rules[0].value: expected a user of 1 to 255 bytes"]],
    ["a default with a value", [{ ...global, kind: "default" }], ["rules[0].value: a default has none"]],
    [
      "a subnet with bits behind its mask",
      [{ ...global, kind: "subnet", value: "10.1.0.1/16" }],
      ["rules[0].value: 10.1.0.1/16 is not a subnet like 10.1.0.0/16"],
    ],
    ["an unknown group", [{ ...global, kind: "group", value: "g" }], ["rules[0].value: there is no group g"]],
    ["neither allow nor deny", [{ ...global, effect: "maybe" }], ["rules[0].effect: expected allow or deny"]],
    [
      "seats with deny",
      [{ ...global, effect: "deny", reserved: 1 }],
      ["rules[0].reserved: a rule that denies counts no seats"],
    ],
    ["a broken number of seats", [{ ...global, limit: 1.5 }], ["rules[0].limit: expected a u32"]],
    [
      "more reserved than allowed",
      [{ ...global, reserved: 3, limit: 2 }],
      ["rules[0].reserved: 3 seats are kept, 2 may be taken"],
    ],
    [
      "a rule that never decides",
      [global, { ...global, effect: "deny" }],
      ["rules[1]: never decides, rules[0] is about the same"],
    ],
    [
      "every wrong rule, each with its place",
      [{ ...global, kind: "x" }, global, { ...global, value: "v", effect: "y" }],
      ["rules[0].kind: expected host, subnet, user, group or default", "rules[2].effect: expected allow or deny"],
    ],
  ];
  for (const [name, given, faults] of rows) {
    it(name, () => {
      const isRules = Array.isArray(given) && given.length > 0;
      const document = isRules ? { format: "tmr-access-list/1", groups: {}, rules: given as unknown } : given;
      assert.deepEqual(AccessList.parse(Buffer.from(JSON.stringify(document))), faults);
    });
  }

  it("anything but JSON in UTF-8, or too long", () => {
    for (const bytes of [Buffer.from("{"), Buffer.from([0x22, 0xff, 0x22])]) {
      assert.deepEqual(AccessList.parse(bytes), ["the document is not JSON in UTF-8"]);
    }
    assert.deepEqual(AccessList.parse(Buffer.alloc(262_145)), [
      "the document has 262145 bytes, at most 262144 are read",
    ]);
  });
});

describe("an address", () => {
  for (const [text, hex] of [
    ["1.2.3.4", "00000000000000000000ffff01020304"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["fe80::1:2", "fe800000000000000000000000010002"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["::ffff:1.2.3.4", "00000000000000000000ffff01020304"],
    ["1::", "00010000000000000000000000000000"],
    ["1.2.3", null],
    ["1.2.3.256", null],
    ["01.2.3.4", null],
    ["1:2:3:4:5:6:7", null],
    ["1:2:3:4:5:6:7:8:9", null],
    ["1:2:3:4:5:6:7::8", null],
    ["1::2::3", null],
    ["12345::", null],
    ["g::", null],
    ["1.2.3.4:1", null],
    ["", null],
  ] as const) {
    it(`${text === "" ? "of no text" : text} ${hex === null ? "is none" : `is ${hex}`}`, () => {
      assert.equal(parseAddress(text)?.toString("hex") ?? null, hex);
    });
  }
});

describe("the size of an access list", () => {
  /** Firm Codes in the short form `1e9`, which canonical JSON writes out. */
  const listOfBytes = (rules: number): Buffer => {
    const rule = (i: number): string =>
      `{"level":"firm","firmCode":${1 + (i % 4)}e9,"kind":"user","value":"u${i}","effect":"allow","limit":4e9}`;
    const all = Array.from({ length: rules }, (_, i) => rule(i)).join();
    return Buffer.from(`{"format":"tmr-access-list/1","groups":{},"rules":[${all}]}`);
  };

  const rows: readonly (readonly [says: string, rules: number, fault: RegExp | null])[] = [
    ["is not more than its bound as it comes and as it is kept", 2_400, null],
    [
      "is refused when only its canonical form exceeds the bound",
      2_700,
      /^the document has \d+ bytes in canonical form, at most 262144 are kept$/,
    ],
    ["is refused when it is too long as it comes", 3_300, /^the document has \d+ bytes, at most 262144 are read$/],
  ];
  for (const [says, rules, fault] of rows) {
    it(says, () => {
      const bytes = listOfBytes(rules);
      assert.equal(bytes.length > MAX_ACCESS_LIST_BYTES, rules === 3_300);
      const list = AccessList.parse(bytes);
      if (fault !== null)
        assert.match(list instanceof AccessList ? `${list.bytes.length} bytes` : (list[0] ?? ""), fault);
      else assert.ok(list instanceof AccessList && list.bytes.length <= MAX_ACCESS_LIST_BYTES);
    });
  }
});
