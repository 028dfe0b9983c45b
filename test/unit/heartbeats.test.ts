/** Heartbeats of many clients that were all answered in one moment, as after a takeover: they never beat together. */
import assert from "node:assert/strict";
import { Lease } from "../../ts/client/lease.js";
import { Random } from "../simulation/random.js";

const CLIENTS = 5_000;
const HEARTBEAT_MS = 30_000;

/** Beats per second of clients whose every request is answered at once; all begin with an answer at time 0. */
function beatsPerSecond(seconds: number, random: () => number): number[] {
  const beats = Array.from({ length: seconds }, () => 0);
  for (let i = 0; i < CLIENTS; i++) {
    const lease = new Lease();
    let atMs = 0;
    while (atMs < seconds * 1_000) {
      lease.answered({ firstSentMs: atMs, timeoutMs: 120_000, heartbeatMs: HEARTBEAT_MS }, atMs, random);
      atMs = lease.dueMs;
      const second = Math.floor(atMs / 1_000);
      if (second < seconds) beats[second] = (beats[second] ?? 0) + 1;
    }
  }
  return beats;
}

describe("heartbeats of many clients", () => {
  const chance = new Random(7);
  const beats = beatsPerSecond(600, () => chance.float());
  /** if they were spread evenly: one per client and mean interval */
  const even = CLIENTS / ((0.75 * HEARTBEAT_MS) / 1_000);

  it("are at most twice as dense as evenly spread ones, from the first after the takeover on", () => {
    assert.ok(Math.max(...beats) < 2 * even, `${Math.max(...beats)} in one second, evenly ${even.toFixed(0)}`);
  });

  it("come no nearer to each other as time goes on: after three intervals they are as good as even", () => {
    const later = beats.slice(90);
    assert.ok(Math.max(...later) < 1.35 * even, `${Math.max(...later)} in one second, evenly ${even.toFixed(0)}`);
    assert.ok(Math.min(...later) > 0.65 * even, `${Math.min(...later)} in one second, evenly ${even.toFixed(0)}`);
  });
});
