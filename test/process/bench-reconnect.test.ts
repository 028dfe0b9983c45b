/** The reconnect benchmark with few clients: that it runs, loses nothing, and that nobody makes needless connections. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inFolder } from "../support/store-kit.js";

const program = fileURLToPath(new URL("../../bench/reconnect/main.js", import.meta.url));

describe("the reconnect benchmark", () => {
  it("has every client served again, with its license", () =>
    inFolder((folder) => {
      const file = join(folder, "reconnect.json");
      const env = { ...process.env, TMPDIR: folder };
      const args = [program, "--clients", "40", "--rounds", "2", "--json", file];
      const ran = spawnSync(process.execPath, args, { encoding: "utf8", env });
      assert.equal(ran.status, 0, ran.stderr);
      const { rounds } = JSON.parse(readFileSync(file, "utf8")) as {
        rounds: { server: string; servedMs: number[]; failed: string[]; lost: number; handshakes: number }[];
      };
      assert.equal(new Set(rounds.map(({ server }) => server)).size, 2, "each server takes over once");
      for (const { servedMs, failed, lost, handshakes } of rounds) {
        assert.equal(servedMs.length, 40);
        assert.deepEqual(failed, []);
        assert.equal(lost, 0);
        assert.ok(handshakes >= 40, `${handshakes} handshakes of 40 clients`);
      }
    })).timeout(180_000);
});
