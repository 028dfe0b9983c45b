import assert from "node:assert/strict";
import * as fc from "fast-check";
import { TmrError } from "../../ts/errors.js";
import { genesisDigest } from "../../ts/license/genesis.js";
import { LIMITS } from "../../ts/license/limits.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { Kind } from "../../ts/wire/kinds.js";
import { borrowAs } from "../support/borrow-kit.js";
import { EXPIRE, identityText, LicenseKit, terms } from "../support/license-kit.js";
import { licensePorts, sha256, testGenesis } from "../support/license-ports.js";
import { seeded } from "../support/seeded.js";

const withOptions = terms({
  tmrId: 7,
  productCode: 14,
  quantity: 9,
  unitCounter: 9,
  usagePeriodSeconds: 9,
  namedUser: "",
  userData: true,
  borrowSeconds: 60,
  modules: [{ productCode: 15, text: "", featureMap: 0 }],
});

/** A license whose every option was used, with a handle of its module; and one that is gone and remembered. */
function useOptions(kit: LicenseKit): void {
  const gone = terms({ tmrId: 8, productCode: 14, unitCounter: 3 });
  kit.holdAll(withOptions, gone);
  kit.ask("o", Kind.openSession, { blob: Buffer.from("000362c3a9000000", "hex") });
  const { handle } = kit.access("o", { productCode: 15 });
  kit.ask("o", Kind.writeUserData, { handle, blob: Buffer.from("data") });
  const other = kit.access("o", { productCode: 14, itemRef: 8 }).handle;
  for (const one of [handle, other]) kit.ask("o", Kind.consume, { handle: one, quantity: 2 });
  kit.ask("o", Kind.release, { handle: other });
  assert.equal(borrowAs(kit, "o", "key", { productCode: 15 }).outcome, "ok");
}

/** A state with something in every section. */
function fullKit(): LicenseKit {
  const kit = new LicenseKit();
  const lent = terms({ tmrId: 3, productCode: 16, quantity: 3, lingerSeconds: 60 });
  useOptions(kit);
  kit.holdAll(terms({ tmrId: 1, quantity: 9 }), terms({ tmrId: 2, text: "Zwölf" }), withOptions, lent);
  countEverything(kit);
  for (const name of ["a", "b", "c"])
    kit.ask(name, Kind.openSession, { blob: Buffer.from("016102626200016300", "hex") });
  const { handle } = kit.access("a", { quantity: 2 });
  kit.access("b", { answeredBelow: 0 });
  kit.access("b", { answeredBelow: 0, mode: 4 });
  kit.access("b", { answeredBelow: 0, productCode: 99 });
  kit.ask("a", Kind.release, { handle });
  kit.ask("c", Kind.closeSession);
  kit.hold(2, terms({ tmrId: 2 }), withOptions, lent);
  kit.hold(1, terms({ tmrId: 2 }), withOptions, lent);
  return kit;
}

/** Handles of every state and mode, and an access list that counts them. */
function countEverything(kit: LicenseKit): void {
  const product = { productCode: 16 };
  for (const name of ["d", "e", "f"]) {
    kit.ask(name, Kind.openSession, { blob: identityText({ user: name, host: "h", program: "p" }) });
  }
  const rules = [{ level: "global", kind: "user", value: "e", effect: "allow", limit: 2 }];
  const list = Buffer.from(JSON.stringify({ format: "tmr-access-list/1", rules }));
  kit.one({ ...EXPIRE, kind: Kind.setAccessList, blob: list });
  const lost = kit.access("d", product).handle;
  kit.one({ ...EXPIRE, kind: Kind.cancelHandle, handle: lost });
  kit.ask("d", Kind.release, { handle: kit.access("d", product).handle });
  for (const name of ["e", "f"]) kit.access(name, { ...product, mode: 2, answeredBelow: 0 });
  kit.access("f", { ...product, mode: 3 });
  for (const name of ["e", "f"]) kit.access(name, { ...product, durationMs: 5_000 });
  const states = JSON.parse(kit.ask("d", Kind.handles, product).text) as { state: string }[];
  assert.deepEqual(
    states.map(({ state }) => state),
    ["lingering", "held", "held", "held", "queued", "queued"],
  );
}

const restore = (bytes: Uint8Array, genesis = testGenesis, limits = LIMITS): LicenseMachine =>
  LicenseMachine.restore(bytes, genesis, licensePorts, limits);

/** With the digest at the end made right again: what a lying peer could send. */
function sealed(bytes: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, -32), sha256(bytes.subarray(0, -32))]);
}

