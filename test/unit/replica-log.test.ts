import assert from "node:assert/strict";
import { snapshotPolicy } from "../../ts/upstream/replica-log.js";
import { VOTES_KEPT } from "../../ts/upstream/vote-ring.js";
import type { LinkMessageOf } from "../../ts/wire/link.js";
import {
  type Answer,
  Bench,
  batchAfter,
  chain,
  countingStates,
  type DecodedVote,
  type Entry,
  founders,
  genesisDigest,
  incarnationOf,
  members,
} from "../support/replica-kit.js";

const { everyBatches, keepBatches } = snapshotPolicy;

function vote(answer: Answer | null): DecodedVote {
  assert.equal(answer?.type, "vote");
  return answer;
}

function behind(answer: Answer | null): LinkMessageOf<"behind"> {
  assert.equal(answer?.type, "behind");
  return answer;
}

function extend(epoch: number, after: Entry | null, entries: readonly Entry[]): LinkMessageOf<"extend"> {
  const afterDigest = after?.digest ?? genesisDigest;
  return {
    type: "extend",
    epoch,
    after: after?.position ?? 0,
    afterDigest,
    batches: entries.map(({ batch }) => batch),
  };
}

describe("replica: appends (rules 4, 5, 16)", () => {
  it("votes with epoch, incarnation, both digests, its clock and the results", () => {
    const bench = new Bench({ upstream: 3 }).active();
    const entry = batchAfter(null, { epoch: 1 });
    const given = vote(bench.append(entry));
    assert.equal(given.epoch, 1);
    assert.equal(given.position, 1);
    assert.equal(given.upstream, 3);
    assert.equal(given.clockMs, bench.clockMs);
    assert.deepEqual(given.incarnation, incarnationOf(3));
    assert.deepEqual(given.digest, entry.digest);
    assert.deepEqual(given.stateDigest, bench.replica.state.stateDigest);
    assert.equal(given.results.length, 128 + "at 1".length);
  });

  it("gives the same results again for a repeated append, with the clock of now", () => {
    const entries = chain(null, 5, { epoch: 1 });
    const bench = new Bench().active();
    const first = entries.map((entry) => vote(bench.append(entry)));
    bench.clockMs += 777;
    entries.forEach((entry, i) => {
      assert.deepEqual(vote(bench.append(entry)), { ...first[i], clockMs: bench.clockMs });
    });
    assert.equal(bench.replica.position, 5);
    assert.deepEqual([bench.replica.counters().appends, bench.replica.counters().repeated], [5, 5]);
  });

  it("gives them again after a restart", () => {
    const entries = chain(null, 5, { epoch: 1 });
    const bench = new Bench().active();
    const first = entries.map((entry) => vote(bench.append(entry)));
    bench.restart();
    entries.forEach((entry, i) => assert.deepEqual(vote(bench.append(entry)), first[i]));
  });

  it("acknowledges a position without results once it no longer keeps them", () => {
    const entries = chain(null, VOTES_KEPT + 3, { epoch: 1 });
    const bench = new Bench().active();
    const first = entries.map((entry) => vote(bench.append(entry)));
    assert.deepEqual(vote(bench.append(entries[2] as Entry)), { ...first[2], results: Buffer.alloc(0) });
    assert.deepEqual(vote(bench.append(entries[3] as Entry)), first[3]);
  });

  it("answers another batch at a known position with where it stands, and keeps its own", () => {
    const entries = chain(null, 3, { epoch: 1 });
    const bench = new Bench().active(entries);
    const other = batchAfter(entries[0] as Entry, { epoch: 1, salt: 2 });
    const answer = behind(bench.append(other));
    assert.equal(answer.position, 3);
    assert.deepEqual(answer.digest, entries[2]?.digest);
  });

  it("answers a gap with where it stands", () => {
    const entries = chain(null, 3, { epoch: 1 });
    const bench = new Bench().active(entries.slice(0, 1));
    assert.equal(behind(bench.append(entries[2] as Entry)).position, 1);
    assert.equal(vote(bench.append(entries[1] as Entry)).position, 2);
    assert.equal(vote(bench.append(entries[2] as Entry)).position, 3);
  });

  it("does not take the next position behind another log", () => {
    const bench = new Bench().active(chain(null, 2, { epoch: 1 }));
    const foreign = chain(null, 3, { epoch: 1, salt: 5 });
    assert.equal(behind(bench.append(foreign[2] as Entry)).position, 2);
  });
});

