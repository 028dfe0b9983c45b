/** Bytes that no honest peer sends: every truncation and every single-bit flip, judged by the TypeScript readers. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Intake } from "../../ts/engine/types.js";
import { Kind } from "../../ts/wire/kinds.js";
import {
  isWellFormedMessage,
  isWellFormedPacket,
  MESSAGE_HEADER_BYTES,
  MessageField,
  MessageType,
} from "../../ts/wire/message.js";
import { isWellFormedRequest, REQUEST_BYTES } from "../../ts/wire/request.js";
import { Plant, requestsPacket } from "../support/ordering-kit.js";
import { seeded } from "../support/seeded.js";

/** What TypeScript says about a client's packet. */
function isAcceptable(packet: Buffer): boolean {
  if (!isWellFormedMessage(packet) || !isWellFormedPacket(packet)) return false;
  if (packet[MessageField.type] !== MessageType.requests) return false;
  const count = packet.readUInt32LE(MessageField.count);
  const blobBytes = packet.readUInt32LE(MessageField.blobBytes);
  return Array.from({ length: count }, (_, i) => MESSAGE_HEADER_BYTES + i * REQUEST_BYTES).every((at) =>
    isWellFormedRequest(packet, at, blobBytes),
  );
}

const packet = requestsPacket(
  { kind: Kind.openSession, request: 1, blob: Buffer.from("names") },
  { kind: Kind.access, request: 2, quantity: 3, firmCode: 6_000_010, productCode: 13, blob: Buffer.from("x") },
);

function* flipsOf(bytes: Buffer): Generator<Buffer> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    yield flipped;
  }
}

describe("a client packet", () => {
  it("with any one bit flipped is taken or refused as the TypeScript reader says, and never half", () => {
    const plant = new Plant({ limits: { maxClients: 1 } });
    let taken = 0;
    let refused = 0;
    for (const flipped of flipsOf(packet)) {
      const client = plant.client();
      const before = plant.orderer.counters();
      const intake = plant.orderer.clientMessage(client, flipped);
      const { requests, malformedPackets } = plant.orderer.counters();
      if (isAcceptable(flipped)) {
        assert.equal(intake, Intake.ok);
        assert.equal(requests, before.requests + 2);
        taken++;
      } else {
        assert.equal(intake, Intake.malformed);
        assert.equal(requests, before.requests);
        assert.equal(malformedPackets, before.malformedPackets + 1);
        assert.equal(plant.orderer.pending, 0);
        assert.equal(plant.orderer.clientClosed(client), true);
        assert.equal(plant.orderer.clientMessage(client, packet), Intake.closed);
        refused++;
      }
      plant.orderer.removeClient(client);
    }
    assert.ok(taken > 400 && refused > 400, `${taken} taken, ${refused} refused`);
  });

  it("cut anywhere, or with anything behind it, is malformed", () => {
    const plant = new Plant({ limits: { maxClients: 1 } });
    const longer = [Buffer.concat([packet, Buffer.alloc(1)]), Buffer.concat([packet, packet])];
    const shorter = Array.from({ length: packet.length }, (_, size) => packet.subarray(0, size));
    for (const bad of [...shorter, ...longer]) {
      const client = plant.client();
      assert.equal(plant.orderer.clientMessage(client, bad), Intake.malformed);
      plant.orderer.removeClient(client);
    }
    assert.equal(plant.orderer.pending, 0);
  });

  it("longer than a packet may be is malformed, one as long as it may be is not", () => {
    const plant = new Plant({ limits: { maxPendingRequests: 1_000 } });
    const many = Array.from({ length: 507 }, (_, i) => ({ request: i + 1 }));
    const full = requestsPacket(...many);
    assert.ok(full.length <= 65_000 && full.length > 64_800);
    assert.equal(plant.orderer.clientMessage(plant.client(), full), Intake.ok);
    const over = requestsPacket(...many, { request: 508 });
    assert.equal(plant.orderer.clientMessage(plant.client(), over), Intake.malformed);
  });

  it("of random bytes, plain or behind a right header, never does more than be refused", () => {
    const plant = new Plant({ limits: { maxClients: 1 } });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (noise, headed) => {
        const bytes = Buffer.from(noise);
        if (headed && bytes.length >= MESSAGE_HEADER_BYTES) {
          packet.copy(bytes, 0, 0, 4);
          bytes.writeUInt32LE(bytes.length - MESSAGE_HEADER_BYTES, MessageField.bodyBytes);
          bytes.writeUInt32LE(Math.floor((bytes.length - MESSAGE_HEADER_BYTES) / REQUEST_BYTES), MessageField.count);
          bytes.writeUInt32LE((bytes.length - MESSAGE_HEADER_BYTES) % REQUEST_BYTES, MessageField.blobBytes);
        }
        const client = plant.client();
        const expected = isAcceptable(bytes) ? Intake.ok : Intake.malformed;
        assert.equal(plant.orderer.clientMessage(client, bytes), expected);
        plant.orderer.removeClient(client);
      }),
      seeded(1_000),
    );
  });
});

describe("a vote", () => {
  const ordered = (): { plant: Plant; client: number; honest: Buffer } => {
    const plant = new Plant({ streamed: [1, 2] });
    const client = plant.client();
    plant.ask(client, { request: 1, blob: Buffer.from("a") }, { request: 2, blob: Buffer.from("bc") });
    plant.order();
    const [honest] = plant.hold(2) as [Buffer];
    return { plant, client, honest };
  };

  it("with any one bit flipped never makes a client hear anything but what two upstreams said", () => {
    const reference = ordered();
    reference.plant.answer(1);
    reference.plant.vote(2, reference.honest);
    const truth = reference.plant.answers(reference.client);
    assert.equal(truth.length, 2);
    const seen = { carried: 0, refused: 0, split: 0, stale: 0 };
    // One plant serves all flips: the flipped vote comes first, so that nothing of the honest one is there yet.
    const { honest } = reference;
    for (const flipped of flipsOf(honest)) {
      const { plant, client } = ordered();
      const intake = plant.orderer.vote(2, flipped);
      plant.answer(1);
      const heard = plant.answers(client);
      if (intake === Intake.malformed) seen.refused++;
      else if (plant.orderer.counters().staleVotes > 0) seen.stale++;
      else if (plant.events().length > 0) seen.split++;
      if (plant.orderer.carried === 1) seen.carried++;
      for (const answer of heard) assert.deepEqual(answer, truth[answer.request - 1]);
      plant.orderer.close();
    }
    for (const [outcome, count] of Object.entries(seen)) assert.ok(count > 30, `${outcome}: ${count}`);
  });

  it("cut anywhere, or with anything behind it, is malformed", () => {
    const { plant, honest } = ordered();
    for (let size = 0; size < honest.length; size++) {
      assert.equal(plant.orderer.vote(2, honest.subarray(0, size)), Intake.malformed);
    }
    assert.equal(plant.orderer.vote(2, Buffer.concat([honest, Buffer.alloc(1)])), Intake.malformed);
    assert.equal(plant.orderer.counters().malformedVotes, honest.length + 1);
    plant.vote(2, honest);
    plant.answer(1);
    assert.equal(plant.orderer.carried, 1);
  });
});
