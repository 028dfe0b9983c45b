import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createFirm, loadFirm } from "../../ts/central/firm.js";
import { createSystem } from "../../ts/central/found-system.js";
import { issue } from "../../ts/central/issue.js";
import { Ledger } from "../../ts/central/ledger.js";
import type { UpstreamId } from "../../ts/config/index.js";
import { type Container, readContainerFile, type Terms, trustOf } from "../../ts/container/index.js";
import { describedIn, type Issuing, issuingIn, license } from "../support/issuing.js";
import { scratchFolder } from "../support/scratch.js";
import { rejectedBy, thrownBy } from "../support/throws.js";

const ids = [1, 2, 3] as const;

describe("issuing", () => {
  const folder = scratchFolder();
  let issuing: Issuing;
  beforeEach(() => {
    issuing = issuingIn(folder());
  });

  const read = (id: UpstreamId, out = issuing.out): Promise<Container> =>
    readContainerFile(join(out, `upstream-${id}.tmrc`), trustOf(issuing.system.system, id));
  const readAll = (out = issuing.out): Promise<Container[]> => Promise.all(ids.map((id) => read(id, out)));
  const tmrIds = (items: readonly Terms[]): (readonly [number, number])[] =>
    items.map((item) => [item.productCode, item.tmrId]);

  it("writes three containers with the same terms and actId, each for its own upstream", async () => {
    const issued = await issuing.issue([license("a", 13, { quantity: 20, expirationMs: 5 }), license("b", 14)]);
    assert.deepEqual(readdirSync(issuing.out).sort(), ["upstream-1.tmrc", "upstream-2.tmrc", "upstream-3.tmrc"]);
    const containers = await readAll();
    assert.equal(new Set(containers.map((container) => container.container)).size, 3);
    for (const container of containers) {
      assert.deepEqual(
        container.items,
        issued.licenses.map((issuedLicense) => issuedLicense.terms),
      );
      assert.equal(container.actId, issued.actId);
      assert.equal(container.firmItems[0]?.updateCounter, 1);
    }
    assert.deepEqual(
      containers.map((container) => container.container),
      issued.containers.map((container) => container.container),
    );
  });

  it("gives consecutive TMR-IDs in the order of the description, and goes on with the next ones", async () => {
    await issuing.issue([license("z", 99), license("a", 1)]);
    const second = await issuing.issue([license("a", 1)], { folder: join(folder(), "second") });
    assert.deepEqual(tmrIds((await read(1)).items), [
      [1, 2],
      [99, 1],
    ]);
    assert.equal(second.licenses[0]?.terms.tmrId, 3);
    assert.equal(second.actId, 2);
  });

  it("reads a description from its file", async () => {
    const file = describedIn(folder(), '[[license]]\nid = "a"\nproductCode = 13\nfeatureMap = [1]\n');
    await issuing.issue(file);
    assert.equal((await read(2)).items[0]?.featureMap, 2);
  });

  it("uses up no number and writes no file when the description is wrong", async () => {
    const file = describedIn(folder(), "[[license]]\n");
    await rejectedBy("ERR_TMR_LICENSE_DESCRIPTION", () => issuing.issue(file));
    await rejectedBy("ERR_TMR_LICENSE_DESCRIPTION", () => issuing.issue([license("a", 1), license("a", 2)]));
    assert.equal(existsSync(issuing.out), false);
    assert.equal((await issuing.issue([license("a", 1)])).licenses[0]?.terms.tmrId, 1);
  });

  it("never gives a number again that was given before a failed write", async () => {
    writeFileSync(issuing.out, "a file where the folder should be");
    await rejectedBy("ERR_TMR_FILE", () => issuing.issue([license("a", 1)]));
    rmSync(issuing.out);
    const issued = await issuing.issue([license("a", 1)]);
    assert.deepEqual([issued.licenses[0]?.terms.tmrId, issued.actId], [2, 2]);
  });

  it("never writes what an upstream would refuse", async () => {
    await rejectedBy("ERR_TMR_CONTAINER", () => issuing.issue([license("a", 1, { quantity: 0 })]));
    assert.deepEqual(readdirSync(issuing.out), []);
  });

  it("refuses to overwrite containers", async () => {
    await issuing.issue([license("a", 1)]);
    const before = readFileSync(join(issuing.out, "upstream-3.tmrc"));
    const error = await rejectedBy("ERR_TMR_FILE", () => issuing.issue([license("a", 1)]));
    assert.match(error.message, /upstream-1\.tmrc is already there; update it instead \(--into\)/);
    assert.deepEqual(readFileSync(join(issuing.out, "upstream-3.tmrc")), before);
  });

  it("refuses a system that does not trust the firm, or trusts another key for it", async () => {
    const stranger = createSystem(join(folder(), "stranger"));
    const other = createSystem(join(folder(), "other"), {
      firms: [{ firmCode: 6_000_010, name: "Test firm", key: Buffer.alloc(32, 3) }],
    });
    for (const [system, reason] of [
      [stranger.systemFile, /does not name Firm Code 6000010/],
      [other.systemFile, /names another key for Firm Code 6000010/],
    ] as const) {
      assert.match(
        (await rejectedBy("ERR_TMR_KEY", () => issuing.issue([license("a", 1)], { system }))).message,
        reason,
      );
    }
  });

  it("can leave a copy out or make it unequal, to show how copies are voted on", async () => {
    await issuing.issue([license("a", 1), license("b", 2)], {
      copy: (terms, upstream) => {
        if (terms.productCode === 1) return upstream === 2 ? terms : null;
        return upstream === 3 ? { ...terms, quantity: 99 } : terms;
      },
    });
    const containers = await readAll();
    assert.deepEqual(
      containers.map((container) => container.items.map((item) => [item.productCode, item.quantity])),
      [
        [[2, 5]],
        [
          [1, 5],
          [2, 5],
        ],
        [[2, 99]],
      ],
    );
  });

  describe("into existing containers", () => {
    it("keeps serials, actId and the TMR-IDs of known ids, and raises the Firm Update Counter", async () => {
      await issuing.issue([license("a", 13), license("b", 14), license("c", 15)]);
      const before = await readAll();
      const update = [license("d", 16), license("c", 15), license("a", 13, { quantity: 6 })];
      const issued = await issuing.issue(update, { as: "update" });
      const after = await readAll();
      after.forEach((container, i) => {
        assert.equal(container.container, before[i]?.container);
        assert.equal(container.actId, before[i]?.actId);
        assert.equal(container.firmItems[0]?.updateCounter, 2);
        assert.deepEqual(tmrIds(container.items), [
          [13, 1],
          [15, 3],
          [16, 4],
        ]);
      });
      assert.deepEqual(
        issued.licenses.map(({ id, change }) => [id, change]),
        [
          ["d", "new"],
          ["c", "unchanged"],
          ["a", "changed"],
        ],
      );
      assert.deepEqual(issued.removed, [{ id: "b", tmrId: 2 }]);
    });

    it("gives a removed license a new TMR-ID when it comes back", async () => {
      await issuing.issue([license("a", 13), license("b", 14)]);
      await issuing.issue([license("a", 13)], { as: "update" });
      await issuing.issue([license("a", 13), license("b", 14)], { as: "update" });
      assert.deepEqual(tmrIds((await read(1)).items), [
        [13, 1],
        [14, 3],
      ]);
    });

    it("writes a missing file anew, with the serial that it had", async () => {
      await issuing.issue([license("a", 13)]);
      const { container } = await read(2);
      rmSync(join(issuing.out, "upstream-2.tmrc"));
      await issuing.issue([license("a", 13)], { as: "update" });
      assert.equal((await read(2)).container, container);
      assert.equal((await read(1)).firmItems[0]?.updateCounter, 2);
    });

    it("refuses a folder without containers", async () => {
      await rejectedBy("ERR_TMR_FILE", () => issuing.issue([license("a", 13)], { as: "update" }));
    });

    it("refuses a damaged container and changes none", async () => {
      await issuing.issue([license("a", 13)]);
      const file = join(issuing.out, "upstream-2.tmrc");
      writeFileSync(file, readFileSync(file).subarray(1));
      const before = readFileSync(join(issuing.out, "upstream-1.tmrc"));
      await rejectedBy("ERR_TMR_CONTAINER", () => issuing.issue([license("a", 14)], { as: "update" }));
      assert.deepEqual(readFileSync(join(issuing.out, "upstream-1.tmrc")), before);
    });

    it("refuses containers of two groups", async () => {
      await issuing.issue([license("a", 13)]);
      const second = join(folder(), "second");
      await issuing.issue([license("a", 13)], { folder: second });
      copyFileSync(join(second, "upstream-3.tmrc"), join(issuing.out, "upstream-3.tmrc"));
      const error = await rejectedBy("ERR_TMR_CONTAINER", () => issuing.issue([license("a", 13)], { as: "update" }));
      assert.match(error.message, /different groups: their actIds are 1, 2/);
    });

    it("refuses to go on with an old copy of the ledger", async () => {
      const ledger = join(issuing.central, "ledger.sqlite");
      await issuing.issue([license("a", 13)]);
      copyFileSync(ledger, join(folder(), "old"));
      await issuing.issue([license("a", 13), license("b", 14)], { as: "update" });
      copyFileSync(join(folder(), "old"), ledger);
      const error = await rejectedBy("ERR_TMR_STATE", () => issuing.issue([license("a", 13)], { as: "update" }));
      assert.match(error.message, /the ledger knows update 1, .* has 2: this ledger is an old copy/);
    });

    it("refuses containers that the ledger never heard of", async () => {
      const ledger = join(issuing.central, "ledger.sqlite");
      copyFileSync(ledger, join(folder(), "empty"));
      await issuing.issue([license("a", 13)]);
      copyFileSync(join(folder(), "empty"), ledger);
      const error = await rejectedBy("ERR_TMR_CONTAINER", () => issuing.issue([license("a", 13)], { as: "update" }));
      assert.match(error.message, /was not issued by this Central/);
    });
  });
});

