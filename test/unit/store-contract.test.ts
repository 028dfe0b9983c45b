import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryStore } from "../../ts/store/memory-store.js";
import type { SqliteStore } from "../../ts/store/sqlite-store.js";
import type { ReplicaStore } from "../../ts/store/store.js";
import { genesisDigest } from "../support/replica-kit.js";
import { contentOf, digestOf, entries, newIncarnation, openSqlite, owner } from "../support/store-kit.js";

interface Kind {
  readonly name: string;
  open(): ReplicaStore;
  reopen(store: ReplicaStore): ReplicaStore;
}

let folder = "";
const kinds: Kind[] = [
  {
    name: "memory",
    open: () => new MemoryStore({ ...owner, incarnation: newIncarnation }),
    reopen: (store) => (store as MemoryStore).crash(),
  },
  {
    name: "SQLite",
    open: () => openSqlite(join(folder, "store.sqlite")),
    reopen: (store) => {
      (store as SqliteStore).close();
      return openSqlite(join(folder, "store.sqlite"));
    },
  },
];

for (const kind of kinds) {
  describe(`store: ${kind.name}`, () => {
    let store: ReplicaStore;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "tmr-store-"));
      store = kind.open();
    });
    afterEach(() => {
      store.close();
      rmSync(folder, { recursive: true });
    });

    const again = () => {
      const before = contentOf(store);
      store = kind.reopen(store);
      assert.deepEqual(contentOf(store), before);
    };
    const filled = (count: number) => store.append(entries(0, count));

    it("begins blank, with its own incarnation and the genesis digest", () => {
      const meta = store.meta();
      assert.deepEqual([meta.promised, meta.logEpoch, meta.blank, meta.statementVersion], [0, 0, true, 0]);
      assert.deepEqual(Buffer.from(meta.incarnation), newIncarnation);
      assert.equal(meta.members.length, 48);
      assert.deepEqual([store.firstPosition, store.lastPosition, store.snapshot()], [1, 0, null]);
      assert.deepEqual(Buffer.from(store.lastDigest()), genesisDigest);
      assert.deepEqual(store.read(0, 100), []);
      again();
    });

    it("keeps what it was told about promises, and changes only the named fields", () => {
      const members = Buffer.alloc(48, 3);
      store.writeMeta({ promised: 2 ** 52 + 1, members, blank: false });
      store.writeMeta({ statementVersion: 4, statementDigest: Buffer.alloc(32, 9) });
      const meta = store.meta();
      assert.deepEqual([meta.promised, meta.blank, meta.statementVersion], [2 ** 52 + 1, false, 4]);
      assert.deepEqual(Buffer.from(meta.members), members);
      again();
    });

    it("reads batches back from any position, as many as fit, at least one", () => {
      filled(10);
      store.append(entries(10, 12));
      const all = entries(0, 12).map(({ batch }) => Buffer.from(batch));
      assert.deepEqual(store.read(0, 1e9), all);
      assert.deepEqual(store.read(4, 900), all.slice(4, 7));
      assert.deepEqual(store.read(4, 899), all.slice(4, 6));
      assert.deepEqual(store.read(4, 1), all.slice(4, 5));
      assert.deepEqual(store.read(12, 1), []);
      again();
    });

    it("knows its digests from 0 to the end and none beyond", () => {
      filled(5);
      for (let i = 0; i <= 5; i++) assert.deepEqual(Buffer.from(store.digestAt(i) ?? []), digestOf(i));
      assert.equal(store.digestAt(6), null);
    });

    it("refuses a gap, a repetition and a cut beyond its ends", () => {
      filled(3);
      for (const wrong of [entries(4, 5), entries(2, 3)]) {
        assert.throws(() => store.append(wrong), { code: "ERR_TMR_ARGUMENT" });
      }
      assert.throws(() => store.cut(4), { code: "ERR_TMR_ARGUMENT" });
      assert.equal(store.lastPosition, 3);
      again();
    });

    it("cuts and goes on with another chain", () => {
      filled(5);
      store.cut(3);
      assert.deepEqual([store.lastPosition, Buffer.from(store.lastDigest())], [3, digestOf(3)]);
      store.append(entries(3, 6));
      store.cut(0);
      assert.deepEqual(Buffer.from(store.lastDigest()), genesisDigest);
      store.append(entries(0, 2, 1));
      again();
    });

    it("drops batches behind a snapshot and keeps those after `keepAfter`", () => {
      filled(9);
      store.writeSnapshot(8, digestOf(8), Buffer.from("state at 8"), 5);
      assert.deepEqual([store.firstPosition, store.lastPosition], [6, 9]);
      assert.equal(store.digestAt(4), null);
      assert.deepEqual(Buffer.from(store.digestAt(5) ?? []), digestOf(5));
      assert.deepEqual(Buffer.from(store.digestAt(8) ?? []), digestOf(8));
      assert.deepEqual(store.snapshotInfo(), { position: 8, byteLength: 10 });
      assert.throws(() => store.cut(7), { code: "ERR_TMR_ARGUMENT" });
      assert.throws(() => store.writeSnapshot(7, digestOf(7), Buffer.from("x"), 0), { code: "ERR_TMR_ARGUMENT" });
      again();
      store.writeSnapshot(9, digestOf(9), Buffer.from("state at 9"), 9);
      assert.deepEqual([store.firstPosition, store.lastPosition], [10, 9]);
      again();
      store.append(entries(9, 11));
      again();
    });

    it("keeps all batches when `keepAfter` lies before the first", () => {
      filled(4);
      store.writeSnapshot(4, digestOf(4), Buffer.from("a"), 0);
      assert.deepEqual([store.firstPosition, store.lastPosition], [1, 4]);
      again();
    });

    it("replaces everything by an installed snapshot, also by an older one", () => {
      filled(4);
      store.installSnapshot(90, digestOf(90), Buffer.from("far"));
      assert.deepEqual([store.firstPosition, store.lastPosition], [91, 90]);
      assert.deepEqual(Buffer.from(store.lastDigest()), digestOf(90));
      again();
      store.append(entries(90, 92));
      again();
      store.installSnapshot(2, digestOf(2), Buffer.from("near"));
      assert.equal(store.lastPosition, 2);
      store.append(entries(2, 3));
      again();
    });

    it("is not used after it was closed; closing twice is harmless", () => {
      store.close();
      store.close();
      assert.throws(() => store.read(0, 1), { code: "ERR_TMR_CLOSED" });
      assert.throws(() => store.writeMeta({ promised: 1 }), { code: "ERR_TMR_CLOSED" });
    });
  });
}
