/** The micro benchmarks with little input: that they still run, and that no case gets by with less than its control. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Case, Comparison, Prepared } from "../../bench/support/bench.js";
import { compare, digestOf } from "../../bench/support/compare.js";

const program = fileURLToPath(new URL("../../bench/main.js", import.meta.url));

interface Report {
  readonly benches: readonly { readonly name: string; readonly rows: readonly { readonly digest: string }[] }[];
}

function bench(...args: readonly string[]) {
  return spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
}

/** Work that leaves this text behind. */
function writing(text: string): Case {
  const prepare = (): Prepared => {
    let written = "";
    return {
      run: () => {
        written = text;
      },
      output: () => Buffer.from(written),
    };
  };
  return { name: `writes "${text}"`, operations: 1, prepare };
}

function smoke(subject: Case, control: Case) {
  const comparison: Comparison = { work: "writing", subject, controls: [control] };
  return compare([comparison], { smoke: true, rounds: 1 });
}

describe("the micro benchmarks", () => {
  it("produce the same as their controls", () => {
    const ran = bench("--smoke", "--json");
    assert.equal(ran.status, 0, ran.stderr);
    const { benches } = JSON.parse(ran.stdout) as Report;
    assert.deepEqual(
      benches.map(({ name }) => name),
      ["vote", "merge", "packet", "handshake", "boundary", "state-machine", "instructions"],
    );
    for (const { name, rows } of benches) {
      assert.ok(rows.length > 0, name);
      for (const { digest } of rows) assert.match(digest, /^[0-9a-f]{64}$/, name);
    }
  }).timeout(120_000);

  it("are picked by name, several at once, and refuse a name that there is not", () => {
    const ran = bench("vote", "handshake", "--smoke", "--json");
    const names = (JSON.parse(ran.stdout) as Report).benches.map(({ name }) => name);
    assert.deepEqual(names, ["vote", "handshake"]);
    const refused = bench("speed", "--smoke");
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /names: vote, merge/);
  }).timeout(60_000);

  it("give the digest of what was produced", () => {
    const [row] = smoke(writing("the same"), writing("the same"));
    assert.equal(row?.digest, digestOf(Buffer.from("the same")));
  });

  it("find out a case that produces something else than its control", () => {
    assert.throws(() => smoke(writing("this"), writing("that")), /do not produce the same/);
  });

  it("find out a case that does nothing", () => {
    assert.throws(() => smoke(writing(""), writing("")), /produced nothing/);
  });
});
