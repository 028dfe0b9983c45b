import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { copyStore } from "../../ts/store/copy-store.js";
import { type ExportHead, isExport, readExport, writeExport } from "../../ts/store/export-file.js";
import { scratchFolder } from "../support/scratch.js";
import { contentOf, entries, openSqlite } from "../support/store-kit.js";
import { thrownBy } from "../support/throws.js";

const writer = fileURLToPath(new URL("../support/store-writer.js", import.meta.url));

const head: Omit<ExportHead, "bytes"> = {
  kind: "upstream",
  name: "upstream-1",
  upstream: 1,
  genesis: "ab".repeat(32),
  storeFormat: 1,
  incarnation: "00",
  promised: 4,
  logEpoch: 4,
  position: 10,
  digest: "cd".repeat(32),
  takenAt: "2026-11-24T00:00:00.000Z",
  release: "0.1.0",
};

describe("copying a store", function () {
  this.timeout(60_000);
  const folder = scratchFolder();

  it("gives what the store says, of one that is closed and of one that a process has open", () => {
    const file = join(folder(), "a.sqlite");
    const store = openSqlite(file);
    store.append(entries(0, 20));
    copyStore(file, join(folder(), "open.sqlite"));
    const content = contentOf(store);
    store.close();
    copyStore(file, join(folder(), "closed.sqlite"));
    for (const name of ["open.sqlite", "closed.sqlite"]) {
      const copy = openSqlite(join(folder(), name));
      assert.deepEqual(contentOf(copy), content);
      copy.close();
    }
  });

  it("gives one state, at least what was acknowledged, of one that is written all the time", async () => {
    const file = join(folder(), "busy.sqlite");
    const child = spawn(process.execPath, [writer, file, "4000"], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "exit");
    let acknowledged = 0;
    let copies = 0;
    const COPIES = 6;
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        acknowledged = Number(line);
        // In between the writer goes on and folds its log into the database more than once.
        if (acknowledged % 100 !== 0) continue;
        const to = join(folder(), `copy-${acknowledged}.sqlite`);
        copyStore(file, to);
        const copy = openSqlite(to);
        assert.ok(copy.lastPosition >= acknowledged, `${acknowledged} acknowledged, ${copy.lastPosition} copied`);
        assert.equal(copy.read(copy.firstPosition - 1, 1e9).length, copy.lastPosition - copy.firstPosition + 1);
        copy.close();
        if (++copies === COPIES) break;
      }
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
    assert.equal(copies, COPIES);
  });

  it("says that there is none", () => {
    assert.match(
      thrownBy("ERR_TMR_FILE", () => copyStore(join(folder(), "x"), join(folder(), "y"))).message,
      /no store/,
    );
  });
});

describe("an export of a store", () => {
  const folder = scratchFolder();
  const out = () => join(folder(), "out.tmrstore");

  function exported(database = Buffer.alloc(3_000_000, "database")): Buffer {
    writeFileSync(join(folder(), "db"), database);
    writeExport(out(), head, join(folder(), "db"));
    return database;
  }

  it("gives the database and what was said of it, and is for its owner only", () => {
    const database = exported();
    assert.equal(statSync(out()).mode & 0o777, 0o600);
    assert.ok(isExport(out()) && !isExport(join(folder(), "db")) && !isExport(folder()));
    assert.deepEqual(readExport(out(), join(folder(), "back")), { ...head, bytes: database.length });
    assert.ok(readFileSync(join(folder(), "back")).equals(database));
  });

  it("never overwrites, and leaves nothing beside it", () => {
    writeFileSync(out(), "precious");
    writeFileSync(join(folder(), "db"), "x");
    assert.match(
      thrownBy("ERR_TMR_FILE", () => writeExport(out(), head, join(folder(), "db"))).message,
      /already there; an export never overwrites/,
    );
    assert.equal(readFileSync(out(), "utf8"), "precious");
    assert.deepEqual(readdirSync(folder()).sort(), ["db", "out.tmrstore"]);
  });

  it("is refused with any byte altered, cut anywhere, or added to; nothing is left behind", () => {
    exported(Buffer.alloc(600, "database"));
    const whole = readFileSync(out());
    const back = join(folder(), "back");
    const refused = (bytes: Buffer, what: string): void => {
      writeFileSync(out(), bytes);
      thrownBy("ERR_TMR_STORE", () => readExport(out(), back));
      assert.ok(!existsSync(back), what);
    };
    for (let at = 0; at < whole.length; at += 3) {
      const altered = Buffer.from(whole);
      altered[at] = (altered[at] ?? 0) ^ 0x10;
      refused(altered, `byte ${at}`);
    }
    for (let length = 0; length < whole.length; length += 31) refused(whole.subarray(0, length), `cut to ${length}`);
    refused(Buffer.concat([whole, Buffer.of(0)]), "one byte more");
    writeFileSync(out(), whole);
    assert.equal(readExport(out(), back).bytes, 600);
  });
});
