import assert from "node:assert/strict";
import { TwinMachine, type TwinView } from "../../ts/failover/twin.js";

const SUSPECT_MS = 600;
const gone = { leaderConnected: false, leaderSilentMs: 0 };
const silent = { leaderConnected: true, leaderSilentMs: 601 };
const atWork = { leaderConnected: true, leaderSilentMs: 20 };

function view(change: Partial<TwinView>): TwinView {
  return {
    twin: 0,
    role: "passive",
    peerConnected: true,
    peerRole: "passive",
    peerSilentMs: 50,
    witnesses: [gone, gone, gone],
    ...change,
  };
}

/** The first moment of a steady view at which the twin takes over, or null within 10 s. */
function takeOverAtMs(change: Partial<TwinView>): number | null {
  const machine = new TwinMachine({ suspectMs: SUSPECT_MS });
  for (let nowMs = 0; nowMs <= 10_000; nowMs += 20) {
    if (machine.step(view(change), nowMs) === "take-over") return nowMs;
  }
  return null;
}

describe("a passive twin", () => {
  const rows: readonly [string, Partial<TwinView>, number | null][] = [
    ["takes over at once when the peer is gone and two upstreams miss the leader", { peerConnected: false }, 0],
    ["takes over when the leader is only silent", { peerConnected: false, witnesses: [silent, silent, atWork] }, 0],
    [
      "stands by while two upstreams hear the leader",
      { peerConnected: false, witnesses: [gone, atWork, atWork] },
      null,
    ],
    ["stands by with one witness: alone it could not lead anyway", { peerConnected: false, witnesses: [gone] }, null],
    ["stands by with a broken cable to a peer that leads", { peerConnected: false, witnesses: [atWork, atWork] }, null],
    ["leaves the first start to twin 0", { twin: 1 }, 1200],
    ["goes first as twin 0", { twin: 0 }, 0],
    ["waits for a peer that it never heard, as twin 1", { twin: 1, peerConnected: false, peerRole: null }, 1200],
    ["gives a peer that is taking over its time", { peerRole: "taking-over" }, 2400],
    ["takes over from a peer that is active but cut off from the upstreams", { peerRole: "active" }, 1200],
    ["takes over at once from a peer that is stopping", { twin: 1, peerRole: "stopping" }, 0],
    ["takes over from a peer that is connected and frozen", { twin: 1, peerRole: "active", peerSilentMs: 601 }, 0],
    ["does nothing while it is active itself", { role: "active", peerConnected: false }, null],
    ["does nothing while it is stopping", { role: "stopping", peerConnected: false }, null],
  ];
  for (const [name, change, expected] of rows) {
    it(name, () => assert.equal(takeOverAtMs(change), expected));
  }

  it("starts its patience again when a leader was seen in between", () => {
    const machine = new TwinMachine({ suspectMs: SUSPECT_MS });
    assert.equal(machine.step(view({ twin: 1 }), 0), "stand-by");
    assert.equal(machine.step(view({ twin: 1, witnesses: [atWork, atWork] }), 1100), "stand-by");
    assert.equal(machine.step(view({ twin: 1 }), 1200), "stand-by");
    assert.equal(machine.step(view({ twin: 1 }), 2400), "take-over");
  });
});
