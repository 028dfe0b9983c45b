/** Upstreams that do not agree: the odd one of three is named, two that differ carry nothing (protocol.md rule 11). */
import assert from "node:assert/strict";
import { Plant } from "../support/ordering-kit.js";

describe("an upstream that differs from the two others", () => {
  const lies = [
    { name: "in a result", twist: { result: { index: 0, quantity: 99 } } },
    { name: "in the state", twist: { state: 9 } },
    { name: "in the digest of the batch", twist: { digest: Buffer.alloc(32, 9) } },
  ] as const;
  for (const { name, twist } of lies) {
    for (const late of [false, true]) {
      it(`${name} is named as diverged and not streamed to any more${late ? ", also when its vote is late" : ""}`, () => {
        const plant = new Plant();
        const client = plant.client();
        plant.ask(client, { request: 1 });
        plant.order();
        if (!late) plant.answer(2, twist);
        plant.answer(1);
        plant.answer(3);
        if (late) plant.answer(2, twist);
        const [answer] = plant.answers(client);
        assert.equal(answer?.quantity, 1);
        assert.deepEqual(plant.events(), [{ type: "diverged", upstream: 2, position: 1 }]);
        assert.equal(plant.orderer.reached, 0b101);
        plant.ask(client, { request: 2 });
        plant.order();
        assert.equal(plant.appends(2).length, 0);
        plant.answer(1);
        plant.answer(3);
        assert.deepEqual(plant.heard(client), ["2 ok"]);
      });
    }
  }

  it("in a result is named even long after, while the batch is retained", () => {
    const plant = new Plant({ limits: { maxBatchesInFlight: 2, retainedBatches: 10 } });
    const client = plant.client();
    const batches = 8;
    for (let request = 1; request <= batches; request++) {
      plant.ask(client, { request, blob: Buffer.from(`${request}`) });
      plant.order();
      plant.answer(1);
      plant.answer(2);
    }
    const votes = plant.appends(3).map((message, i) => {
      const twist = i === 1 ? { result: { index: 0, quantity: 99 } } : { blobPadding: i };
      return plant.upstream(3).append(message, twist);
    });
    plant.vote(3, votes[0] as Buffer);
    assert.deepEqual(plant.events(), []);
    plant.vote(3, votes[1] as Buffer);
    assert.deepEqual(plant.events(), [{ type: "diverged", upstream: 3, position: 2 }]);
    plant.vote(3, votes[2] as Buffer);
    assert.equal(plant.orderer.counters().staleVotes, 1);
  });

  it("has none of its other votes counted", () => {
    const plant = new Plant();
    const client = plant.client();
    for (let request = 1; request <= 2; request++) {
      plant.ask(client, { request });
      plant.order();
    }
    const [lie] = plant.hold(3, { result: { index: 0, quantity: 99 } }) as [Buffer, Buffer];
    plant.vote(3, lie);
    plant.vote(3, plant.upstream(3).vote(plant.batch(2)));
    const fromOne = plant.hold(1) as [Buffer, Buffer];
    const fromTwo = plant.hold(2) as [Buffer, Buffer];
    plant.vote(1, fromOne[0]);
    plant.vote(2, fromTwo[0]);
    plant.vote(1, fromOne[1]);
    assert.deepEqual(plant.events(), [{ type: "diverged", upstream: 3, position: 1 }]);
    assert.equal(plant.orderer.carried, 1);
    plant.vote(2, fromTwo[1]);
    assert.equal(plant.orderer.carried, 2);
    assert.deepEqual(plant.heard(client), ["1 ok", "2 ok"]);
  });

  it("counts again once it is streamed to again", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    plant.answer(1);
    plant.answer(2);
    plant.answer(3, { state: 9 });
    assert.equal(plant.events().length, 1);
    assert.ok(plant.orderer.stream(3, 1));
    plant.orderer.unstream(2);
    plant.ask(client, { request: 2 });
    plant.order();
    plant.answer(1);
    plant.answer(3);
    assert.equal(plant.orderer.carried, 2);
  });
});

describe("a batch on which no two agree", () => {
  it("is split when all three differ, and nothing is answered", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    for (const upstream of [1, 2, 3]) plant.answer(upstream, { result: { index: 0, quantity: upstream } });
    assert.deepEqual(plant.events(), [{ type: "split", position: 1 }]);
    assert.deepEqual(plant.heard(client), []);
    assert.equal(plant.orderer.carried, 0);
  });

  it("is split when only two are streamed to and they differ, whether in a result or in the state", () => {
    for (const twist of [{ result: { index: 0, quantity: 99 } }, { state: 9 }]) {
      const plant = new Plant({ streamed: [2, 3] });
      const client = plant.client();
      plant.ask(client, { request: 1 });
      plant.order();
      plant.answer(2);
      assert.deepEqual(plant.events(), []);
      plant.answer(3, twist);
      assert.deepEqual(plant.events(), [{ type: "split", position: 1 }]);
      assert.deepEqual(plant.heard(client), []);
    }
  });

  it("waits while a third vote can still decide, and is split when that can no longer come", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    plant.answer(1);
    plant.answer(2, { result: { index: 0, quantity: 99 } });
    assert.deepEqual(plant.events(), []);
    plant.orderer.unstream(3);
    assert.deepEqual(plant.events(), [{ type: "split", position: 1 }]);
    assert.deepEqual(plant.heard(client), []);
  });

  it("is decided by the third vote even when the state digests agree and only a result does not", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 }, { request: 2 });
    plant.order();
    plant.answer(1);
    plant.answer(2, { result: { index: 1, quantity: 99 } });
    assert.equal(plant.orderer.carried, 0);
    plant.answer(3);
    assert.deepEqual(
      plant.answers(client).map(({ quantity }) => quantity),
      [1, 2],
    );
    assert.deepEqual(plant.events(), [{ type: "diverged", upstream: 2, position: 1 }]);
  });

  it("is not carried by two that agree on another batch than the one ordered", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    const digest = Buffer.alloc(32, 5);
    plant.answer(1, { digest });
    plant.answer(2, { digest });
    assert.equal(plant.orderer.carried, 0);
    plant.answer(3);
    assert.deepEqual(plant.events(), [{ type: "split", position: 1 }]);
    assert.deepEqual(
      [1, 2, 3].map((upstream) => plant.orderer.acknowledged(upstream)),
      [0, 0, 1],
    );
  });
});
