import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChaos } from "../chaos/run.js";

const SECONDS = 15;
const CLIENTS = 5;

describe("random faults of five real processes and their links", function () {
  this.timeout(420_000);

  it(`are no error and no broken promise in ${SECONDS} seconds of ${CLIENTS} clients`, async () => {
    const seed = randomInt(2 ** 32);
    const again = `npm run chaos -- --minutes ${SECONDS / 60} --clients ${CLIENTS} --seed ${seed} --keep`;
    console.log(`chaos: seed ${seed}`);
    const dir = mkdtempSync(join(tmpdir(), "tmr-chaos-"));
    const where = `seed ${seed}; history and logs in ${dir}; the same faults again: ${again}`;
    const { lines, verdict } = await runChaos({ seed, durationMs: SECONDS * 1000, clients: CLIENTS, dir }).catch(
      (error: unknown) => {
        throw new Error(`the run failed; ${where}`, { cause: error });
      },
    );
    const found = [
      ...verdict.errors.map(({ text }) => `error: ${text}`),
      ...verdict.violations.map(({ kind, text }) => `violation: ${kind}: ${text}`),
    ];
    assert.ok(found.length === 0, `${where}\n${found.join("\n")}`);
    // A run in which nothing happened proves nothing.
    const count = (type: "fault" | "operation") => lines.filter((line) => line.type === type).length;
    assert.ok(count("fault") >= 3 && count("operation") >= 100, `${where}\ntoo little happened`);
    // Only after a good run: what a bad one left is needed.
    rmSync(dir, { recursive: true, force: true });
  });
});
