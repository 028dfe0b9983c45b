/** The memory benchmark with little input: that it still runs, holds what it says, and leaves nothing behind. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inFolder } from "../support/store-kit.js";

const program = fileURLToPath(new URL("../../bench/memory/main.js", import.meta.url));

describe("the memory benchmark", () => {
  it("holds handles on a standalone server and measures its process and its store", () =>
    inFolder((folder) => {
      const file = join(folder, "memory.json");
      const args = ["--sessions", "10", "--handles", "600", "--connections", "3", "--json", file];
      const env = { ...process.env, TMPDIR: folder };
      const ran = spawnSync(process.execPath, [program, ...args], { encoding: "utf8", env });
      assert.equal(ran.status, 0, ran.stderr);
      const { processes, recovery } = JSON.parse(readFileSync(file, "utf8")) as {
        processes: { name: string; heldBytes: number; peakBytes: number }[];
        recovery: { snapshotBytes: number };
      };
      assert.deepEqual(
        processes.map(({ name }) => name),
        ["license-server"],
      );
      assert.ok((processes[0]?.heldBytes ?? 0) > 10e6);
      // Each of the 600 handles is in the snapshot: a row of 8 words or more.
      assert.ok(recovery.snapshotBytes > 600 * 32);
      const tooMuch = spawnSync(process.execPath, [program, ...args, "--limit", "1"], { encoding: "utf8", env });
      assert.equal(tooMuch.status, 1);
    })).timeout(120_000);
});
