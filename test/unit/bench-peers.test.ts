/** The arithmetic and the tables of `npm run bench:peers`; its servers are not started here. */
import assert from "node:assert/strict";
import { readOptions } from "../../bench/peers/options.js";
import { LOADS, type Round } from "../../bench/peers/party.js";
import { joinRuns, type PartyRounds, type RunDocument } from "../../bench/peers/report/document.js";
import { HEADING, sectionText, withSection } from "../../bench/peers/report/section.js";
import { median, medianRound, ratioOfRounds, spread } from "../../bench/peers/report/statistics.js";
import { comparisonTables, groupOf, quantity, times } from "../../bench/peers/report/table.js";
import { rotated, runRounds } from "../../bench/peers/rounds.js";

function round(checkoutsPerSecond: number, rest: Partial<Round> = {}): Round {
  const usual = { p50Ms: 1, p99Ms: 10, mostOut: 1, serverCpuUs: 100, hopCpuUs: null, generatorCpuUs: 5 };
  return { checkoutsPerSecond, ...usual, ...rest };
}

function party(id: string, rounds: readonly Round[], rest: Partial<PartyRounds> = {}): PartyRounds {
  const facts = { name: id, persistence: "durable", persists: "synced", lacks: "a vote", ours: false } as const;
  return { id, ...facts, rounds: { "64": rounds }, ...rest };
}

function documentOf(parties: readonly PartyRounds[]): RunDocument {
  return {
    takenAt: "2026-01-02T03:04:05.000Z",
    machine: {
      cpu: "CPU",
      cores: 2,
      memoryGb: 24,
      kernel: "6",
      node: "24",
      fileSystem: "ext4",
      fdatasyncMs: 0.25,
      loadAverage: 0,
    },
    timing: { seconds: 2, warmUpSeconds: 0.3 },
    rounds: 3,
    loads: LOADS.filter(({ name }) => name === "64"),
    parties,
    versions: ["etcd-server 3"],
    absent: [],
    idleCores: 0.1,
  };
}

describe("bench:peers", () => {
  it("takes the middle round, or the mean of the two in the middle", () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([4, 1, 2, 100]), 3);
    assert.equal(spread([90, 100, 120]), 0.15);
    assert.throws(() => median([]), TypeError);
  });

  it("keeps the worst count of seats out, not the middle one", () => {
    const middle = medianRound([round(1, { mostOut: 32 }), round(3, { mostOut: 33 }), round(2, { mostOut: 31 })]);
    assert.equal(middle.checkoutsPerSecond, 2);
    assert.equal(middle.mostOut, 33);
    assert.equal(middle.hopCpuUs, null);
  });

  it("compares within a round, so that a slow minute hits both sides", () => {
    const ours = [round(1000), round(100), round(1000)];
    const theirs = [round(500), round(50), round(250)];
    const speed = ({ checkoutsPerSecond }: Round): number => checkoutsPerSecond;
    assert.equal(ratioOfRounds(ours, theirs, speed, "more"), 2);
    assert.equal(ratioOfRounds(ours, theirs, speed, "less"), 0.5);
    assert.equal(ratioOfRounds(ours, [], speed, "more"), null);
    assert.equal(ratioOfRounds(ours, [round(0)], speed, "more"), null);
  });

  it("prints quantities and ratios with as many digits as they deserve", () => {
    assert.deepEqual([9452.4, 46.04, 0.314].map(quantity), ["9,452", "46.0", "0.31"]);
    assert.deepEqual([12.4, 8.16, 0.37].map(times), ["12×", "8.2×", "0.37×"]);
  });

  it("puts ours first, and who keeps nothing into both tables", () => {
    const document = documentOf([
      party("peer", [round(50)]),
      party("memory", [round(80)], { persistence: "volatile" }),
      party("proxy", [round(200)], { persistence: "none" }),
      party("tmr", [round(100)], { ours: true }),
    ]);
    assert.deepEqual(
      groupOf(document, "durable").map(({ id }) => id),
      ["tmr", "peer", "proxy"],
    );
    assert.deepEqual(
      groupOf(document, "volatile").map(({ id }) => id),
      ["memory", "proxy"],
    );
    const table = comparisonTables(document, "durable");
    assert.match(table, /^\| tmr \| \*\*100\*\* \|$/m);
    assert.match(table, /^\| peer \| 50\.0 \(2\.0×\) \|$/m);
    assert.match(table, /^\| proxy \| 200 \(0\.50×\) \|$/m);
  });

  it("writes its section of the document and leaves the others", () => {
    const section = sectionText(documentOf([party("tmr", [round(100)], { ours: true })]), "chart.svg");
    const first = withSection("", section);
    assert.match(first, /^# Benchmarks\n\n## Against its peers\n/);
    const between = "# Benchmarks\n\n## A\n\ntext\n\n## Against its peers\n\nformer\n\n## B\n\nmore\n";
    const written = withSection(between, section);
    assert.doesNotMatch(written, /former/);
    assert.ok(written.startsWith("# Benchmarks\n\n## A\n\ntext\n\n") && written.endsWith("\n\n## B\n\nmore\n"));
    assert.equal(withSection(written, section), written);
    assert.equal(written.split(`${HEADING}\n`).length, 2);
  });

  it("shows several runs as one", () => {
    const joined = joinRuns([documentOf([party("a", [round(1)])]), documentOf([party("b", [round(2)])])]);
    assert.deepEqual(
      joined.parties.map(({ id }) => id),
      ["a", "b"],
    );
  });

  it("begins each round with another party and drops one that fails, with its reason", async () => {
    assert.deepEqual(rotated(["a", "b", "c"], 4), ["b", "c", "a"]);
    const calls: string[] = [];
    const fake = (id: string, failsAt: number) => ({
      ...party(id, []),
      missing: () => Promise.resolve([]),
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
      cpuSeconds: () => 0,
      round: () => {
        calls.push(id);
        if (calls.length === failsAt) return Promise.reject(new Error("gone"));
        return Promise.resolve(round(1));
      },
    });
    const { results, failures } = await runRounds({
      parties: [fake("a", 0), fake("b", 5)],
      loads: LOADS.filter(({ name }) => name === "64"),
      rounds: 3,
      timing: { seconds: 1, warmUpSeconds: 0 },
      progress: () => undefined,
    });
    // Warm-up of both, then three rounds; b fails when it begins the second.
    assert.deepEqual(calls, ["a", "b", "a", "b", "b", "a", "a"]);
    assert.equal(results.get("a")?.["64"]?.length, 3);
    assert.equal(results.has("b"), false);
    assert.equal(failures.get("b"), "gone");
  });

  it("says what an option must be", () => {
    assert.equal(readOptions(["--loads", "64,contended"]).loads.length, 2);
    assert.throws(() => readOptions(["--rounds", "0"]), /--rounds: expected a number from 1 to 100, received "0"/);
    assert.throws(() => readOptions(["--loads", "7"]), /--loads: expected 1, 16, 64, 256, contended, received 7/);
  });
});
