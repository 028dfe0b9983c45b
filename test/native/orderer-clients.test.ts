/** What clients may send, what they hear, and that one client's answers never reach another. */
import assert from "node:assert/strict";
import { Intake } from "../../ts/engine/types.js";
import { BATCH_HEADER_BYTES } from "../../ts/wire/batch.js";
import { getU64 } from "../../ts/wire/bytes.js";
import { AccessMode, Kind, Status } from "../../ts/wire/kinds.js";
import { REQUEST_BYTES, RequestField, writeRequest } from "../../ts/wire/request.js";
import { RESULT_BYTES, readResult, writeResult } from "../../ts/wire/result.js";
import { Plant, requestsIn, requestsPacket, sessionOf } from "../support/ordering-kit.js";

describe("client requests", () => {
  it("are ordered first in, first out over all clients, and each client hears its own answers", () => {
    const plant = new Plant({ limits: { maxRequestsPerBatch: 3 } });
    const [a, b] = [plant.client(), plant.client()];
    plant.ask(a, { request: 1, session: sessionOf(1) });
    plant.ask(b, { request: 1, session: sessionOf(2) }, { request: 2, session: sessionOf(2) });
    plant.ask(a, { request: 2, session: sessionOf(1) });
    assert.deepEqual([plant.order(), plant.order(), plant.order()], [3, 1, 0]);
    assert.deepEqual(
      requestsIn(plant.batch(1)).map(({ session, request }) => `${session}:${request}`),
      ["1:1", "2:1", "2:2"],
    );
    plant.answer(1);
    plant.answer(3);
    assert.deepEqual(plant.heard(a), ["1 ok", "2 ok"]);
    assert.deepEqual(plant.heard(b), ["1 ok", "2 ok"]);
  });

  it("come after proposals of the server itself, whose results are events", () => {
    const plant = new Plant({ limits: { maxRequestsPerBatch: 2 } });
    const client = plant.client();
    plant.ask(client, { request: 1 }, { request: 2 });
    const record = Buffer.alloc(REQUEST_BYTES);
    // Its number is the server's own, to know the result by.
    writeRequest(record, 0, { kind: Kind.statement, request: 9, session: Buffer.alloc(16), durationMs: 2 }, 0, 9);
    assert.ok(plant.orderer.propose(record, Buffer.from("statement")));
    plant.order();
    const [first, second] = requestsIn(plant.batch(1));
    assert.deepEqual([first?.kind, first?.blob, second?.request], [Kind.statement, "statement", 1]);
    plant.answer(1);
    plant.answer(2);
    assert.deepEqual(plant.heard(client), ["1 ok"]);
    const [event] = plant.events();
    assert.ok(event?.type === "proposed");
    const { kind, request } = readResult(event.record, 0);
    assert.deepEqual([event.position, event.record.length, kind, request], [1, RESULT_BYTES, Kind.statement, 9]);
  });

  it("are answered busy when too many wait, and taken again when there is room", () => {
    const plant = new Plant({ limits: { maxPendingRequests: 2 } });
    const client = plant.client();
    plant.ask(client, { request: 1 }, { request: 2 }, { request: 3 });
    const [answer] = plant.answers(client);
    assert.deepEqual([answer?.request, answer?.statusName], [3, "busy"]);
    assert.match(answer?.blob.toString() ?? "", /too many requests/);
    assert.equal(plant.orderer.counters().busy, 1);
    plant.order();
    plant.ask(client, { request: 3 });
    assert.deepEqual(plant.heard(client), []);
    assert.equal(plant.orderer.pending, 1);
  });

  it("find room when they come back from batches in flight, however many arrived meanwhile", () => {
    const plant = new Plant({ limits: { maxPendingRequests: 2, maxRequestsPerBatch: 2 } });
    const client = plant.client();
    for (let i = 0; i < 4; i++) {
      plant.ask(client, { request: 2 * i + 1 }, { request: 2 * i + 2 });
      assert.equal(plant.order(), 2);
    }
    plant.ask(client, { request: 9 }, { request: 10 });
    plant.orderer.deactivate();
    assert.equal(plant.orderer.pending, 10);
    assert.equal(plant.orderer.refusePending(Status["not-active"]), 10);
    assert.deepEqual(
      plant.answers(client).map(({ request }) => request),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
  });

  it("fill a batch up to its blob bytes, and none overtakes the one that did not fit", () => {
    const plant = new Plant({ limits: { maxBatchBlobBytes: 100 } });
    const client = plant.client();
    const blob = (size: number) => Buffer.alloc(size, 0x62);
    plant.ask(client, { request: 1, blob: blob(60) }, { request: 2, blob: blob(41) }, { request: 3 });
    assert.equal(plant.order(), 1);
    assert.equal(plant.order(), 2);
  });

  it("with a blob longer than a request or a batch takes are refused", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1, blob: Buffer.alloc(4096) }, { request: 2, blob: Buffer.alloc(4097) });
    assert.deepEqual(plant.heard(client), ["2 bad-request"]);
    const small = new Plant({ limits: { maxBatchBlobBytes: 100 } });
    const other = small.client();
    small.ask(other, { request: 1, blob: Buffer.alloc(100) }, { request: 2, blob: Buffer.alloc(101) });
    assert.deepEqual(small.heard(other), ["2 bad-request"]);
  });

  it("of an unknown kind, of a system kind, without session or number are answered bad-request", () => {
    const plant = new Plant();
    const client = plant.client();
    const wrong = [
      { kind: 0 },
      { kind: 16 },
      { kind: 63 },
      { kind: Kind.expire },
      { kind: Kind.statement },
      { kind: Kind.notice },
      { kind: 255 },
      { session: Buffer.alloc(16) },
      { request: 0 },
    ];
    plant.ask(client, ...wrong.map((request, i) => ({ request: i + 1, ...request })), { request: 50 });
    const answers = plant.answers(client);
    assert.deepEqual(
      answers.map(({ statusName, request, mark }) => `${statusName} ${request} ${mark}`),
      [1, 2, 3, 4, 5, 6, 7, 8, 0].map((request) => `bad-request ${request} 0`),
    );
    for (const { blob } of answers) assert.match(blob.toString(), /^[A-Z].{10,190}\.$/);
    assert.equal(plant.orderer.pending, 1);
    assert.equal(plant.orderer.counters().unknownKinds, 7);
    assert.equal(plant.orderer.counters().requests, 10);
  });

  it("that open a session have its time-out clamped before they are ordered; others are left alone", () => {
    const plant = new Plant();
    const client = plant.client();
    const asked = [0, 1, 5_000, 60_000, 86_400_000, 86_400_001, Number.MAX_SAFE_INTEGER];
    plant.ask(client, ...asked.map((durationMs, i) => ({ kind: Kind.openSession, request: i + 1, durationMs })), {
      kind: Kind.access,
      mode: AccessMode.userLimit,
      request: 8,
      durationMs: 1,
    });
    plant.order();
    const batch = plant.batch(1);
    const written = Array.from({ length: 8 }, (_, i) =>
      getU64(batch, BATCH_HEADER_BYTES + i * REQUEST_BYTES + RequestField.durationMs),
    );
    assert.deepEqual(written, [120_000, 5_000, 5_000, 60_000, 86_400_000, 86_400_000, 86_400_000, 1]);
  });

  it("are refused without an order by refusePending, which says why or carries what it is given", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    plant.ask(client, { request: 2 }, { request: 3 });
    assert.equal(plant.orderer.refusePending(Status["not-active"], Buffer.from("10.0.0.2:7101")), 2);
    const answers = plant.answers(client);
    assert.deepEqual(
      answers.map(({ request, statusName, blob }) => `${request} ${statusName} ${blob.toString()}`),
      ["2 not-active 10.0.0.2:7101", "3 not-active 10.0.0.2:7101"],
    );
    plant.ask(client, { request: 4 });
    assert.equal(plant.orderer.refusePending(Status["no-quorum"]), 1);
    assert.match(plant.answers(client)[0]?.blob.toString() ?? "", /two upstream/);
    plant.ask(client, { request: 5 });
    assert.equal(plant.orderer.refusePending(Status["not-active"]), 1);
    assert.equal(plant.answers(client)[0]?.blob.length, 0);
  });

  it("in flight are refused by refuseAll and not answered a second time when their batch is carried", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    plant.ask(client, { request: 2 });
    assert.equal(plant.orderer.refuseAll(Status["no-quorum"]), 2);
    assert.deepEqual(plant.heard(client), ["1 no-quorum", "2 no-quorum"]);
    plant.answer(1);
    plant.answer(2);
    assert.equal(plant.orderer.carried, 1);
    assert.deepEqual(plant.heard(client), []);
    plant.orderer.deactivate();
    assert.equal(plant.orderer.pending, 0);
  });

  it("sent again while they are under way are simply ordered again", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { request: 1 });
    plant.order();
    plant.ask(client, { request: 1 });
    plant.order();
    plant.answer(1);
    plant.answer(2);
    assert.deepEqual(plant.heard(client), ["1 ok", "1 ok"]);
  });
});

