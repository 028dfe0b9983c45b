import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { STORE_FORMAT } from "../../ts/store/database.js";
import { StoreDamageError } from "../../ts/store/store.js";
import { scratchFolder } from "../support/scratch.js";
import { contentOf, entries, openSqlite } from "../support/store-kit.js";
import { thrownBy } from "../support/throws.js";

describe("the format of a store", () => {
  const folder = scratchFolder();
  const file = () => join(folder(), "replica.sqlite");

  /** A store with ten batches; what it says of itself. */
  function written(): unknown {
    const store = openSqlite(file());
    store.append(entries(0, 10));
    store.writeMeta({ promised: 4 });
    const content = contentOf(store);
    store.close();
    return content;
  }

  function formatOf(): number {
    const database = new Database(file());
    const format = database.pragma("user_version", { simple: true }) as number;
    database.close();
    return format;
  }

  function setFormat(format: number): void {
    const database = new Database(file());
    database.pragma(`user_version = ${format}`);
    database.close();
  }

  it("is written into a new one", () => {
    written();
    assert.equal(formatOf(), STORE_FORMAT);
  });

  it("is brought up from what a release without a number wrote, with everything in it", () => {
    const before = written();
    setFormat(0);
    const store = openSqlite(file());
    assert.deepEqual(contentOf(store), before);
    store.close();
    assert.equal(formatOf(), STORE_FORMAT);
  });

  it("of a later release is refused, which is no damage, and left as it is", () => {
    const before = written();
    setFormat(STORE_FORMAT + 1);
    const error = thrownBy("ERR_TMR_STORE", () => openSqlite(file()));
    assert.ok(!(error instanceof StoreDamageError), "it would be set aside as damaged");
    assert.match(
      error.message,
      new RegExp(`store format ${STORE_FORMAT + 1}, of a later release.*up to ${STORE_FORMAT}`),
    );
    assert.equal(formatOf(), STORE_FORMAT + 1);
    assert.deepEqual(
      readdirSync(folder()).filter((name) => name.includes("damaged")),
      [],
    );
    setFormat(STORE_FORMAT);
    const store = openSqlite(file());
    assert.deepEqual(contentOf(store), before);
    store.close();
  });
});
