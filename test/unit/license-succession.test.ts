/** Succession: whose statements count when a new machine has taken the place of an upstream. */
import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { ed25519PrivateKey, ed25519PublicKey } from "../../ts/config/key-files.js";
import { genesisDigest } from "../../ts/license/genesis.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { statementMessage } from "../../ts/license/statement.js";
import { successionBlob, successionMessage } from "../../ts/license/succession.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { Kind } from "../../ts/wire/kinds.js";
import { type Asked, LicenseKit, stating, terms } from "../support/license-kit.js";
import { licensePorts, sha256, signAs, testGenesis, upstreamKeys } from "../support/license-ports.js";

const license = terms({ tmrId: 1, quantity: 10 });
const seed = Buffer.alloc(32, 7);
const newKey = ed25519PublicKey(seed);
const founded = (upstream: number) => Buffer.from(upstreamKeys[upstream - 1]?.publicKey ?? "", "base64url");

interface Change {
  readonly upstream?: number;
  readonly from?: Uint8Array;
  readonly to?: Uint8Array;
  readonly by?: readonly (readonly [named: number, signs: number])[];
  readonly system?: Uint8Array;
}

/** A succession record of upstream 2, with what is wrong with it. */
function succession(change: Change = {}): Asked {
  const { upstream = 2, from = founded(2), to = newKey, system = genesisDigest(testGenesis, sha256) } = change;
  const by = change.by ?? [
    [1, 1],
    [3, 3],
  ];
  const message = successionMessage({ genesisDigest: system, upstream, from, to });
  const vouchers = by.map(([named, signs]) => ({ upstream: named, signature: signAs(signs, message) }));
  return {
    kind: Kind.succession,
    request: 0,
    session: new Uint8Array(16),
    durationMs: upstream,
    blob: successionBlob(to, vouchers),
  };
}

function stated(version: number, key: "new" | "old"): Asked {
  const payload = Buffer.from(canonicalJson({ actId: 1, container: "130-9", items: [license], upstream: 2, version }));
  const message = statementMessage(payload);
  const signature = key === "new" ? sign(null, message, ed25519PrivateKey(seed)) : signAs(2, message);
  return stating(2, Buffer.concat([signature, payload]));
}

describe("succession of an upstream", () => {
  it("gives the new key the word, takes it from the old one, and keeps what the other two hold", () => {
    const kit = new LicenseKit();
    kit.open("a");
    kit.holdAll(license);
    const handle = kit.access("a").handle;
    assert.equal(kit.one(stated(9, "new")).outcome, "bad-request");
    assert.equal(kit.one(succession()).outcome, "ok");
    assert.deepEqual(kit.machine.signingKey(2), newKey);
    assert.deepEqual(
      kit.items("a").map(({ holders, odd }) => [holders, odd]),
      [[[1, 3], undefined]],
    );
    assert.equal(kit.ask("a", Kind.info, { handle }).outcome, "ok");
    kit.reached = 3;
    assert.equal(kit.access("a").outcome, "not-found");
    assert.equal(kit.one(stated(9, "old")).outcome, "bad-request");
    assert.equal(kit.one(stated(1, "new")).outcome, "ok");
    assert.equal(kit.access("a").outcome, "ok");
  });

  it("may be repeated, and is in snapshots", () => {
    const kit = new LicenseKit();
    kit.holdAll(license);
    const before = kit.machine.snapshot().length;
    kit.one(succession());
    assert.equal(kit.one(succession()).outcome, "ok");
    const snapshot = kit.machine.snapshot();
    assert.notEqual(snapshot.length, before);
    const copy = LicenseMachine.restore(snapshot, testGenesis, licensePorts);
    assert.deepEqual(copy.signingKey(2), newKey);
    assert.deepEqual(copy.snapshot(), snapshot);
    assert.deepEqual(copy.stateDigest, kit.machine.stateDigest);
  });

  const wrong: readonly (readonly [string, Asked, RegExp])[] = [
    [
      "one voucher twice",
      succession({
        by: [
          [1, 1],
          [1, 1],
        ],
      }),
      /genuine vouchers of both others?/,
    ],
    [
      "its own voucher",
      succession({
        by: [
          [1, 1],
          [2, 2],
        ],
      }),
      /genuine vouchers/,
    ],
    [
      "a voucher signed by another",
      succession({
        by: [
          [1, 1],
          [3, 1],
        ],
      }),
      /genuine vouchers/,
    ],
    ["one voucher", succession({ by: [[1, 1]] }), /not a key with two vouchers/],
    ["vouchers for another key that counted", succession({ from: Buffer.alloc(32, 1) }), /genuine vouchers/],
    ["vouchers of another system", succession({ system: Buffer.alloc(32, 1) }), /genuine vouchers/],
    ["the key of another upstream", succession({ to: founded(3) }), /the key is of another upstream/],
    ["an upstream that there is not", succession({ upstream: 4 }), /no upstream 4/],
  ];
  for (const [what, asked, why] of wrong) {
    it(`refuses ${what}`, () => {
      const kit = new LicenseKit();
      kit.holdAll(license);
      const told = kit.one(asked);
      assert.equal(told.outcome, "bad-request");
      assert.match(told.text, why);
      assert.deepEqual(kit.machine.signingKey(2), founded(2));
    });
  }

  it("refuses vouchers that were used before: the key that they were given for counts no more", () => {
    const kit = new LicenseKit();
    const back = succession({ from: newKey, to: founded(2) });
    kit.one(succession());
    assert.equal(kit.one(back).outcome, "ok");
    const third = ed25519PublicKey(Buffer.alloc(32, 8));
    kit.one(succession({ to: third }));
    assert.equal(kit.one(back).outcome, "bad-request");
    assert.deepEqual(kit.machine.signingKey(2), third);
  });
});