describe("a client that leaves", () => {
  it("has its waiting requests dropped and its answers never given to the next one in its place", () => {
    const plant = new Plant({ limits: { maxClients: 1 } });
    const first = plant.client();
    assert.equal(plant.orderer.addClient(), -1);
    plant.ask(first, { request: 1 });
    plant.order();
    plant.ask(first, { request: 2 }, { request: 3 });
    plant.ask(first, { kind: Kind.status, request: 4 });
    const local = plant.orderer.takeLocalRequest();
    assert.equal(local?.client, first);
    plant.ask(first, { kind: Kind.status, request: 5 });
    plant.orderer.removeClient(first);
    assert.equal(plant.orderer.pending, 0);
    const second = plant.client();
    assert.notEqual(second, first);
    plant.answer(1);
    plant.answer(2);
    const result = Buffer.alloc(RESULT_BYTES);
    writeResult(result, 0, { kind: Kind.status, status: 0, request: 4, session: sessionOf(1) });
    plant.orderer.answer(first, result, Buffer.alloc(0));
    assert.equal(plant.orderer.takeLocalRequest(), null);
    assert.deepEqual(plant.heard(second), []);
    assert.equal(plant.orderer.clientMessage(first, requestsPacket({})), Intake.closed);
    assert.equal(plant.orderer.takeClientMessage(first), null);
    assert.deepEqual([plant.orderer.clientClosed(first), plant.orderer.clientClosed(second)], [true, false]);
    plant.orderer.removeClient(first);
    plant.ask(second, { request: 1 });
    plant.orderer.deactivate();
    assert.equal(plant.orderer.pending, 1);
  });
});

