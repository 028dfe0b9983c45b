/** A license server that serves alone: its own vote carries. */
import assert from "node:assert/strict";
import { readBatchHeader } from "../../ts/wire/batch.js";
import { Kind } from "../../ts/wire/kinds.js";
import { REQUEST_BYTES, writeRequest } from "../../ts/wire/request.js";
import { readResult } from "../../ts/wire/result.js";
import { engine } from "../support/native-engine.js";
import { markProof, orderingOptions, Plant } from "../support/ordering-kit.js";

const alone = (limits = {}): Plant => new Plant({ streamed: [1], quorum: 1, limits });

describe("an orderer with a quorum of one", () => {
  it("answers from the one vote, with mark and proof, and names one upstream as reached", () => {
    const plant = alone();
    const client = plant.client();
    plant.ask(client, { request: 1, blob: Buffer.from("a") }, { request: 2 });
    assert.equal(plant.order(), 2);
    assert.equal(readBatchHeader(plant.batch(1)).reached, 1);
    assert.deepEqual(plant.answers(client), []);
    plant.answer(1);
    const answers = plant.answers(client);
    assert.deepEqual(
      answers.map(({ request, statusName, mark, blob }) => [request, statusName, mark, blob.toString()]),
      [
        [1, "ok", 1, "re:a"],
        [2, "ok", 1, ""],
      ],
    );
    assert.deepEqual(answers[0]?.markProof, markProof(1));
    assert.equal(plant.orderer.carried, 1);
  });

  it("goes on for longer than any batch is kept", () => {
    const plant = alone({ maxBatchesInFlight: 2, retainedBatches: 1 });
    const client = plant.client();
    for (let request = 1; request <= 20; request++) {
      plant.ask(client, { request });
      assert.equal(plant.order(), 1);
      plant.vote(1, plant.upstream(1).append(plant.appends(1)[0] as Buffer));
      assert.deepEqual(plant.heard(client), [`${request} ok`]);
    }
    assert.equal(plant.orderer.reached, 1);
    assert.deepEqual(plant.events(), []);
  });

  it("carries several batches that became durable together, one after another", () => {
    const plant = alone({ maxRequestsPerBatch: 1 });
    const client = plant.client();
    plant.ask(client, { request: 1 }, { request: 2 }, { request: 3 });
    assert.deepEqual([plant.order(), plant.order(), plant.order(), plant.order()], [1, 1, 1, 0]);
    const votes = plant.hold(1);
    assert.equal(plant.orderer.vote(1, votes[1] as Buffer), 2);
    for (const vote of votes) plant.vote(1, vote);
    assert.deepEqual(plant.heard(client), ["1 ok", "2 ok", "3 ok"]);
  });

  it("refuses a vote on another batch or without results, and passes over a repeated one", () => {
    const plant = alone();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    const [append] = plant.appends(1);
    const vote = plant.upstream(1).append(append as Buffer);
    const batch = plant.batch(1);
    assert.equal(plant.orderer.vote(1, plant.upstream(1).vote(batch, { digest: Buffer.alloc(32, 1) })), 2);
    assert.equal(plant.orderer.vote(1, plant.upstream(1).vote(batch, { withoutRecords: true })), 2);
    assert.deepEqual(plant.heard(client), []);
    plant.vote(1, vote);
    plant.vote(1, vote);
    assert.deepEqual(plant.heard(client), ["1 ok"]);
    assert.equal(plant.orderer.counters().malformedVotes, 2);
  });

  it("reports what the server itself proposed, under the number that it gave", () => {
    const plant = alone();
    const record = Buffer.alloc(REQUEST_BYTES);
    writeRequest(record, 0, { kind: Kind.readAccessList, request: 7, session: Buffer.alloc(16) });
    assert.ok(plant.orderer.propose(record, Buffer.alloc(0)));
    assert.equal(plant.order(), 1);
    plant.answer(1);
    assert.deepEqual(
      plant.events().map((event) => (event.type === "proposed" ? readResult(event.record, 0).request : event.type)),
      [7],
    );
  });

  it("is asked for by one or two and nothing else", () => {
    for (const quorum of [0, 3, "1", null]) {
      assert.throws(() => engine.createOrderer({ ...orderingOptions(), quorum: quorum as 1 }), {
        code: "ERR_TMR_ARGUMENT",
      });
    }
  });
});
