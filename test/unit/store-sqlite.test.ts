import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { TmrError } from "../../ts/errors.js";
import { SqliteStore, storeFiles } from "../../ts/store/sqlite-store.js";
import { StoreDamageError } from "../../ts/store/store.js";
import { contentOf, digestOf, entries, inFolder, newIncarnation, openSqlite, owner } from "../support/store-kit.js";

const writer = fileURLToPath(new URL("../support/store-writer.js", import.meta.url));

/** Runs the writer until it has acknowledged `count` positions, kills it, and returns the last one it acknowledged. */
async function killedWriter(file: string, count: number): Promise<number> {
  const child = spawn(process.execPath, [writer, file], { stdio: ["ignore", "pipe", "inherit"] });
  let acknowledged = 0;
  let seen = 0;
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    acknowledged = Number(line);
    if (++seen === count) child.kill("SIGKILL");
  });
  await Promise.all([once(child, "exit"), once(lines, "close")]);
  return acknowledged;
}

function checkAcknowledged(file: string, acknowledged: number): void {
  const store = openSqlite(file);
  assert.ok(store.lastPosition >= acknowledged, `${acknowledged} was acknowledged, ${store.lastPosition} is here`);
  assert.ok(store.lastPosition <= acknowledged + 1);
  assert.deepEqual(Buffer.from(store.lastDigest()), digestOf(store.lastPosition));
  const batches = entries(store.firstPosition - 1, store.lastPosition).map(({ batch }) => Buffer.from(batch));
  assert.deepEqual(store.read(store.firstPosition - 1, 1e9), batches);
  assert.ok(store.meta().promised >= acknowledged);
  store.close();
}

/** A closed store with promises, batches and a snapshot. */
function filled(file: string): unknown {
  const store = openSqlite(file);
  store.writeMeta({ promised: 6, logEpoch: 6, blank: false, members: Buffer.alloc(48, 4) });
  store.append(entries(0, 40));
  store.writeSnapshot(30, digestOf(30), Buffer.alloc(5000, 8), 20);
  const content = contentOf(store);
  store.close();
  return content;
}

function alter(file: string, sql: string): void {
  const database = new Database(file);
  database.exec(sql);
  database.close();
}

