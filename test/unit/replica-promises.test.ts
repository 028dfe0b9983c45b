import assert from "node:assert/strict";
import { encodeLink, type LinkMessage } from "../../ts/wire/link.js";
import { MESSAGE_HEADER_BYTES } from "../../ts/wire/message.js";
import {
  appendOf,
  Bench,
  batchAfter,
  chain,
  founders,
  genesisDigest,
  incarnationOf,
  members,
  memoryStore,
} from "../support/replica-kit.js";

const stranger = incarnationOf(9);

describe("replica: promises (rules 1 and 8)", () => {
  it("promises a higher epoch once and for all, durably", () => {
    const bench = new Bench().active(chain(null, 3, { epoch: 1 }));
    const promise = bench.expect({ type: "prepare", epoch: 7, ask: 1 }, "promise");
    assert.equal(promise.epoch, 7);
    assert.equal(promise.logEpoch, 1);
    assert.equal(promise.position, 3);
    assert.equal(promise.logStart, 1);
    assert.equal(promise.logMs, 30);
    assert.equal(promise.clockMs, bench.clockMs);
    assert.deepEqual(promise.incarnation, incarnationOf(1));
    assert.deepEqual(promise.members, founders);
    bench.restart();
    assert.equal(bench.expect({ type: "prepare", epoch: 6, ask: 1 }, "refused").promised, 7);
    assert.equal(bench.expect({ type: "prepare", epoch: 7, ask: 1 }, "promise").epoch, 7);
  });

  it("accepts nothing of a lower epoch after a promise", () => {
    const [first, second] = chain(null, 2, { epoch: 1 });
    const bench = new Bench().active([first as never]);
    bench.expect({ type: "prepare", epoch: 4, ask: 1 }, "promise");
    const digest = first?.digest as Buffer;
    const late: LinkMessage[] = [
      { type: "prepare", epoch: 3, ask: 1 },
      { type: "found", epoch: 3, ask: 1, members: founders },
      { type: "probe", epoch: 3, position: 1 },
      { type: "fetch", epoch: 3, after: 0, offset: 0, maxBytes: 100 },
      { type: "extend", epoch: 3, after: 1, afterDigest: digest, batches: [] },
      {
        type: "install",
        epoch: 3,
        position: 9,
        digest,
        stateHash: Buffer.alloc(32),
        totalBytes: 1,
        offset: 0,
        bytes: Buffer.alloc(1),
      },
      { type: "sync", stamp: Buffer.alloc(32), epoch: 3, members: founders, position: 1, digest },
    ];
    for (const message of late) assert.equal(bench.expect(message, "refused").promised, 4, message.type);
    assert.equal(bench.append(second as never)?.type, "refused");
    assert.equal(bench.replica.position, 1);
  });

  it("does not take an append of a promised epoch before that epoch's Sync", () => {
    const [first, second] = chain(null, 2, { epoch: 1 });
    const bench = new Bench().active([first as never]);
    bench.expect({ type: "prepare", epoch: 4, ask: 1 }, "promise");
    const answer = bench.append(batchAfter(first as never, { epoch: 4 }));
    assert.equal(answer?.type, "behind");
    assert.equal(answer?.type === "behind" && answer.logEpoch, 1);
    assert.equal(bench.replica.position, 1);
    assert.notEqual(second, undefined);
  });

  it("says nothing to messages of an epoch that it never promised", () => {
    const bench = new Bench().active();
    assert.equal(
      bench.send({
        type: "sync",
        stamp: Buffer.alloc(32),
        epoch: 9,
        members: founders,
        position: 0,
        digest: genesisDigest,
      }),
      null,
    );
    assert.equal(bench.append(batchAfter(null, { epoch: 9 })), null);
    assert.equal(bench.replica.counters().unexpected, 2);
    assert.equal(bench.replica.meta().promised, 1);
  });

  it("neither promises nor votes while blank", () => {
    const bench = new Bench();
    const blank = bench.expect({ type: "prepare", epoch: 5, ask: 1 }, "blank");
    assert.deepEqual(blank.incarnation, incarnationOf(1));
    assert.equal(bench.replica.meta().promised, 0);
    assert.equal(bench.append(batchAfter(null, { epoch: 5 }))?.type, "blank");
    assert.equal(bench.send({ type: "fetch", epoch: 5, after: 0, offset: 0, maxBytes: 1 })?.type, "blank");
    assert.equal(bench.expect({ type: "ping", epoch: 5 }, "pong").blank, 1);
    assert.equal(bench.replica.position, 0);
  });

  it("stays blank when filled under members that do not name it, and is admitted by members that do", () => {
    const bench = new Bench({ life: 1 });
    const entries = chain(null, 3, { epoch: 1 });
    const end = entries[2];
    const batches = entries.map((entry) => entry.batch);
    bench.expect({ type: "extend", epoch: 6, after: 0, afterDigest: genesisDigest, batches }, "extended");
    const sync = {
      type: "sync",
      stamp: Buffer.alloc(32),
      epoch: 6,
      position: 3,
      digest: end?.digest as Buffer,
    } as const;
    bench.expect({ ...sync, members: founders }, "blank");
    assert.equal(bench.expect({ type: "prepare", epoch: 8, ask: 1 }, "blank").epoch, 8);
    assert.equal(bench.replica.meta().blank, true);
    const admitted = members(incarnationOf(1, 1), incarnationOf(2), incarnationOf(3));
    bench.expect({ ...sync, epoch: 8, members: admitted }, "synced");
    const meta = bench.replica.meta();
    assert.deepEqual([meta.blank, meta.promised, meta.logEpoch], [false, 8, 8]);
    assert.deepEqual(Buffer.from(meta.members), admitted);
    assert.equal(bench.append(batchAfter(end ?? null, { epoch: 8 }))?.type, "vote");
  });

  it("keeps a blank store to the newest leader that fills it", () => {
    const bench = new Bench();
    const [first] = chain(null, 1, { epoch: 1 });
    bench.expect({ type: "probe", epoch: 8, position: 0 }, "probed");
    const extend = { type: "extend", after: 0, afterDigest: genesisDigest, batches: [first?.batch as Buffer] } as const;
    assert.equal(bench.expect({ ...extend, epoch: 6 }, "refused").promised, 8);
    bench.expect({ ...extend, epoch: 8 }, "extended");
  });

  it("refuses to sync a store whose place was given to another incarnation", () => {
    const bench = new Bench().active();
    bench.expect({ type: "prepare", epoch: 5, ask: 1 }, "promise");
    const replaced = members(stranger, incarnationOf(2), incarnationOf(3));
    bench.expect(
      { type: "sync", stamp: Buffer.alloc(32), epoch: 5, members: replaced, position: 0, digest: genesisDigest },
      "blank",
    );
    assert.equal(bench.replica.meta().logEpoch, 1);
  });
});