describe("a license snapshot", () => {
  it("of the empty state restores the empty state", () => {
    const machine = LicenseMachine.create(testGenesis, licensePorts);
    const copy = restore(machine.snapshot());
    assert.deepEqual(copy.snapshot(), machine.snapshot());
    assert.deepEqual([copy.position, copy.logMs, copy.calendarMs], [0, 0, 0]);
    assert.deepEqual(copy.stateDigest, genesisDigest(testGenesis, sha256));
  });

  it("keeps position, times, statements, handles whose item is gone, and stored results", () => {
    const kit = fullKit();
    const { machine } = kit;
    const copy = restore(machine.snapshot());
    for (const name of ["position", "logMs", "calendarMs", "stateDigest"] as const) {
      assert.deepEqual(copy[name], machine[name]);
    }
    for (const upstream of [1, 2, 3] as const) {
      assert.equal(copy.statementVersion(upstream), machine.statementVersion(upstream));
      assert.deepEqual(copy.statementDigest(upstream), machine.statementDigest(upstream));
    }
    assert.deepEqual(copy.snapshot(), machine.snapshot());
  });

  it("keeps the order in which freed handles and sessions are used again", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1, quantity: 9 }));
    for (const name of ["a", "b", "c"]) kit.open(name);
    const handles = Array.from({ length: 5 }, () => kit.access("a").handle);
    for (const i of [3, 1, 4]) kit.ask("a", Kind.release, { handle: handles[i] ?? 0 });
    kit.ask("c", Kind.closeSession);
    kit.ask("b", Kind.closeSession);
    const copy = new LicenseKit();
    copy.machine = restore(kit.machine.snapshot());
    const session = kit.next("a", Kind.access).session;
    const access = { kind: Kind.access, mode: 1, quantity: 1, firmCode: 6000010, productCode: 13, session };
    const asked = [10, 11, 12, 13].map((request) => ({ ...access, request }));
    const open = { kind: Kind.openSession, request: 1, session: Buffer.alloc(16, 7) };
    assert.deepEqual(copy.run(...asked, open), kit.run(...asked, open));
    assert.deepEqual(copy.machine.stateDigest, kit.machine.stateDigest);
  });

  it("is refused when it is another system's", () => {
    const bytes = fullKit().machine.snapshot();
    assert.throws(() => restore(bytes, { ...testGenesis, virtualContainer: "131-1" }), {
      code: "ERR_TMR_STORE",
      message: "license snapshot: it belongs to another system",
    });
  });

  it("is refused when another version wrote it", () => {
    const bytes = Buffer.from(fullKit().machine.snapshot());
    bytes.writeUInt32LE(2, 4);
    assert.throws(() => restore(sealed(bytes)), {
      code: "ERR_TMR_STORE",
      message: "license snapshot: expected version 5, received 2",
    });
  });

  it("is refused cut anywhere, or with any bit changed", () => {
    const bytes = Buffer.from(fullKit().machine.snapshot());
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => restore(bytes.subarray(0, length)), { code: "ERR_TMR_STORE" });
    }
    for (let bit = 0; bit < 8 * bytes.length; bit += 5) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.throws(() => restore(changed), { code: "ERR_TMR_STORE" });
    }
  });

  it("of a lying peer is refused or is some state, but nothing else happens", () => {
    const bytes = Buffer.from(fullKit().machine.snapshot());
    const edits = fc.array(fc.tuple(fc.nat({ max: bytes.length - 33 }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(edits, fc.option(fc.nat({ max: bytes.length - 33 }), { freq: 8 }), (changes, cut) => {
        const changed = Buffer.from(bytes);
        for (const [at, value] of changes) changed[at] = value;
        const lie =
          cut === null ? sealed(changed) : sealed(Buffer.concat([changed.subarray(0, cut), Buffer.alloc(32)]));
        try {
          const machine = restore(lie);
          restore(machine.snapshot());
        } catch (error) {
          assert.ok(error instanceof TmrError && error.code === "ERR_TMR_STORE", String(error));
        }
      }),
      seeded(3_000),
    );
  });

  it("is refused when it holds more than the limits allow", () => {
    const bytes = fullKit().machine.snapshot();
    for (const limits of [{ maxSessions: 2 }, { maxHandles: 2 }, { maxEndedSessions: 0 }, { maxRemembered: 0 }]) {
      assert.throws(() => restore(bytes, testGenesis, { ...LIMITS, ...limits }), { code: "ERR_TMR_STORE" });
    }
  });
});

describe("a genesis", () => {
  it("has the digest of its canonical text", () => {
    const text = `tmr genesis/1\n${canonicalJson({ ...testGenesis })}`;
    assert.deepEqual(genesisDigest(testGenesis, sha256), sha256(Buffer.from(text)));
  });

  for (const virtualContainer of ["", "131", "131-", "131-01", "256-1", "131-4294967296", "131-1 "]) {
    it(`is refused the container number "${virtualContainer}"`, () => {
      assert.throws(() => LicenseMachine.create({ ...testGenesis, virtualContainer }, licensePorts), {
        code: "ERR_TMR_ARGUMENT",
      });
    });
  }

  it("is refused a signing key that is not 32 bytes", () => {
    const [first, second] = testGenesis.upstreams;
    assert.throws(() => LicenseMachine.create({ ...testGenesis, upstreams: [first, second, "AAAA"] }, licensePorts), {
      code: "ERR_TMR_ARGUMENT",
      message: "genesis: signing key of upstream 3: expected 32 bytes of base64url",
    });
  });
});
