import assert from "node:assert/strict";
import { SyncStamps } from "../../ts/tmr/sync-stamps.js";
import type { LinkMessageOf } from "../../ts/wire/link.js";

const stamps = new SyncStamps(Buffer.alloc(32, 5));
const members = Buffer.alloc(48, 1);

function promise(change: Partial<LinkMessageOf<"promise">> = {}): LinkMessageOf<"promise"> {
  return {
    type: "promise",
    ask: 1,
    epoch: 8,
    incarnation: Buffer.alloc(16, 1),
    members,
    stamp: stamps.make(6, 2, members),
    logEpoch: 6,
    position: 9,
    digest: Buffer.alloc(32),
    stateDigest: Buffer.alloc(32),
    logStart: 1,
    logMs: 0,
    calendarMs: 0,
    clockMs: 0,
    ...change,
  };
}

describe("the stamp of a Sync", () => {
  it("fits the promise of the upstream that was given it", () => assert.equal(stamps.fits(promise(), 2), true));
  it("is not needed for a log that was never synced", () => {
    assert.equal(stamps.fits(promise({ logEpoch: 0, stamp: Buffer.alloc(32) }), 2), true);
  });
  it("fits no later epoch", () => assert.equal(stamps.fits(promise({ logEpoch: 7 }), 2), false));
  it("fits no other upstream", () => assert.equal(stamps.fits(promise(), 3), false));
  it("fits no other members", () => assert.equal(stamps.fits(promise({ members: Buffer.alloc(48, 2) }), 2), false));
  it("fits only the key that made it", () => {
    assert.equal(new SyncStamps(Buffer.alloc(32, 6)).fits(promise(), 2), false);
  });
  it("may be altered in no bit", () => {
    for (let bit = 0; bit < 256; bit++) {
      const stamp = stamps.make(6, 2, members);
      stamp[bit >> 3] = (stamp[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(stamps.fits(promise({ stamp }), 2), false, `bit ${bit}`);
    }
  });
});
