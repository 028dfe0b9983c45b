/** What the benchmarks of the whole system print and draw, from figures that are known. */
import assert from "node:assert/strict";
import { flameGraphSvg } from "../../bench/profile/flame-graph.js";
import { costsOf, foldScript } from "../../bench/profile/stacks.js";
import { chartSvg } from "../../bench/system/chart.js";
import type { Times } from "../../bench/system/load-types.js";
import type { Measured } from "../../bench/system/measure.js";
import { faultsOf, scenariosNamed } from "../../bench/system/scenarios.js";
import { HEAD, median, number, rowCells, textTable } from "../../bench/system/table.js";

const script = `node     12
\t    7f00 __x64_sys_write+0x10 ([kernel.kallsyms])
\t    7f01 do_syscall_64+0x1 ([kernel.kallsyms])
\t    4001 write+0x5 (/usr/lib/libc.so.6)
\t    5001 JS:*'#flush file:///somewhere/dist/ts/tmr/server.js:120:11+0x7 (/tmp/perf-12.map)
\t    6001 node::Start(int, char**)+0x1 (/somewhere/bin/node)

node     12
\t    8001 tmr::Session::open(std::span<unsigned char, 18446744073709551615ul>)+0x3 (/somewhere/build/Release/tmr_engine.node)
\t    5001 JS:~'emit node:events:400:3 (/tmp/perf-12.map)

node     12
\t    9001 Builtins_LoadIC+0x1 (/somewhere/bin/node)
\t    5001 JS:*'#flush file:///somewhere/dist/ts/tmr/server.js:120:11+0x9 (/tmp/perf-12.map)

node     12
\t    9002 Builtins_StoreIC+0x1 (/somewhere/bin/node)
\t    5001 JS:*'#flush file:///somewhere/dist/ts/tmr/server.js:120:11+0x9 (/tmp/perf-12.map)
`;

const times: Times = { mean: 1, p50: 1, p90: 2, p99: 3, p999: 4, max: 5 };

function measured(checkoutsPerSecond: number, load: Partial<Measured["load"]> = {}): Measured {
  return {
    load: {
      checkouts: 100,
      requests: 200,
      denied: 0,
      mostOut: 1,
      overAllocated: 0,
      repeated: 0,
      reconnects: 0,
      late: 0,
      noQuorum: 0,
      notActive: 0,
      busy: 0,
      unexpected: 0,
      unexpectedKind: 0,
      unexpectedStatus: 0,
      mostBehind: 0,
      gapMs: 1,
      gapAtMs: 0,
      checkoutMs: times,
      requestMs: times,
      ...load,
    },
    windowMs: 1000,
    active: "tmr-b",
    checkoutsPerSecond,
    cpuUs: { "tmr-a": 2, "tmr-b": 30, "upstream-1": 11, "upstream-2": 12, "upstream-3": null, load: 5 },
    residentMb: { "tmr-a": 80, "tmr-b": 90, "upstream-1": 70, "upstream-2": 101, "upstream-3": null },
    batchMean: 7.25,
    requestsServed: 200,
    ioCallsPerRequest: 2.2,
  };
}

describe("profile", () => {
  it("gives a sample to whoever can do something about it", () => {
    assert.deepEqual(costsOf(foldScript(script)), [
      { name: "#flush ts/tmr/server.ts", share: 0.5 },
      { name: "kernel: write", share: 0.25 },
      { name: "engine: tmr::Session::open", share: 0.25 },
    ]);
  });

  it("draws each function as wide as its share, with its name as text", () => {
    const svg = flameGraphSvg("A <title>", foldScript(script));
    assert.match(svg, /^<svg [^>]*>[\s\S]*<\/svg>\n$/);
    assert.match(svg, /A &lt;title&gt;/);
    assert.match(
      svg,
      /<title>#flush ts\/tmr\/server\.ts — 50\.0 %, 2 samples<\/title><rect x="[\d.]+" y="\d+" width="690\.0"/,
    );
  });
});

describe("bench:system", () => {
  it("shows medians of the rounds, of the active server and of the twin by who was which", () => {
    const rounds = [measured(3000), measured(1000), measured(1500)];
    const cells = rowCells({ name: "64", title: "64 clients", rounds });
    const byHead = Object.fromEntries(HEAD.map((head, i) => [head, cells[i]]));
    assert.deepEqual(
      [byHead["checkouts/s"], byHead["CPU us: tmr"], byHead["twin"], byHead["up-3"], byHead["RSS up"]],
      ["1,500", "30.0", "2.00", "-", "101"],
    );
    assert.equal(cells.length, HEAD.length);
    assert.deepEqual(rowCells({ name: "x", title: "X", rounds: [], failed: "why" }), ["X", "failed"]);
  });

  it("aligns columns", () => {
    assert.equal(textTable(["a", "bb"], [["cc", "1"]]), "a   bb\n--  --\ncc   1");
    assert.deepEqual([number(1234.5), number(12.34), number(1.234), number(null)], ["1,235", "12.3", "1.23", "-"]);
    assert.equal(median([5, 1, 3]), 3);
  });

  it("names what must not be: more seats out than there are, answers that cannot be right, no work done", () => {
    assert.deepEqual(faultsOf(measured(1)), []);
    assert.deepEqual(faultsOf(measured(1, { overAllocated: 2, mostOut: 34 })), [
      "more seats were out than there are: 34",
    ]);
    assert.equal(faultsOf(measured(1, { unexpected: 1, unexpectedKind: 4, unexpectedStatus: 20 })).length, 1);
    assert.equal(faultsOf(measured(0, { checkouts: 0 })).length, 1);
  });

  it("knows its runs by name", () => {
    assert.deepEqual(
      scenariosNamed(["takeover", "64"]).map(({ name }) => name),
      ["64", "takeover"],
    );
    assert.throws(() => scenariosNamed(["64", "65"]), /no run is called 65; there are 1, 16/);
  });

  it("draws throughput and latency by clients without a browser", () => {
    const points = [1, 64].map((clients) => ({ clients, checkoutsPerSecond: clients * 100, p50: 1, p99: 10 }));
    const svg = chartSvg("By clients", "a machine", [{ name: "durable", points }]);
    assert.match(svg, /^<svg /);
    for (const text of ["By clients", "a machine", "6,400", "durable, p99"]) assert.ok(svg.includes(text), text);
  });
});
