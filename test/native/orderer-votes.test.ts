/** From a batch to its answers: what two of three votes carry, and what happens when they do not agree. */
import assert from "node:assert/strict";
import { appendOf } from "../../ts/wire/append.js";
import { BatchField, isWellFormedBatch, readBatchHeader } from "../../ts/wire/batch.js";
import { Kind } from "../../ts/wire/kinds.js";
import { batchMac, genesis, incarnationOf, markProof, Plant, requestsIn, sha256 } from "../support/ordering-kit.js";

describe("the orderer's batches", () => {
  it("are well-formed, chained, MACed, and the same for every upstream", () => {
    const plant = new Plant();
    const client = plant.client();
    let digest: Buffer = genesis;
    for (let position = 1; position <= 3; position++) {
      plant.ask(client, { request: position, blob: Buffer.from(`blob ${position}`) }, { request: position + 10 });
      assert.equal(plant.order(), 2);
      const messages = [1, 2, 3].map((upstream) => plant.appends(upstream));
      const batch = plant.batch(position);
      for (const message of messages) assert.deepEqual(message, [appendOf(batch)]);
      assert.ok(isWellFormedBatch(batch));
      const { count, blobBytes, ...header } = readBatchHeader(batch);
      const times = { logMs: position, calendarMs: 1_700_000_000_000 + position };
      assert.deepEqual(header, { reached: 7, epoch: 4, position, carried: 0, ...times });
      assert.deepEqual({ count, blobBytes }, { count: 2, blobBytes: 6 });
      assert.deepEqual(batch.subarray(BatchField.previous, BatchField.mac), digest);
      assert.deepEqual(batch.subarray(BatchField.mac, BatchField.carried), batchMac(batch));
      digest = sha256(digest, batch);
    }
  });

  it("say how far they are carried and what each upstream has acknowledged", () => {
    const plant = new Plant();
    const client = plant.client();
    for (let request = 1; request <= 2; request++) {
      plant.ask(client, { request });
      plant.order();
    }
    plant.answer(1);
    const [first] = plant.hold(2);
    plant.vote(2, first as Buffer);
    plant.ask(client, { request: 3 });
    plant.order();
    const batch = plant.batch(3);
    assert.equal(readBatchHeader(batch).carried, 1);
    const acknowledged = [0, 8, 16].map((at) => Number(batch.readBigUInt64LE(BatchField.acknowledged + at)));
    assert.deepEqual(acknowledged, [2, 1, 0]);
    assert.deepEqual(
      [1, 2, 3].map((upstream) => plant.orderer.acknowledged(upstream)),
      [2, 1, 0],
    );
  });

  it("name only the upstreams that are streamed to", () => {
    const plant = new Plant({ streamed: [1, 3] });
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    assert.equal(plant.orderer.reached, 0b101);
    assert.equal(readBatchHeader(plant.batch(1)).reached, 0b101);
    assert.equal(plant.appends(2).length, 0);
  });
});

describe("a batch", () => {
  for (const [first, second] of [
    [1, 2],
    [2, 1],
    [1, 3],
    [3, 1],
    [2, 3],
    [3, 2],
  ] as const) {
    it(`is carried by upstreams ${first} and ${second}, in this order, without the other`, () => {
      const plant = new Plant();
      const client = plant.client();
      plant.ask(client, { request: 7, blob: Buffer.from("hello") });
      plant.order();
      plant.answer(first);
      assert.deepEqual(plant.heard(client), []);
      assert.equal(plant.orderer.carried, 0);
      plant.answer(second);
      const [answer, ...rest] = plant.answers(client);
      assert.deepEqual(rest, []);
      assert.equal(answer?.blob.toString(), "re:hello");
      assert.equal(answer?.mark, 1);
      assert.deepEqual(answer?.markProof, markProof(1));
      assert.equal(plant.orderer.carried, 1);
      assert.deepEqual(plant.orderer.carriedDigest(), plant.upstream(first).digest);
      assert.deepEqual(plant.events(), []);
    });
  }

  it("is answered once: the third vote, in time or late, changes nothing", () => {
    const plant = new Plant();
    const client = plant.client();
    for (let request = 1; request <= 3; request++) {
      plant.ask(client, { request });
      plant.order();
      plant.answer(1);
      plant.answer(2);
    }
    plant.answer(3);
    assert.deepEqual(plant.heard(client), ["1 ok", "2 ok", "3 ok"]);
    assert.deepEqual(plant.events(), []);
    assert.equal(plant.orderer.acknowledged(3), 3);
  });

  it("is carried only after the one before it", () => {
    const plant = new Plant({ streamed: [1, 2] });
    const client = plant.client();
    for (let request = 1; request <= 2; request++) {
      plant.ask(client, { request });
      plant.order();
    }
    plant.answer(1);
    const [first, second] = plant.hold(2) as [Buffer, Buffer];
    plant.vote(2, first);
    assert.deepEqual(plant.heard(client), ["1 ok"]);
    plant.vote(2, second);
    assert.deepEqual(plant.heard(client), ["2 ok"]);
  });

  it("is carried by a vote for a later one, and what it answered is asked again", () => {
    const plant = new Plant({ streamed: [1, 2] });
    const client = plant.client();
    for (let request = 1; request <= 2; request++) {
      plant.ask(client, { request });
      plant.order();
    }
    plant.answer(1);
    const [, second] = plant.hold(2) as [Buffer, Buffer];
    plant.vote(2, second);
    assert.equal(plant.orderer.carried, 2);
    assert.deepEqual(plant.heard(client), ["2 ok"]);
    assert.equal(plant.orderer.pending, 1);
    plant.order();
    plant.answer(1);
    plant.answer(2);
    const [answer] = plant.answers(client);
    assert.deepEqual([answer?.request, answer?.mark], [1, 3]);
  });

  it("needs equal results, not equal places of their blobs", () => {
    const plant = new Plant({ streamed: [1, 2] });
    const client = plant.client();
    plant.ask(client, { request: 1, blob: Buffer.from("a") }, { request: 2, blob: Buffer.from("b") });
    plant.order();
    plant.answer(1);
    plant.answer(2, { blobPadding: 5 });
    assert.deepEqual(
      plant.answers(client).map(({ blob }) => blob.toString()),
      ["re:a", "re:b"],
    );
  });
});