describe("replica: founding (rule 8)", () => {
  it("becomes a member when its own incarnation stands at its place", () => {
    const bench = new Bench({ upstream: 2 });
    const promise = bench.expect({ type: "found", epoch: 3, ask: 1, members: founders }, "promise");
    assert.deepEqual([promise.logEpoch, promise.position], [0, 0]);
    assert.deepEqual(promise.digest, genesisDigest);
    assert.deepEqual(promise.members, founders);
    const meta = bench.replica.meta();
    assert.deepEqual([meta.blank, meta.promised, meta.logEpoch], [false, 3, 0]);
  });

  it("stays blank under members that name another incarnation for it", () => {
    const bench = new Bench({ upstream: 2 });
    const wrong = members(incarnationOf(1), incarnationOf(3), incarnationOf(2));
    bench.expect({ type: "found", epoch: 3, ask: 1, members: wrong }, "blank");
    assert.equal(bench.replica.meta().promised, 0);
  });

  it("goes on with an interrupted founding: the same members under a later epoch are a promise", () => {
    const bench = new Bench().found(3);
    bench.restart();
    assert.equal(bench.expect({ type: "found", epoch: 3, ask: 1, members: founders }, "promise").epoch, 3);
    assert.equal(bench.expect({ type: "found", epoch: 8, ask: 1, members: founders }, "promise").epoch, 8);
    assert.equal(bench.expect({ type: "found", epoch: 5, ask: 1, members: founders }, "refused").promised, 8);
    assert.deepEqual(bench.sync(8, null).digest, genesisDigest);
  });

  it("says nothing to a founding with other members once it is founded", () => {
    const bench = new Bench().found(3);
    const other = members(incarnationOf(1), stranger, incarnationOf(3));
    assert.equal(bench.send({ type: "found", epoch: 9, ask: 1, members: other }), null);
    assert.equal(bench.replica.meta().promised, 3);
  });

  it("is not founded anew with a log that a leader began to refill", () => {
    const bench = new Bench();
    const [first] = chain(null, 1, { epoch: 1 });
    const batches = [first?.batch as Buffer];
    bench.expect({ type: "extend", epoch: 4, after: 0, afterDigest: genesisDigest, batches }, "extended");
    bench.expect({ type: "found", epoch: 9, ask: 1, members: founders }, "blank");
    assert.equal(bench.replica.meta().blank, true);
  });
});