describe("the folder of a Central", () => {
  const folder = scratchFolder();
  const firm = { firmCode: 6_000_010, name: "Test firm" };

  it("has key and ledger for their owner only", () => {
    const made = createFirm(folder(), firm);
    for (const name of ["firm-key.json", "ledger.sqlite"]) {
      assert.equal(statSync(join(folder(), name)).mode & 0o777, 0o600, name);
    }
    const loaded = loadFirm(folder());
    assert.deepEqual({ firmCode: loaded.firmCode, name: loaded.name, key: loaded.key }, made);
  });

  it("is made once", () => {
    const made = createFirm(folder(), firm);
    assert.match(thrownBy("ERR_TMR_FILE", () => createFirm(folder(), firm)).message, /already there/);
    assert.deepEqual(loadFirm(folder()).key, made.key);
  });

  it("is not made for a wrong Firm Code or name; both are reported", () => {
    const { message } = thrownBy("ERR_TMR_CONFIG", () => createFirm(folder(), { firmCode: Number.NaN, name: "" }));
    assert.match(message, /firmCode: expected an integer from 6000000/);
    assert.match(message, /name: expected non-empty text/);
    assert.deepEqual(readdirSync(folder()), []);
  });

  it("with a key that others may read, that is altered or missing is refused", () => {
    createFirm(folder(), firm);
    const file = join(folder(), "firm-key.json");
    const good = readFileSync(file, "utf8");
    const secret = (JSON.parse(good) as { jwk: { d: string } }).jwk.d;
    chmodSync(file, 0o644);
    assert.match(thrownBy("ERR_TMR_KEY", () => loadFirm(folder())).message, /mode 0644/);
    chmodSync(file, 0o600);
    const flipped = secret.startsWith("A") ? "B" : "A";
    for (const bad of [
      good.slice(1),
      good.replace(secret, flipped + secret.slice(1)),
      good.replace("Ed25519", "Ed448"),
    ]) {
      writeFileSync(file, bad);
      const error = thrownBy("ERR_TMR_KEY", () => loadFirm(folder()));
      assert.ok(!`${error.stack}`.includes(secret.slice(2)));
    }
    rmSync(file);
    thrownBy("ERR_TMR_KEY", () => loadFirm(folder()));
  });

  it("without its ledger is refused: a new ledger would give TMR-IDs a second time", async () => {
    const issuing = issuingIn(folder());
    rmSync(join(issuing.central, "ledger.sqlite"));
    const error = await rejectedBy("ERR_TMR_FILE", () => issuing.issue([license("a", 1)]));
    assert.match(error.message, /ledger\.sqlite is missing; restore it/);
  });

  it("with a damaged ledger is refused", async () => {
    const issuing = issuingIn(folder());
    writeFileSync(join(issuing.central, "ledger.sqlite"), "no database ".repeat(1000));
    await rejectedBy("ERR_TMR_STORE", () => issuing.issue([license("a", 1)]));
  });

  it("serves one process at a time", async () => {
    const issuing = issuingIn(folder());
    const ledger = Ledger.open(issuing.central);
    const error = await rejectedBy("ERR_TMR_STATE", () => issuing.issue([license("a", 1)]));
    assert.match(error.message, /ledger\.sqlite is in use/);
    ledger.close();
    await issuing.issue([license("a", 1)]);
  });

  it("serves two firms of one system side by side", async () => {
    const other = createFirm(join(folder(), "other"), { firmCode: 6_000_011, name: "Other firm" });
    const first = createFirm(join(folder(), "first"), firm);
    const system = createSystem(join(folder(), "system"), { firms: [first, other] });
    const common = { system: system.systemFile, licenses: [license("a", 1)], as: "new" } as const;
    for (const name of ["first", "other"]) {
      const issued = await issue({ ...common, dir: join(folder(), name), folder: join(folder(), `out-${name}`) });
      assert.equal(issued.licenses[0]?.terms.tmrId, 1);
    }
  });
});