describe("answers", () => {
  it("beyond what a client may leave unsent close it, which dirtyClients tells", () => {
    const plant = new Plant({ limits: { maxClientOutputBytes: 1_024 } });
    const [slow, other] = [plant.client(), plant.client()];
    const out = new Uint32Array(8);
    for (let request = 1; request <= 9; request++) {
      plant.ask(slow, { request });
      plant.ask(other, { request });
      plant.order();
      plant.answer(1);
      plant.answer(2);
      if (request < 9) plant.heard(other);
    }
    assert.deepEqual(new Set(out.subarray(0, plant.orderer.dirtyClients(out))), new Set([slow, other]));
    assert.equal(plant.orderer.takeClientMessage(slow), null);
    assert.deepEqual([plant.orderer.clientClosed(slow), plant.orderer.clientClosed(other)], [true, false]);
    assert.equal(plant.orderer.clientMessage(slow, requestsPacket({})), Intake.closed);
    assert.deepEqual(plant.heard(other), ["9 ok"]);
  });

  it("are packed into as few packets as fit, and a client with more is named again", () => {
    const plant = new Plant();
    const client = plant.client();
    const result = Buffer.alloc(RESULT_BYTES);
    for (let request = 1; request <= 5; request++) {
      writeResult(result, 0, { kind: Kind.status, status: 0, request, session: sessionOf(1) });
      plant.orderer.answer(client, result, Buffer.alloc(20_000, request));
    }
    const out = new Uint32Array(1);
    assert.equal(plant.orderer.dirtyClients(out), 1);
    assert.equal(plant.orderer.dirtyClients(out), 0);
    assert.ok(plant.orderer.takeClientMessage(client));
    assert.equal(plant.orderer.dirtyClients(out), 1);
    assert.deepEqual(
      plant.answers(client).map(({ request, blob }) => `${request} ${blob[0]} ${blob.length}`),
      ["4 4 20000", "5 5 20000"],
    );
    assert.equal(plant.orderer.dirtyClients(out), 0);
  });

  it("about the server itself are made by its owner", () => {
    const plant = new Plant();
    const client = plant.client();
    plant.ask(client, { kind: Kind.status, request: 3, session: sessionOf(7) }, { kind: 127, request: 4 });
    assert.equal(plant.orderer.pending, 0);
    const local = plant.orderer.takeLocalRequest();
    assert.equal(local?.client, client);
    assert.equal(local?.record[RequestField.kind], Kind.status);
    assert.equal(plant.orderer.takeLocalRequest()?.record[RequestField.kind], 127);
    assert.equal(plant.orderer.takeLocalRequest(), null);
    const result = Buffer.alloc(RESULT_BYTES);
    writeResult(result, 0, { kind: Kind.status, status: 0, request: 3, session: sessionOf(7) });
    plant.orderer.answer(client, result, Buffer.from("{}"));
    const [answer] = plant.answers(client);
    assert.deepEqual([answer?.request, answer?.blob.toString()], [3, "{}"]);
  });
});