describe("replica: adopting a chosen log (rules 3 and 8)", () => {
  const old = chain(null, 3, { epoch: 1 });
  const tail = chain(old[2] as Entry, 3, { epoch: 1, salt: 8 });
  const chosen = chain(old[2] as Entry, 4, { epoch: 3 });

  function promised(): Bench {
    const bench = new Bench().active([...old, ...tail]);
    bench.expect({ type: "prepare", epoch: 5, ask: 1 }, "promise");
    return bench;
  }

  it("probes its digests, also at 0 and beyond its end", () => {
    const bench = promised();
    const at = (position: number) => bench.expect({ type: "probe", epoch: 5, position }, "probed");
    assert.deepEqual([at(2).known, at(2).digest], [1, old[1]?.digest]);
    assert.deepEqual([at(0).known, at(0).digest], [1, genesisDigest]);
    assert.deepEqual([at(7).known, at(7).digest], [0, Buffer.alloc(32)]);
  });

  it("cuts a conflicting tail, takes what is missing, and stamps the epoch with Sync", () => {
    const bench = promised();
    const answer = bench.expect(extend(5, old[2] as Entry, chosen), "extended");
    assert.deepEqual([answer.position, answer.digest], [7, chosen[3]?.digest]);
    assert.equal(bench.replica.meta().logEpoch, 1);
    const synced = bench.sync(5, chosen[3] as Entry);
    assert.deepEqual(synced.incarnation, incarnationOf(1));
    assert.equal(bench.replica.meta().logEpoch, 5);
    const whole = new Bench().active();
    whole.expect({ type: "prepare", epoch: 5, ask: 1 }, "promise");
    whole.expect(extend(5, null, [...old, ...chosen]), "extended");
    assert.deepEqual(bench.replica.state.stateDigest, whole.replica.state.stateDigest);
    assert.deepEqual(vote(bench.append(batchAfter(chosen[3] as Entry, { epoch: 5 }))).position, 8);
  });

  it("drops what lies behind the end of the chosen log only with Sync", () => {
    const bench = promised();
    bench.expect(extend(5, old[0] as Entry, old.slice(1)), "extended");
    assert.equal(bench.replica.position, 6);
    bench.sync(5, old[2] as Entry);
    assert.equal(bench.replica.position, 3);
    assert.deepEqual(bench.replica.digest, old[2]?.digest);
    assert.deepEqual(bench.replica.state.position, 3);
  });

  it("keeps a carried tail when the leader dies in the middle of the transfer", () => {
    const log = [...old, ...tail];
    const bench = promised();
    // The leader begins further back than the logs differ, as a probing leader may, and sends one burst only.
    const answer = bench.expect(extend(5, null, log.slice(0, 2)), "extended");
    assert.deepEqual([answer.position, answer.digest], [2, log[1]?.digest]);
    bench.restart();
    const promise = bench.expect({ type: "prepare", epoch: 7, ask: 1 }, "promise");
    assert.deepEqual([promise.logEpoch, promise.position, promise.digest], [1, 6, tail[2]?.digest]);
  });

  it("says where it stands when the starting point is not in its log, and repeats an extension without harm", () => {
    const bench = promised();
    const digest = Buffer.alloc(32, 1);
    behind(bench.send({ type: "extend", epoch: 5, after: 2, afterDigest: digest, batches: [] }));
    behind(bench.send({ type: "extend", epoch: 5, after: 9, afterDigest: digest, batches: [] }));
    bench.expect(extend(5, old[2] as Entry, chosen), "extended");
    const again = bench.expect(extend(5, old[2] as Entry, chosen.slice(0, 2)), "extended");
    assert.equal(again.position, 5);
    assert.equal(bench.replica.position, 7);
  });

  it("takes none of an extension whose batches do not follow each other, or come from a later epoch", () => {
    const bench = promised();
    assert.equal(bench.send(extend(5, old[2] as Entry, [chosen[0] as Entry, chosen[2] as Entry])), null);
    assert.equal(bench.send(extend(5, old[2] as Entry, chain(old[2] as Entry, 2, { epoch: 6 }))), null);
    const broken = { ...(chosen[0] as Entry), batch: Buffer.alloc(300) };
    assert.equal(bench.send(extend(5, old[2] as Entry, [broken])), null);
    assert.equal(bench.replica.counters().malformed, 3);
    assert.deepEqual(bench.replica.digest, tail[2]?.digest);
  });

  it("does not sync to a point that is not in its log", () => {
    const bench = promised();
    const sync = { type: "sync", stamp: Buffer.alloc(32), epoch: 5, members: founders } as const;
    behind(bench.send({ ...sync, position: 7, digest: chosen[3]?.digest as Buffer }));
    behind(bench.send({ ...sync, position: 4, digest: chosen[0]?.digest as Buffer }));
    assert.equal(bench.replica.meta().logEpoch, 1);
  });

  it("does not cut appends when a Sync of the same epoch comes again", () => {
    const bench = promised();
    bench.sync(5, tail[2] as Entry);
    const next = batchAfter(tail[2] as Entry, { epoch: 5 });
    vote(bench.append(next));
    bench.sync(5, tail[2] as Entry);
    assert.equal(bench.replica.position, 7);
    behind(bench.send(extend(5, tail[2] as Entry, [batchAfter(tail[2] as Entry, { epoch: 5, salt: 3 })])));
    assert.deepEqual(bench.replica.digest, next.digest);
  });

  it("installs the members with Sync", () => {
    const bench = promised();
    const changed = members(incarnationOf(1), incarnationOf(2, 1), incarnationOf(3));
    bench.sync(5, tail[2] as Entry, changed);
    bench.restart();
    assert.deepEqual(Buffer.from(bench.expect({ type: "prepare", epoch: 6, ask: 1 }, "promise").members), changed);
  });
});