describe("store: SQLite file", () => {
  it("has everything that was acknowledged before a kill -9, several times over", () =>
    inFolder(async (folder) => {
      const file = join(folder, "s.sqlite");
      for (const count of [1, 40, 75, 3, 120]) checkAcknowledged(file, await killedWriter(file, count));
    }));

  it("is readable by its owner only", () =>
    inFolder((folder) => {
      const file = join(folder, "s.sqlite");
      const store = openSqlite(file);
      store.append(entries(0, 3));
      for (const each of storeFiles(file)) assert.equal(statSync(each).mode & 0o777, 0o600, each);
      store.close();
    }));

  it("is open in one place only", () =>
    inFolder((folder) => {
      const file = join(folder, "s.sqlite");
      const store = openSqlite(file);
      assert.throws(() => openSqlite(file), { code: "ERR_TMR_FILE" });
      store.append(entries(0, 1));
      store.close();
      openSqlite(file).close();
    }));

  it("is refused for another upstream or system, and is no damage then", () =>
    inFolder((folder) => {
      const file = join(folder, "s.sqlite");
      filled(file);
      const other = [
        { upstream: 2, genesisDigest: owner.genesisDigest },
        { upstream: 1, genesisDigest: Buffer.alloc(32) },
      ] as const;
      for (const wrong of other) {
        assert.throws(
          () => new SqliteStore({ ...wrong, file, newIncarnation }),
          (error) =>
            error instanceof TmrError && error.code === "ERR_TMR_STORE" && !(error instanceof StoreDamageError),
        );
      }
      openSqlite(file).close();
    }));

  it("keeps the same when it does not wait for the disk, as long as nothing takes the power away", () =>
    inFolder((folder) => {
      const file = join(folder, "s.sqlite");
      const hasty = new SqliteStore({ ...owner, file, newIncarnation, durable: false });
      hasty.append(entries(0, 5));
      const content = contentOf(hasty);
      hasty.close();
      const patient = openSqlite(file);
      assert.deepEqual(contentOf(patient), content);
      patient.close();
    }));

  it("says so when its folder is not there", () =>
    inFolder((folder) => {
      assert.throws(() => openSqlite(join(folder, "none", "s.sqlite")), { code: "ERR_TMR_FILE" });
    }));

  const alterations: [string, string, RegExp][] = [
    ["an altered batch", "UPDATE log SET batch = zeroblob(300) WHERE position = 33", /position 33 /],
    ["an altered digest", "UPDATE log SET digest = zeroblob(32) WHERE position = 35", /position 35 /],
    ["a missing batch", "DELETE FROM log WHERE position = 36", /positions 21 to 40 /],
    [
      "two batches exchanged",
      "UPDATE log SET batch = (SELECT batch FROM log WHERE position = 32) WHERE position = 31",
      /31 /,
    ],
    ["an altered snapshot", "UPDATE snapshot_part SET bytes = zeroblob(5000)", /snapshot at position 30 /],
    ["a missing part of a snapshot", "DELETE FROM snapshot_part", /snapshot at position 30 /],
    ["a moved snapshot", "UPDATE snapshot SET position = 31", /snapshot at position 31 /],
    ["an altered promise", "UPDATE meta SET promised = 5", /promises/],
    ["an altered incarnation", "UPDATE meta SET incarnation = zeroblob(16)", /promises/],
    ["a missing record of promises", "DELETE FROM meta", /promises/],
    ["an altered beginning", "UPDATE base SET digest = zeroblob(32)", /position 21 /],
    ["a lost end", "DELETE FROM log WHERE position > 38", /position 40 was acknowledged, 38 is the last here/],
    ["a lost write that was no append", "UPDATE commits SET n = n - 1", /3 commits were acknowledged, only 2 are here/],
  ];
  for (const [name, sql, message] of alterations) {
    it(`finds ${name}`, () =>
      inFolder((folder) => {
        const file = join(folder, "s.sqlite");
        filled(file);
        alter(file, sql);
        assert.throws(
          () => {
            const store = openSqlite(file);
            try {
              contentOf(store);
            } finally {
              store.close();
            }
          },
          (error) => error instanceof StoreDamageError && message.test(error.message),
        );
      }));
  }

  it("is found damaged or is the same, whichever byte of the file is altered", () =>
    inFolder((folder) => {
      const file = join(folder, "s.sqlite");
      const content = filled(file);
      const bytes = readFileSync(file);
      let damaged = 0;
      for (let at = 0; at < bytes.length; at += 211) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
        const copy = join(folder, "flipped.sqlite");
        for (const each of storeFiles(copy)) if (existsSync(each)) renameSync(each, join(folder, "gone"));
        writeFileSync(copy, flipped);
        copyFileSync(`${file}.mark`, `${copy}.mark`);
        try {
          const store = openSqlite(copy);
          try {
            assert.deepEqual(contentOf(store), content, `byte ${at}`);
          } finally {
            store.close();
          }
        } catch (error) {
          if (!(error instanceof StoreDamageError)) throw error;
          damaged++;
        }
      }
      assert.ok(damaged > 30, `${damaged}`);
    }));

  it("takes an incomplete last transaction as never written", () =>
    inFolder((folder) => {
      const file = join(folder, "s.sqlite");
      const store = openSqlite(file);
      store.append(entries(0, 5));
      const copy = join(folder, "copy.sqlite");
      copyFileSync(file, copy);
      copyFileSync(`${file}.mark`, `${copy}.mark`);
      const whole = statSync(`${file}-wal`).size;
      store.append(entries(5, 6, 0, 20_000));
      copyFileSync(`${file}-wal`, `${copy}-wal`);
      store.close();
      const longer = statSync(`${copy}-wal`).size;
      assert.ok(longer > whole);
      for (let size = longer - 1; size >= whole; size -= 997) {
        truncateSync(`${copy}-wal`, size);
        const torn = join(folder, "torn.sqlite");
        copyFileSync(copy, torn);
        copyFileSync(`${copy}-wal`, `${torn}-wal`);
        copyFileSync(`${copy}.mark`, `${torn}.mark`);
        const opened = openSqlite(torn);
        assert.equal(opened.lastPosition, 5);
        assert.deepEqual(Buffer.from(opened.lastDigest()), digestOf(5));
        opened.close();
      }
    }));

  it("is damaged when the write-ahead log lost what was acknowledged", () =>
    inFolder((folder) => {
      const file = join(folder, "s.sqlite");
      const store = openSqlite(file);
      store.append(entries(0, 5));
      const before = statSync(`${file}-wal`).size;
      store.append(entries(5, 6));
      store.append(entries(6, 7));
      const copy = join(folder, "copy.sqlite");
      for (const [i, each] of storeFiles(file).entries()) copyFileSync(each, storeFiles(copy)[i] ?? "");
      store.close();
      const wal = readFileSync(`${copy}-wal`);
      // One bit inside the sixth batch: SQLite itself would silently go on with five.
      wal[before + 200] = (wal[before + 200] ?? 0) ^ 1;
      writeFileSync(`${copy}-wal`, wal);
      assert.throws(
        () => openSqlite(copy),
        (error) => error instanceof StoreDamageError && /acknowledged/.test(error.message),
      );
    }));

  it("is whole when it died between a cut and its note", () =>
    inFolder((folder) => {
      const file = join(folder, "s.sqlite");
      filled(file);
      copyFileSync(`${file}.mark`, `${file}.before`);
      const store = openSqlite(file);
      store.cut(35);
      store.close();
      copyFileSync(`${file}.before`, `${file}.mark`);
      const again = openSqlite(file);
      assert.equal(again.lastPosition, 35);
      again.close();
    }));

  it("fails a write that the disk does not take, and writes no more", () =>
    inFolder(async (folder) => {
      const file = join(folder, "s.sqlite");
      const limited = `trap '' XFSZ; ulimit -f 1024; exec "$0" "$@"`;
      const child = spawn("bash", ["-c", limited, process.execPath, writer, file, "5000"], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      const chunks: Buffer[] = [];
      child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
      const [code] = (await once(child, "close")) as [number];
      assert.equal(code, 1);
      assert.match(Buffer.concat(chunks).toString(), /ERR_TMR_STORE_WRITE/);
    }));
});
