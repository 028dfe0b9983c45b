import assert from "node:assert/strict";
import { withAclHabits } from "../../ts/cli/acl.js";
import { aclText, decisionJson, decisionText } from "../../ts/cli/acl-text.js";
import { AccessList } from "../../ts/license/access-list.js";
import { parseAddress } from "../../ts/license/subnet.js";

const plain = { colour: false };
const document = {
  format: "tmr-access-list/1",
  groups: { design: ["anna", "ben@plant"] },
  rules: [
    {
      level: "product",
      firmCode: 6_000_010,
      productCode: 13,
      kind: "group",
      value: "design",
      effect: "allow",
      reserved: 2,
      limit: 5,
    },
    { level: "firm", firmCode: 6_000_010, kind: "subnet", value: "10.1.0.0/16", effect: "deny" },
    { level: "container", container: "131-5", kind: "host", value: "old-pc", effect: "deny" },
    { level: "global", kind: "default", effect: "allow" },
  ],
};

function list(value: unknown): AccessList {
  const parsed = AccessList.parse(Buffer.from(JSON.stringify(value)));
  assert.ok(parsed instanceof AccessList, JSON.stringify(parsed));
  return parsed;
}

describe("tmr acl show", () => {
  it("shows rules by their numbers, then groups", () => {
    assert.deepEqual(aclText(plain, list(document).document).split("\n"), [
      "RULE  LEVEL      ABOUT       KIND     VALUE        EFFECT  RESERVED  LIMIT",
      "   1  product    6000010:13  group    design       allow          2      5",
      "   2  firm       6000010     subnet   10.1.0.0/16  deny           -      -",
      "   3  container  131-5       host     old-pc       deny           -      -",
      "   4  global     -           default  -            allow          -      -",
      "",
      "GROUP   USERS",
      "design  anna ben@plant",
      "",
    ]);
  });

  it("says that an empty list allows everybody", () => {
    assert.equal(
      aclText(plain, AccessList.empty.document),
      "The access list is empty: everybody may use every license.\n",
    );
  });
});

describe("tmr acl test", () => {
  const rows = [
    [
      { user: "anna", product: 13 },
      "allowed by rule 1 (group design, product 6000010:13): it is the first that fits at level product, and nothing " +
        "more specific does. 2 seats of each license are kept for whom it decides; they may take 5 together.",
    ],
    [
      { user: "carl", product: 13, address: "10.1.2.3" },
      "refused (access-list) by rule 2 (subnet 10.1.0.0/16, firm 6000010): it is the first that fits at level firm, " +
        "and nothing more specific does.",
    ],
    [
      { user: "carl", product: 20, host: "old-pc" },
      "refused (access-list) by rule 3 (host old-pc, container 131-5): it is the first that fits at level container, and " +
        "nothing more specific does.",
    ],
    [
      { user: "carl", product: 20 },
      "allowed by rule 4 (default, global): nothing else fits at level global or above, and this is its default.",
    ],
  ] as const;
  for (const [{ product, ...some }, expected] of rows) {
    it(`explains ${Object.values(some).join(" ")} at product ${product}: ${expected.slice(0, 30)}`, () => {
      const { user, host = "", address = "" } = some as { user: string; host?: string; address?: string };
      const who = { user, host, address: address === "" ? Buffer.alloc(16) : (parseAddress(address) as Buffer) };
      const license = { firmCode: 6_000_010, productCode: product, container: "131-5" };
      const text = decisionText({ who, addressText: address, license }, list(document).decide(who, license));
      const names = [`user ${user}`, host && `host ${host}`, address && `address ${address}`];
      const named = names.filter((name) => name !== "").join(", ");
      assert.equal(text, `${named}, license 6000010:${product} in container 131-5: ${expected}\n`);
    });
  }

  it("says that a list without a rule that fits allows", () => {
    const who = { user: "", host: "", address: Buffer.alloc(16) };
    const license = { firmCode: 6_000_010, productCode: 13, container: "" };
    const decided = AccessList.empty.decide(who, license);
    assert.equal(
      decisionText({ who, addressText: "", license }, decided),
      "somebody unknown, license 6000010:13: allowed, because no rule fits and no level has a default.\n",
    );
    assert.deepEqual(decisionJson(decided), { allowed: true, rule: null });
  });

  it("gives programs the rule with its number", () => {
    const who = { user: "", host: "old-pc", address: Buffer.alloc(16) };
    const decided = list(document).decide(who, { firmCode: 6_000_011, productCode: 1, container: "131-5" });
    assert.deepEqual(decisionJson(decided), { allowed: false, rule: { number: 3, ...document.rules[2] } });
  });
});

describe("habits", () => {
  it("from elsewhere become words of this program, where they are first", () => {
    assert.deepEqual(withAclHabits(["--export-acl", "-f", "a.json"]), ["acl", "export", "-f", "a.json"]);
    assert.deepEqual(withAclHabits(["--import-acl", "-f", "a.json"]), ["acl", "import", "-f", "a.json"]);
    assert.deepEqual(withAclHabits(["list", "--export-acl"]), ["list", "--export-acl"]);
    assert.deepEqual(withAclHabits([]), []);
  });
});