describe("replica: snapshots", () => {
  const epoch = 1;

  function filled(count: number): { bench: Bench; entries: Entry[] } {
    const entries: Entry[] = [];
    const bench = new Bench().active();
    for (let i = 0; i < count; i++) {
      const entry = batchAfter(entries.at(-1) ?? null, { epoch, carried: i });
      entries.push(entry);
      vote(bench.append(entry));
    }
    return { bench, entries };
  }

  it("writes one after so many batches, once its position was carried, and keeps the batches before it", () => {
    const { bench, entries } = filled(everyBatches);
    assert.equal(bench.store.snapshotInfo(), null);
    const next = batchAfter(entries.at(-1) as Entry, { epoch, carried: everyBatches - 1 });
    vote(bench.append(next));
    assert.equal(bench.store.snapshotInfo(), null, "its position is not known to be carried");
    vote(bench.append(batchAfter(next, { epoch, carried: everyBatches })));
    assert.equal(bench.store.snapshotInfo()?.position, everyBatches);
    assert.equal(bench.store.firstPosition, everyBatches - keepBatches + 1);
    assert.equal(bench.store.lastPosition, everyBatches + 2);
    const digest = bench.replica.state.stateDigest;
    bench.restart();
    assert.deepEqual(bench.replica.state.stateDigest, digest);
    assert.equal(bench.replica.position, everyBatches + 2);
  });

  it("feeds a blank upstream by parts of a snapshot and batches, to the same state", () => {
    const { bench, entries } = filled(everyBatches);
    for (let i = 0; i < 5; i++) {
      const entry = batchAfter(entries.at(-1) as Entry, { epoch, carried: entries.length });
      entries.push(entry);
      vote(bench.append(entry));
    }
    bench.expect({ type: "prepare", epoch: 3, ask: 1 }, "promise");
    const blank = new Bench({ upstream: 2, life: 1 });
    let offset = 0;
    let after = 0;
    let parts = 0;
    for (;;) {
      const answer = bench.send({ type: "fetch", epoch: 3, after, offset, maxBytes: 100 });
      if (answer?.type === "snapshot") {
        parts++;
        const extended = blank.expect({ ...answer, type: "install", stateHash: Buffer.alloc(32) }, "extended");
        offset = extended.offset;
        if (offset === 0) after = extended.position;
        continue;
      }
      assert.equal(answer?.type, "entries");
      const { batches } = answer;
      if (batches.length === 0) break;
      const afterDigest = blank.replica.digest;
      after = blank.expect({ type: "extend", epoch: 3, after, afterDigest, batches }, "extended").position;
    }
    assert.ok(parts > 1);
    assert.equal(blank.store.snapshotInfo()?.position, everyBatches);
    assert.deepEqual(blank.replica.digest, bench.replica.digest);
    assert.deepEqual(blank.replica.state.stateDigest, bench.replica.state.stateDigest);
    const admitted = members(incarnationOf(1), incarnationOf(2, 1), incarnationOf(3));
    blank.sync(3, entries.at(-1) as Entry, admitted);
    blank.restart();
    assert.deepEqual(blank.replica.state.stateDigest, bench.replica.state.stateDigest);
  });

  describe("taken in by parts", () => {
    const entries = chain(null, 12, { epoch });
    const end = entries[11] as Entry;
    const donor = new Bench().active(entries);
    const bytes = Buffer.from(donor.replica.state.snapshot());
    const half = bytes.length >> 1;
    const whole = {
      type: "install",
      epoch: 4,
      position: 12,
      digest: end.digest,
      stateHash: Buffer.alloc(32),
      totalBytes: bytes.length,
    } as const;
    const part = (from: number, to: number) => ({ ...whole, offset: from, bytes: bytes.subarray(from, to) });

    it("says how much has arrived, and takes a repeated part as arrived", () => {
      const bench = new Bench();
      assert.equal(bench.expect(part(0, half), "extended").offset, half);
      assert.equal(bench.expect(part(0, half), "extended").offset, half);
      assert.equal(bench.expect(part(half, bytes.length), "extended").offset, 0);
      assert.equal(bench.replica.position, 12);
      assert.equal(bench.expect(part(half, bytes.length), "extended").position, 12);
    });

    it("starts again after a gap, a restart or another snapshot in between", () => {
      const bench = new Bench();
      behind(bench.send(part(half, bytes.length)));
      bench.expect(part(0, half), "extended");
      behind(bench.send(part(half + 1, bytes.length)));
      bench.expect(part(0, half), "extended");
      bench.restart();
      behind(bench.send(part(half, bytes.length)));
      bench.expect(part(0, half), "extended");
      behind(bench.send({ ...part(half, bytes.length), digest: Buffer.alloc(32, 3) }));
      assert.equal(bench.replica.position, 0);
    });

    it("takes nothing in that is not the state of that position", () => {
      const bench = new Bench();
      assert.equal(bench.send({ ...part(0, bytes.length), position: 11 }), null);
      assert.equal(bench.replica.counters().malformed, 1);
      behind(bench.send({ ...whole, totalBytes: 10, offset: 0, bytes }));
      assert.equal(bench.replica.position, 0);
    });

    it("needs none when its log has that position", () => {
      const bench = new Bench().active(entries);
      bench.expect({ type: "prepare", epoch: 4, ask: 1 }, "promise");
      const answer = bench.expect(part(0, half), "extended");
      assert.deepEqual([answer.position, answer.offset], [12, 0]);
      assert.equal(bench.store.snapshotInfo(), null);
    });
  });

  it("is not replaced by an older one, and no cut goes behind it", () => {
    const entries = chain(null, 6, { epoch });
    const donor = new Bench().active(entries.slice(0, 4));
    const bench = new Bench().active(entries);
    bench.store.writeSnapshot(6, entries[5]?.digest as Buffer, bench.replica.state.snapshot(), 6);
    bench.restart();
    bench.expect({ type: "prepare", epoch: 4, ask: 1 }, "promise");
    const bytes = Buffer.from(donor.replica.state.snapshot());
    const digest = entries[3]?.digest as Buffer;
    const totalBytes = bytes.length;
    behind(
      bench.send({
        type: "install",
        epoch: 4,
        position: 4,
        digest,
        stateHash: Buffer.alloc(32),
        totalBytes,
        offset: 0,
        bytes,
      }),
    );
    behind(
      bench.send({
        type: "sync",
        stamp: Buffer.alloc(32),
        epoch: 4,
        members: founders,
        position: 0,
        digest: genesisDigest,
      }),
    );
    behind(bench.send(extend(4, null, chain(null, 2, { epoch: 2 }))));
    assert.equal(bench.replica.position, 6);
  });

  it("is refused at start when it cannot be read, without being taken for damage", () => {
    const bench = new Bench().active(chain(null, 2, { epoch }));
    bench.store.writeSnapshot(2, bench.replica.digest, bench.replica.state.snapshot(), 2);
    const states = { ...countingStates, restore: () => countingStates.create() };
    assert.throws(() => new Bench({ store: bench.store.crash(), states }), { code: "ERR_TMR_STORE" });
  });
});
