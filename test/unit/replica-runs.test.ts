import assert from "node:assert/strict";
import * as fc from "fast-check";
import { Inbox } from "../../ts/upstream/inbox.js";
import { encodeLink } from "../../ts/wire/link.js";
import { MessageField } from "../../ts/wire/message.js";
import { appendOf, Bench, batchAfter, chain, decodeVote } from "../support/replica-kit.js";
import { seeded } from "../support/seeded.js";

const NOW = 1000;
const CLOCK = 1_700_000_000_000;

describe("replica: appends that wait together (rules 4, 5)", () => {
  it("are made durable by one write and voted for one by one, in order", () => {
    const bench = new Bench().active();
    const entries = chain(null, 5, { epoch: 1 });
    const { writes } = bench.store;
    const votes = bench.replica.receiveAll(entries.map(appendOf), 1, NOW, CLOCK).map(decodeVote);
    assert.equal(bench.store.writes, writes + 1);
    assert.deepEqual(
      votes.map(({ position, digest, clockMs }) => ({ position, digest, clockMs })),
      entries.map(({ position, digest }) => ({ position, digest, clockMs: CLOCK })),
    );
    const { appends, appendWrites } = bench.replica.counters();
    assert.deepEqual([appends, appendWrites], [5, 1]);
  });

  it("are not voted for when the write failed, not even the first", () => {
    let failing = false;
    const bench = new Bench({ fault: () => (failing ? "before" : null) }).active();
    failing = true;
    const entries = chain(null, 3, { epoch: 1 });
    assert.throws(() => bench.replica.receiveAll(entries.map(appendOf), 1, NOW, CLOCK), {
      code: "ERR_TMR_STORE_WRITE",
    });
    bench.restart();
    assert.equal(bench.replica.position, 0);
  });

  it("are durable before a message between them is answered", () => {
    const bench = new Bench().active();
    const [first, second] = chain(null, 2, { epoch: 1 });
    assert.ok(first !== undefined && second !== undefined);
    const ping = encodeLink({ type: "ping", epoch: 1 });
    const { writes } = bench.store;
    const replies = bench.replica.receiveAll([appendOf(first), ping, appendOf(second)], 1, NOW, CLOCK);
    const alone = new Bench().active();
    assert.deepEqual(
      replies,
      [appendOf(first), ping, appendOf(second)].flatMap((message) => alone.replica.receive(message, 1, NOW, CLOCK)),
    );
    assert.equal(bench.store.writes, writes + 2);
  });

  it("are answered as if each had come alone, whatever is among them", () => {
    const long = chain(null, 12, { epoch: 1 });
    const other = batchAfter(long[3] ?? null, { epoch: 1, salt: 9 });
    const stale = batchAfter(long[5] ?? null, { epoch: 0 });
    const messages = [
      ...long.map(appendOf),
      appendOf(other),
      appendOf(stale),
      encodeLink({ type: "ping", epoch: 1 }),
      encodeLink({ type: "ping", epoch: 0 }),
      encodeLink({ type: "probe", epoch: 1, position: 2 }),
      encodeLink({ type: "prepare", epoch: 1, ask: 1 }),
      encodeLink({ type: "prepare", epoch: 2, ask: 1 }),
      Buffer.from("no message"),
    ];
    // Mostly the next batch, so that runs come about; else anything at all.
    const choice = fc.oneof(
      { weight: 4, arbitrary: fc.constant(-1) },
      { weight: 1, arbitrary: fc.nat({ max: messages.length - 1 }) },
    );
    fc.assert(
      fc.property(fc.array(fc.array(choice, { maxLength: 8 }), { maxLength: 6 }), (turns) => {
        const together = new Bench().active();
        const alone = new Bench().active();
        for (const turn of turns) {
          let next = together.replica.position;
          const asked = turn.map((index) => messages[index === -1 ? Math.min(next++, 11) : index] as Buffer);
          assert.deepEqual(
            together.replica.receiveAll(asked, 1, NOW, CLOCK),
            asked.flatMap((message) => alone.replica.receive(message, 1, NOW, CLOCK)),
          );
        }
        const { appendWrites: _t, ...counted } = together.replica.counters();
        const { appendWrites: _a, ...expected } = alone.replica.counters();
        assert.deepEqual(counted, expected);
        assert.ok(together.store.writes <= alone.store.writes);
        assert.deepEqual(together.replica.digest, alone.replica.digest);
      }),
      seeded(300),
    );
  });

  it("give a repeat the same vote as the first time", () => {
    const bench = new Bench().active();
    const entries = chain(null, 3, { epoch: 1 });
    const votes = bench.replica.receiveAll(entries.map(appendOf), 1, NOW, CLOCK);
    assert.deepEqual(bench.replica.receiveAll(entries.map(appendOf), 1, NOW, CLOCK), votes);
    assert.ok(votes.every((vote) => vote[MessageField.type] === 32));
  });
});

describe("the inbox of an upstream", () => {
  it("keeps the order of links and messages, and says when taking has to be planned", () => {
    const inbox = new Inbox<number>();
    const put = (link: number, name: string) => inbox.put(link, Buffer.from(name));
    assert.deepEqual([put(1, "a"), put(1, "b"), put(2, "c"), put(1, "d")], [true, false, false, false]);
    assert.deepEqual(
      inbox.take().map(({ link, messages }) => [link, messages.map(String)]),
      [
        [1, ["a", "b"]],
        [2, ["c"]],
        [1, ["d"]],
      ],
    );
    assert.deepEqual(inbox.take(), []);
    assert.equal(put(2, "e"), true);
  });
});
