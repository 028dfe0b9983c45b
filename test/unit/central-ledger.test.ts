import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Ledger } from "../../ts/central/ledger.js";
import { scratchFolder } from "../support/scratch.js";
import { thrownBy } from "../support/throws.js";

describe("the ledger of a Central", () => {
  const folder = scratchFolder();
  beforeEach(() => Ledger.create(folder()));

  function using<T>(work: (ledger: Ledger) => T): T {
    const ledger = Ledger.open(folder());
    try {
      return work(ledger);
    } finally {
      ledger.close();
    }
  }

  it("gives consecutive numbers and three serials of their own", () => {
    const first = using((ledger) => ledger.allocateGroup(["a", "b"]));
    const second = using((ledger) => ledger.allocateGroup(["a"]));
    assert.deepEqual(
      [...first.tmrIds, ...second.tmrIds],
      [
        ["a", 1],
        ["b", 2],
        ["a", 3],
      ],
    );
    assert.deepEqual([first.actId, second.actId, first.updateCounter], [1, 2, 1]);
    const serials = [...first.serials, ...second.serials];
    assert.equal(new Set(serials).size, 6);
    assert.ok(serials.every((serial) => Number.isInteger(serial) && serial >= 1 && serial <= 0xffff_ffff));
  });

  it("knows a group again after it was closed", () => {
    const { actId, serials } = using((ledger) => ledger.allocateGroup(["a"]));
    using((ledger) => ledger.allocateUpdate(actId, ["a", "b"]));
    assert.deepEqual(
      using((ledger) => ledger.group(actId)),
      { actId, serials, updateCounter: 2 },
    );
    assert.equal(
      using((ledger) => ledger.group(99)),
      undefined,
    );
  });

  it("refuses to update a group that it never issued, and changes nothing", () => {
    using((ledger) => {
      thrownBy("ERR_TMR_STATE", () => ledger.allocateUpdate(5, ["a"]));
      assert.deepEqual([...ledger.allocateGroup(["a"]).tmrIds], [["a", 1]]);
    });
  });

  it("keeps what it has when it is made a second time", () => {
    using((ledger) => ledger.allocateGroup(["a"]));
    Ledger.create(folder());
    assert.deepEqual([...using((ledger) => ledger.allocateGroup(["a"])).tmrIds], [["a", 2]]);
  });

  it("never gives a number again that it gave before kill -9", async () => {
    const module = new URL("../../ts/central/ledger.js", import.meta.url).href;
    const program = `
      import { Ledger } from ${JSON.stringify(module)};
      const ledger = Ledger.open(process.argv[1]);
      for (let i = 0; ; i++) console.log(ledger.allocateGroup([String(i)]).tmrIds.get(String(i)));
    `;
    let highest = 0;
    for (let round = 1; round <= 3; round++) {
      const child = spawn(process.execPath, ["--input-type=module", "-e", program, folder()], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = once(child, "exit");
      let lines = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        assert.equal(Number(line) > highest, true, `${line} was given after ${highest}`);
        highest = Number(line);
        lines += 1;
        if (lines === 10 * round) child.kill("SIGKILL");
      }
      await exited;
      assert.ok(lines >= 10 * round);
    }
    const next = using((ledger) => ledger.allocateGroup(["x"])).tmrIds.get("x") ?? 0;
    assert.ok(next > highest);
  });
});