describe("replica: pings", () => {
  it("tells how long the leader of the promised epoch has been silent and whether its link is open", () => {
    const bench = new Bench();
    const observe = () => {
      const pong = bench.expect({ type: "ping", epoch: 0 }, "pong");
      return [pong.promised, pong.silentMs, pong.leaderConnected];
    };
    assert.deepEqual(observe(), [0, 0xffff_ffff, 0]);
    bench.found(3);
    bench.nowMs += 250;
    assert.deepEqual(observe(), [3, 250, 1]);
    bench.expect({ type: "ping", epoch: 3 }, "pong");
    assert.deepEqual(observe(), [3, 0, 1]);
    bench.send({ type: "ping", epoch: 2 });
    bench.nowMs += 40;
    assert.deepEqual(observe(), [3, 40, 1]);
    bench.replica.disconnected(1);
    assert.deepEqual(observe(), [3, 40, 0]);
    bench.restart();
    assert.deepEqual(observe(), [3, 0xffff_ffff, 0]);
  });

  it("counts only the link that speaks for the promised epoch as the leader's", () => {
    const bench = new Bench().found(3);
    bench.replica.connected(2);
    bench.send({ type: "prepare", epoch: 6, ask: 1 }, 2);
    bench.replica.disconnected(2);
    assert.equal(bench.expect({ type: "ping", epoch: 0 }, "pong").leaderConnected, 0);
  });
});

describe("replica: bytes that are no message", () => {
  it("answers nothing and counts, for every truncation and every flipped bit of an append", () => {
    const [first, second] = chain(null, 2, { epoch: 1 });
    const bench = new Bench().active([first as never]);
    const message = appendOf(second as never);
    for (let length = 0; length < message.length; length++) {
      assert.deepEqual(bench.raw(message.subarray(0, length)), []);
    }
    assert.equal(bench.replica.counters().malformed, message.length);
    for (let bit = 0; bit < message.length * 8; bit++) {
      const flipped = Buffer.from(message);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const fresh = new Bench({ store: memoryStore(1) }).active([first as never]);
      for (const answer of fresh.raw(flipped)) {
        // A flipped bit inside a record is another request: only the MAC and the vote can tell. Here it must not break.
        assert.ok(["vote", "behind", "refused"].includes(answer.type), answer.type);
      }
    }
  });

  it("answers nothing to garbage and to the messages of other servers", () => {
    const bench = new Bench().active();
    assert.deepEqual(bench.raw(Buffer.alloc(0)), []);
    assert.deepEqual(bench.raw(Buffer.alloc(5000, 0xa5)), []);
    assert.deepEqual(bench.raw(Buffer.alloc(MESSAGE_HEADER_BYTES)), []);
    assert.equal(bench.replica.counters().malformed, 3);
    assert.deepEqual(bench.raw(encodeLink({ type: "holding", statement: Buffer.alloc(3) })), []);
    assert.equal(bench.replica.counters().unexpected, 1);
  });
});
