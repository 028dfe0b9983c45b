import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { type SqliteStore, storeFiles } from "../../ts/store/sqlite-store.js";
import type { LogEntry } from "../../ts/store/store.js";
import { entries, inFolder, openSqlite } from "../support/store-kit.js";

const PART = 128 * 1024;
const log: readonly LogEntry[] = entries(0, 1200, 0, 100);

/** Bytes that differ from part to part. */
function state(parts: number): Buffer {
  const bytes = Buffer.alloc(parts * PART - 7);
  for (let at = 0; at < bytes.length; at += 1000) bytes.writeUInt32LE(at, Math.min(at, bytes.length - 4));
  return bytes;
}

/** A store with the first 700 positions, and a small snapshot at 100 unless it is told not to. */
function begun(file: string): SqliteStore {
  const store = openSqlite(file);
  store.append(log.slice(0, 700));
  store.writeSnapshot(100, log[99]?.digest as Uint8Array, Buffer.from("small"), 50);
  return store;
}

function stage(store: SqliteStore, position: number, bytes: Buffer): void {
  store.writeSnapshot(position, log[position - 1]?.digest as Uint8Array, bytes, position - 20);
}

function appendOne(store: SqliteStore): void {
  store.append(log.slice(store.lastPosition, store.lastPosition + 1));
}

/** What is on the disk now, opened as after a crash. */
function afterCrash<T>(folder: string, use: (store: SqliteStore) => T): T {
  const copy = join(folder, `copy-${Math.random()}.sqlite`);
  for (const [i, file] of storeFiles(join(folder, "s.sqlite")).entries()) copyFileSync(file, storeFiles(copy)[i] ?? "");
  const store = openSqlite(copy);
  try {
    return use(store);
  } finally {
    store.close();
  }
}

describe("store: a large snapshot", () => {
  it("is written along with appends; until it is whole the one before counts, also after a crash", () =>
    inFolder((folder) => {
      const store = begun(join(folder, "s.sqlite"));
      const bytes = state(5);
      stage(store, 690, bytes);
      for (let step = 1; step < 5; step++) {
        appendOne(store);
        const check = (seen: SqliteStore): void => {
          assert.deepEqual(seen.snapshot()?.bytes, Buffer.from("small"));
          assert.deepEqual(seen.snapshotInfo(), { position: 100, byteLength: 5 });
          assert.deepEqual([seen.firstPosition, seen.lastPosition], [51, 700 + step]);
        };
        check(store);
        afterCrash(folder, check);
      }
      appendOne(store);
      assert.deepEqual(store.snapshotInfo(), { position: 690, byteLength: bytes.length });
      assert.ok(bytes.equals(store.snapshot()?.bytes ?? Buffer.alloc(0)));
      afterCrash(folder, (seen) => assert.ok(bytes.equals(seen.snapshot()?.bytes ?? Buffer.alloc(0))));
      store.close();
    }));

  it("lets the batches before it go a few at a time, down to those that are kept", () =>
    inFolder((folder) => {
      const store = begun(join(folder, "s.sqlite"));
      stage(store, 690, state(2));
      const firsts: number[] = [];
      for (let i = 0; i < 14; i++) {
        appendOne(store);
        firsts.push(store.firstPosition);
        assert.equal(store.read(store.firstPosition - 1, 1e9).length, store.lastPosition - store.firstPosition + 1);
        afterCrash(folder, (seen) => assert.equal(seen.firstPosition, store.firstPosition));
      }
      assert.equal(firsts[0], 51);
      assert.ok(firsts.every((first, i) => i === 0 || first - (firsts[i - 1] ?? 0) <= 65));
      assert.equal(firsts.at(-1), 671);
      store.close();
    }));

  it("goes on after a crash with the next snapshot, and leaves no part of an unfinished one", () =>
    inFolder((folder) => {
      begun(join(folder, "s.sqlite")).close();
      const first = openSqlite(join(folder, "s.sqlite"));
      stage(first, 690, state(5));
      appendOne(first);
      appendOne(first);
      first.close();
      const store = openSqlite(join(folder, "s.sqlite"));
      const bytes = state(3).reverse();
      stage(store, 690, bytes);
      for (let i = 0; i < 20; i++) appendOne(store);
      assert.ok(bytes.equals(store.snapshot()?.bytes ?? Buffer.alloc(0)));
      store.close();
      const database = new Database(join(folder, "s.sqlite"), { readonly: true });
      assert.deepEqual(database.prepare("SELECT snapshot, count(*) AS parts FROM snapshot_part GROUP BY 1").all(), [
        { snapshot: 690, parts: 3 },
      ]);
      database.close();
    }));

  it("is whole before the next is due, however large the batches are", () =>
    inFolder((folder) => {
      const large = entries(0, 3, 1, 300_000);
      const store = openSqlite(join(folder, "s.sqlite"));
      store.append(large.slice(0, 1));
      const bytes = state(5);
      store.writeSnapshot(1, large[0]?.digest as Uint8Array, bytes, 0);
      store.append(large.slice(1, 2));
      assert.equal(store.snapshotInfo()?.position, 1);
      assert.ok(bytes.equals(store.snapshot()?.bytes ?? Buffer.alloc(0)));
      store.close();
    }));

  it("is given up when the log is cut before it or replaced", () =>
    inFolder((folder) => {
      const store = begun(join(folder, "s.sqlite"));
      stage(store, 690, state(3));
      appendOne(store);
      store.cut(600);
      for (let i = 0; i < 5; i++) appendOne(store);
      assert.equal(store.snapshotInfo()?.position, 100);
      stage(store, 604, state(3));
      appendOne(store);
      const far = state(2);
      store.installSnapshot(650, log[649]?.digest as Uint8Array, far);
      for (let i = 0; i < 5; i++) appendOne(store);
      assert.deepEqual([store.firstPosition, store.lastPosition, store.snapshotInfo()?.position], [651, 655, 650]);
      assert.ok(far.equals(store.snapshot()?.bytes ?? Buffer.alloc(0)));
      store.close();
    }));
});
