/** Which batches an upstream is sent, and again when it did not answer; and what an epoch's end does to requests. */
import assert from "node:assert/strict";
import { appendOf, batchOfAppend } from "../../ts/wire/append.js";
import { readBatchHeader } from "../../ts/wire/batch.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { REQUEST_BYTES, writeRequest } from "../../ts/wire/request.js";
import { genesis, incarnationOf, markProof, members, Plant, requestsIn } from "../support/ordering-kit.js";

function positionsOf(messages: readonly Buffer[]): number[] {
  return messages.map((message) => readBatchHeader(batchOfAppend(message) as Buffer).position);
}

/** Orders `count` batches of one request each; the upstreams named answer each at once. */
function advance(plant: Plant, client: number, count: number, answering: readonly number[] = []): void {
  for (let i = 0; i < count; i++) {
    plant.ask(client, { request: plant.orderer.position + 1 });
    assert.equal(plant.order(), 1);
    for (const upstream of answering) plant.answer(upstream);
  }
}

describe("streaming to an upstream", () => {
  it("gives it each batch once, in order", () => {
    const plant = new Plant();
    const client = plant.client();
    advance(plant, client, 2);
    assert.deepEqual(positionsOf(plant.appends(1)), [1, 2]);
    advance(plant, client, 1);
    assert.deepEqual(positionsOf(plant.appends(1)), [3]);
    assert.deepEqual(positionsOf(plant.appends(1)), []);
  });

  it("goes on from where it was unstreamed, from memory", () => {
    const plant = new Plant();
    const client = plant.client();
    advance(plant, client, 1, [1, 2, 3]);
    plant.orderer.unstream(3);
    advance(plant, client, 3, [1, 2]);
    assert.equal(plant.orderer.stream(3, 1), true);
    assert.deepEqual(positionsOf(plant.appends(3)), [2, 3, 4]);
  });

  it("is refused before what is retained, before the activation, and after the newest batch", () => {
    const plant = new Plant({ limits: { maxBatchesInFlight: 2, retainedBatches: 2 }, streamed: [1, 2] });
    const client = plant.client();
    advance(plant, client, 6, [1, 2]);
    assert.deepEqual(
      [0, 1, 2, 6, 7].map((after) => plant.orderer.stream(3, after)),
      [false, false, true, true, false],
    );
    plant.orderer.deactivate();
    assert.equal(plant.orderer.stream(3, 6), false);
    plant.orderer.activate(5, 6, plant.upstream(1).digest, members);
    assert.deepEqual(
      [5, 6, 7].map((after) => plant.orderer.stream(3, after)),
      [false, true, false],
    );
  });

  it("begins again with what is not carried: its votes may have been lost", () => {
    const plant = new Plant({ streamed: [1, 2] });
    const client = plant.client();
    advance(plant, client, 2);
    plant.answer(1);
    plant.hold(2);
    plant.orderer.unstream(2);
    assert.ok(plant.orderer.stream(2, 2));
    plant.answer(2);
    assert.deepEqual(plant.heard(client), ["1 ok", "2 ok"]);
  });

  it("ends by itself when the upstream takes nothing and falls behind everything retained", () => {
    const plant = new Plant({ limits: { maxBatchesInFlight: 2, retainedBatches: 1 } });
    const client = plant.client();
    advance(plant, client, 3, [1, 2]);
    assert.equal(plant.orderer.reached, 0b111);
    advance(plant, client, 1, [1, 2]);
    assert.equal(plant.orderer.reached, 0b011);
    assert.equal(plant.orderer.takeAppend(3), null);
  });

  it("never leaves fewer than two without stopping", () => {
    const plant = new Plant({ limits: { maxBatchesInFlight: 2, retainedBatches: 1 }, streamed: [1, 2] });
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.orderer.unstream(2);
    assert.equal(plant.order(), 0);
    assert.ok(plant.orderer.stream(2, 0));
    assert.equal(plant.order(), 1);
  });
});

describe("a resend", () => {
  it("gives the batches after a position once more, and never twice for repeated calls", () => {
    const plant = new Plant();
    const client = plant.client();
    advance(plant, client, 3);
    assert.deepEqual(positionsOf(plant.appends(1)), [1, 2, 3]);
    plant.orderer.resend(1, 1);
    plant.orderer.resend(1, 1);
    plant.orderer.resend(1, 2);
    assert.deepEqual(positionsOf(plant.appends(1)), [2, 3]);
    assert.deepEqual(positionsOf(plant.appends(1)), []);
  });

  it("does not pass over a batch that was not taken yet", () => {
    const plant = new Plant();
    const client = plant.client();
    advance(plant, client, 3);
    plant.orderer.resend(1, 2);
    assert.deepEqual(positionsOf(plant.appends(1)), [1, 2, 3]);
  });

  it("brings the votes again that were lost", () => {
    const plant = new Plant({ streamed: [1, 2] });
    const client = plant.client();
    advance(plant, client, 2);
    plant.answer(1);
    plant.hold(2);
    plant.orderer.resend(2, 0);
    plant.answer(2);
    assert.deepEqual(plant.heard(client), ["1 ok", "2 ok"]);
  });

  it("from before what is retained begins with the oldest that is, and is nothing without streaming", () => {
    const plant = new Plant({ limits: { maxBatchesInFlight: 2, retainedBatches: 1 } });
    const client = plant.client();
    advance(plant, client, 5, [1, 2, 3]);
    plant.orderer.resend(3, 0);
    assert.deepEqual(positionsOf(plant.appends(3)), [3, 4, 5]);
    plant.orderer.unstream(3);
    plant.orderer.resend(3, 0);
    assert.deepEqual(positionsOf(plant.appends(3)), []);
  });
});