describe("proposals", () => {
  it("are bounded in number and bytes, and a blob longer than a batch takes never fits", () => {
    const plant = new Plant({ limits: { maxBatchBlobBytes: 1_000 } });
    const record = Buffer.alloc(REQUEST_BYTES);
    record[0] = Kind.statement;
    assert.equal(plant.orderer.propose(record, Buffer.alloc(1_001)), false);
    assert.equal(plant.orderer.propose(record, Buffer.alloc(600)), true);
    assert.equal(plant.orderer.propose(record, Buffer.alloc(401)), false);
    let taken = 1;
    while (plant.orderer.propose(record, Buffer.alloc(0))) taken++;
    assert.equal(taken, 64);
    while (plant.order() > 0);
    plant.answer(1);
    plant.answer(2);
    assert.equal(plant.orderer.propose(record, Buffer.alloc(0)), false);
    assert.equal(plant.events().length, 64);
    assert.equal(plant.orderer.propose(record, Buffer.alloc(0)), true);
  });
});

describe("an orderer", () => {
  it("given the same calls gives the same bytes", () => {
    const run = (): Buffer => {
      const plant = new Plant();
      const [a, b] = [plant.client(), plant.client()];
      const bytes: Buffer[] = [];
      for (let round = 1; round <= 5; round++) {
        plant.ask(a, { request: round, blob: Buffer.from(`a${round}`) });
        plant.ask(b, { kind: Kind.openSession, request: round }, { kind: 77, request: round }, { kind: 99 });
        plant.order();
        for (const upstream of [1, 2, 3]) {
          for (const vote of plant.hold(upstream)) {
            bytes.push(vote);
            plant.vote(upstream, vote);
          }
        }
        bytes.push(plant.batch(round));
        for (const client of [a, b]) bytes.push(plant.orderer.takeClientMessage(client) ?? Buffer.alloc(0));
      }
      return Buffer.concat(bytes);
    };
    const first = run();
    assert.ok(first.length > 5_000);
    assert.deepEqual(run(), first);
  });
});
