import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TmrError } from "../../ts/errors.js";
import { ServerState } from "../../ts/tmr/server-state.js";

describe("the durable record of a TMR server", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "tmr-state-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const file = () => join(dir, "server-state.json");

  it("is that of a new server in an empty folder", () => {
    assert.deepEqual(new ServerState(dir).record, { highestUsedEpoch: 0, founded: false, forgiven: 0 });
  });

  it("is found again, readable by its owner only", () => {
    new ServerState(dir).update({ highestUsedEpoch: 14 });
    new ServerState(dir).update({ founded: true, forgiven: 0 });
    assert.deepEqual(new ServerState(dir).record, { highestUsedEpoch: 14, founded: true, forgiven: 0 });
    assert.equal(statSync(file()).mode & 0o777, 0o600);
  });

  it("is whole or the old one when a write was cut off", () => {
    new ServerState(dir).update({ highestUsedEpoch: 14 });
    writeFileSync(`${file()}.new`, '{"highestUsedEpoch":1');
    assert.equal(new ServerState(dir).record.highestUsedEpoch, 14);
  });

  for (const text of [
    "",
    "{}",
    '{"highestUsedEpoch":-1.5,"founded":true}',
    '{"highestUsedEpoch":4,"founded":1}',
    "null",
  ]) {
    it(`refuses ${JSON.stringify(text)} instead of starting over with epoch 1`, () => {
      writeFileSync(file(), text);
      assert.throws(
        () => new ServerState(dir),
        (error: unknown) => error instanceof TmrError && error.code === "ERR_TMR_FILE",
      );
      assert.equal(readFileSync(file(), "utf8"), text);
    });
  }
});