describe("retained batches", () => {
  it("are given as copies while they are there", () => {
    const plant = new Plant({ limits: { maxBatchesInFlight: 1, retainedBatches: 2 } });
    const client = plant.client();
    advance(plant, client, 4, [1, 2, 3]);
    assert.equal(plant.orderer.batchAt(1), null);
    for (const position of [2, 3, 4]) assert.equal(readBatchHeader(plant.batch(position)).position, position);
    assert.equal(plant.orderer.batchAt(5), null);
    plant.batch(4).fill(0);
    assert.equal(readBatchHeader(plant.batch(4)).position, 4);
    assert.deepEqual(appendOf(plant.batch(4)).subarray(16), plant.batch(4));
  });

  it("take 32 MiB at most, and an upstream that has not taken one that went is not streamed to", () => {
    const plant = new Plant({ limits: { maxBatchBlobBytes: 4 * 1024 * 1024, retainedBatches: 100 } });
    const record = Buffer.alloc(REQUEST_BYTES);
    writeRequest(record, 0, { kind: Kind.statement, request: 0, session: Buffer.alloc(16), durationMs: 1 });
    const statement = Buffer.alloc(3 * 1024 * 1024);
    const propose = (count: number): void => {
      for (let i = 0; i < count; i++) {
        assert.ok(plant.orderer.propose(record, statement));
        assert.equal(plant.order(), 1);
        for (const upstream of [1, 2]) plant.answer(upstream);
        assert.equal(plant.orderer.takeEvent()?.type, "proposed");
      }
    };
    propose(1);
    plant.answer(3);
    propose(10);
    assert.notEqual(plant.orderer.batchAt(1), null);
    propose(1);
    assert.equal(plant.orderer.batchAt(1), null);
    assert.equal(plant.orderer.reached, 0b111);
    propose(1);
    assert.equal(plant.orderer.reached, 0b011);
    assert.deepEqual(
      [2, 3, 13].map((position) => plant.orderer.batchAt(position) !== null),
      [false, true, true],
    );
    assert.equal(plant.orderer.stream(3, 1), false);
    assert.equal(plant.orderer.stream(3, 2), true);
  });
});

describe("the window of batches in flight", () => {
  it("holds back the next batch until the oldest is carried", () => {
    const plant = new Plant({ limits: { maxBatchesInFlight: 2 } });
    const client = plant.client();
    advance(plant, client, 2);
    plant.ask(client, { request: 3 });
    assert.equal(plant.order(), 0);
    plant.answer(1);
    plant.answer(2);
    assert.equal(plant.order(), 1);
  });
});