describe("votes that do not count", () => {
  const stale = [
    { name: "of another epoch", twist: { epoch: 3 } },
    { name: "of an incarnation that is not the member", twist: { incarnation: Buffer.alloc(16, 0x77) } },
    { name: "of another upstream's incarnation", twist: { incarnation: incarnationOf(1) } },
  ] as const;
  for (const { name, twist } of stale) {
    it(`${name} are counted as stale and carry nothing`, () => {
      const plant = new Plant();
      const client = plant.client();
      plant.ask(client, { request: 1 });
      plant.order();
      plant.answer(1);
      plant.answer(2, twist);
      assert.equal(plant.orderer.carried, 0);
      assert.equal(plant.orderer.acknowledged(2), 0);
      assert.equal(plant.orderer.counters().staleVotes, 1);
      plant.answer(3);
      assert.equal(plant.orderer.carried, 1);
    });
  }

  it("from an upstream that is not streamed to are stale; those it gave before still count", () => {
    const plant = new Plant();
    const client = plant.client();
    for (let request = 1; request <= 2; request++) {
      plant.ask(client, { request });
      plant.order();
    }
    const [first, second] = plant.hold(1) as [Buffer, Buffer];
    plant.vote(1, first);
    plant.orderer.unstream(1);
    plant.vote(1, second);
    assert.equal(plant.orderer.counters().staleVotes, 1);
    plant.answer(2);
    assert.equal(plant.orderer.carried, 1);
    plant.answer(3);
    assert.equal(plant.orderer.carried, 2);
  });

  it("twice from one upstream are one vote", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    const [vote] = plant.hold(1) as [Buffer];
    plant.vote(1, vote);
    plant.vote(1, vote);
    assert.equal(plant.orderer.carried, 0);
  });

  it("of one upstream sent over the link of another are malformed", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    const [vote] = plant.hold(1) as [Buffer];
    assert.equal(plant.orderer.vote(2, vote), 2);
    assert.equal(plant.orderer.counters().malformedVotes, 1);
  });

  it("with another number of results than the batch has records are malformed", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 }, { request: 2 });
    plant.order();
    plant.ask(client, { request: 3 });
    plant.order();
    const [, second] = plant.hold(1) as [Buffer, Buffer];
    second.writeBigUInt64LE(1n, 16 + 8);
    assert.equal(plant.orderer.vote(1, second), 2);
    assert.equal(plant.orderer.carried, 0);
  });
});

describe("a vote without results", () => {
  it("carries the position; the requests are ordered again and answered from there", () => {
    const plant = new Plant({ streamed: [1, 2] });
    const client = plant.client();
    plant.ask(client, { request: 1 }, { request: 2, blob: Buffer.from("two") });
    plant.order();
    plant.answer(1);
    plant.answer(2, { withoutRecords: true });
    assert.equal(plant.orderer.carried, 1);
    assert.deepEqual(plant.heard(client), []);
    assert.equal(plant.orderer.pending, 2);
    plant.ask(client, { request: 3 });
    assert.equal(plant.order(), 3);
    assert.deepEqual(
      requestsIn(plant.batch(2)).map(({ request, blob }) => `${request}${blob}`),
      ["1", "2two", "3"],
    );
    plant.answer(1);
    plant.answer(2);
    assert.deepEqual(plant.heard(client), ["1 ok", "2 ok", "3 ok"]);
  });

  it("is completed by the same vote with results", () => {
    const plant = new Plant({ streamed: [1, 2] });
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    const [message] = plant.appends(1) as [Buffer];
    plant.vote(1, plant.upstream(1).append(message, { withoutRecords: true }));
    plant.vote(1, plant.upstream(1).append(message));
    plant.answer(2);
    assert.deepEqual(plant.heard(client), ["1 ok"]);
  });

  it("loses a proposal no more than a request", () => {
    const plant = new Plant({ streamed: [1, 2] });
    const record = Buffer.alloc(128);
    record[0] = Kind.expire;
    assert.ok(plant.orderer.propose(record, Buffer.from("p")));
    plant.order();
    plant.answer(1, { withoutRecords: true });
    plant.answer(2, { withoutRecords: true });
    assert.deepEqual(plant.events(), []);
    assert.equal(plant.order(), 1);
    plant.answer(1);
    plant.answer(2);
    assert.deepEqual(
      plant.events().map(({ type, position }) => `${type} ${position}`),
      ["proposed 2"],
    );
  });
});