describe("the end of an epoch", () => {
  it("puts requests in flight back before those that wait, in their order, and the next epoch answers them", () => {
    const plant = new Plant({ limits: { maxRequestsPerBatch: 2 } });
    const [a, b] = [plant.client(), plant.client()];
    plant.ask(a, { request: 1, blob: Buffer.from("a1") }, { request: 2 });
    plant.ask(b, { request: 1 }, { request: 2 }, { request: 3 });
    plant.order();
    plant.order();
    plant.orderer.deactivate();
    assert.equal(plant.orderer.pending, 5);
    assert.equal(plant.order(), 0);
    plant.orderer.activate(6, 0, genesis, members);
    for (const upstream of [1, 2]) assert.ok(plant.orderer.stream(upstream, 0));
    const ordered: string[] = [];
    for (let position = 1; position <= 3; position++) {
      plant.order();
      ordered.push(...requestsIn(plant.batch(position)).map(({ request, blob }) => `${request}${blob}`));
    }
    assert.deepEqual(ordered, ["1a1", "2", "1", "2", "3"]);
    plant.answer(1);
    plant.answer(2);
    assert.deepEqual(plant.heard(a), ["1 ok", "2 ok"]);
    assert.deepEqual(plant.heard(b), ["1 ok", "2 ok", "3 ok"]);
  });

  it("makes votes of the old epoch stale", () => {
    const plant = new Plant();
    const client = plant.client();
    advance(plant, client, 1);
    const votes = [1, 2].map((upstream) => plant.hold(upstream)[0] as Buffer);
    plant.orderer.activate(6, 0, genesis, members);
    for (const upstream of [1, 2, 3]) plant.orderer.stream(upstream, 0);
    plant.order();
    votes.forEach((vote, i) => {
      plant.vote(i + 1, vote);
    });
    assert.equal(plant.orderer.carried, 0);
    assert.equal(plant.orderer.counters().staleVotes, 2);
    assert.equal(plant.orderer.acknowledged(1), 0);
  });

  it("goes on from the position and digest that it is given", () => {
    const plant = new Plant();
    const client = plant.client();
    advance(plant, client, 3, [1, 2, 3]);
    const { digest } = plant.upstream(1);
    plant.orderer.activate(8, 3, digest, members);
    assert.deepEqual([plant.orderer.position, plant.orderer.carried], [3, 3]);
    assert.deepEqual(plant.orderer.carriedDigest(), digest);
    assert.equal(plant.orderer.batchAt(3), null);
    for (const upstream of [1, 2, 3]) assert.ok(plant.orderer.stream(upstream, 3));
    advance(plant, client, 1, [1, 2]);
    assert.equal(plant.orderer.carried, 4);
  });

  it("changes the members: a vote of a disk that was replaced does not count", () => {
    const plant = new Plant({ streamed: [1, 2] });
    const client = plant.client();
    const replaced = Buffer.concat([incarnationOf(1), Buffer.alloc(16, 0x99), incarnationOf(3)]);
    plant.orderer.activate(6, 0, genesis, replaced);
    for (const upstream of [1, 2]) plant.orderer.stream(upstream, 0);
    advance(plant, client, 1);
    plant.answer(1);
    const [vote] = plant.hold(2) as [Buffer];
    plant.vote(2, vote);
    assert.equal(plant.orderer.carried, 0);
    plant.vote(2, plant.upstream(2).vote(plant.batch(1), { incarnation: Buffer.alloc(16, 0x99) }));
    assert.equal(plant.orderer.carried, 1);
  });

  it("drops proposals, and takes none while there is no epoch", () => {
    const plant = new Plant();
    const record = Buffer.alloc(REQUEST_BYTES);
    record[0] = Kind.expire;
    assert.ok(plant.orderer.propose(record, Buffer.alloc(0)));
    plant.order();
    assert.ok(plant.orderer.propose(record, Buffer.alloc(0)));
    plant.orderer.deactivate();
    assert.equal(plant.orderer.propose(record, Buffer.alloc(0)), false);
    plant.orderer.activate(6, 0, genesis, members);
    for (const upstream of [1, 2, 3]) plant.orderer.stream(upstream, 0);
    assert.equal(plant.order(), 0);
  });
});

describe("marks", () => {
  const activated = (position: number): Plant => {
    const plant = new Plant();
    plant.orderer.activate(6, position, genesis, members);
    for (const upstream of [1, 2, 3]) plant.orderer.stream(upstream, position);
    return plant;
  };

  it("up to what is carried are in order", () => {
    const plant = activated(10);
    const client = plant.client();
    for (const mark of [1, 10]) plant.ask(client, { request: mark, mark, markProof: markProof(mark) });
    assert.equal(plant.order(), 2);
    assert.deepEqual(plant.events(), []);
    assert.deepEqual(plant.heard(client), []);
  });

  it("above it are reported as missing, once for each that is higher", () => {
    const plant = activated(10);
    const client = plant.client();
    for (const mark of [12, 12, 11, 15]) plant.ask(client, { request: mark, mark, markProof: markProof(mark) });
    assert.deepEqual(plant.events(), [
      { type: "missing", position: 12 },
      { type: "missing", position: 15 },
    ]);
  });

  it("that came before the epoch began are checked when it begins", () => {
    const plant = new Plant();
    plant.orderer.deactivate();
    const client = plant.client();
    plant.ask(client, { request: 1, mark: 12, markProof: markProof(12) });
    assert.deepEqual(plant.events(), []);
    plant.orderer.activate(6, 10, genesis, members);
    assert.deepEqual(plant.events(), [{ type: "missing", position: 12 }]);
    plant.orderer.activate(8, 12, genesis, members);
    assert.deepEqual(plant.events(), []);
  });

  it("with a wrong proof are refused and report nothing", () => {
    const plant = activated(10);
    const client = plant.client();
    plant.ask(
      client,
      { request: 1, mark: 12, markProof: markProof(11) },
      { request: 2, mark: 12 },
      { request: 3, mark: 0, markProof: markProof(12) },
    );
    assert.deepEqual(plant.heard(client), ["1 bad-request", "2 bad-request", "3 bad-request"]);
    assert.deepEqual(plant.events(), []);
    assert.equal(plant.orderer.pending, 0);
  });

  it("that were just given are recognised, and altered ones are not", () => {
    const plant = new Plant();
    const client = plant.client();
    advance(plant, client, 1, [1, 2]);
    const [answer] = plant.answers(client);
    const { mark, markProof: proof } = answer as { mark: number; markProof: Uint8Array };
    plant.ask(client, { request: 2, mark, markProof: proof });
    assert.equal(plant.orderer.pending, 1);
    const altered = Buffer.from(proof);
    altered[7] = (altered[7] as number) ^ 1;
    plant.ask(client, { request: 3, mark, markProof: altered });
    assert.deepEqual(plant.heard(client), ["3 bad-request"]);
    assert.equal(plant.orderer.refusePending(Status.busy), 1);
  });
});
