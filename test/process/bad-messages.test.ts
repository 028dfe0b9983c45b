import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { encodeLink } from "../../ts/wire/link.js";
import { MESSAGE_HEADER_BYTES, MessageField, MessageType, newMessage } from "../../ts/wire/message.js";
import { RequestField } from "../../ts/wire/request.js";
import { flipped, frame, type HostilePeer } from "../support/hostile-peer.js";
import { counted, PlantUnderAttack, shakeHands } from "../support/plant-under-attack.js";
import { asked, type Counters, type Port, requestPacket } from "../support/ports-under-attack.js";
import { ONE_SEAT, until } from "../support/running-plant.js";

const MIB = 1024 * 1024;

describe("a running system that is sent bad messages", function () {
  this.timeout(300_000);
  let plant: PlantUnderAttack;

  before(async () => {
    plant = await PlantUnderAttack.start();
  });
  after(() => plant?.stop());
  afterEach("others are served by the same five processes under the same epoch", () => plant.assertUnharmed());

  describe("on an encrypted connection", () => {
    /** Each is sent on a connection of its own, which must be closed; counts what became of them. */
    async function closedBy(port: Port, attacks: readonly ((peer: HostilePeer) => Uint8Array)[]): Promise<Counters> {
      return counted(port, async () => {
        for (const attack of attacks) {
          const peer = await shakeHands(port);
          peer.write(attack(peer));
          await peer.closed;
        }
      });
    }

    it("closes on bytes that are not genuine", async () => {
      const attacks = [
        () => frame(randomBytes(200)),
        () => frame(Buffer.alloc(0)),
        () => frame(randomBytes(16)),
        () => Buffer.alloc(0xffff + 2, 0xff),
        (peer: HostilePeer) => flipped(peer.seal(requestPacket()), 2),
        (peer: HostilePeer) => flipped(peer.seal(requestPacket()), 60, 0x80),
        (peer: HostilePeer) => {
          const sealed = peer.seal(requestPacket());
          return flipped(sealed, sealed.length - 1);
        },
        // The same frame again: its counter is used up.
        (peer: HostilePeer) => {
          const sealed = peer.seal(requestPacket());
          return Buffer.concat([sealed, sealed]);
        },
        // A frame left out.
        (peer: HostilePeer) => {
          peer.seal(requestPacket());
          return peer.seal(requestPacket());
        },
      ];
      const atClient = await closedBy(plant.ports.client, attacks);
      assert.deepEqual([atClient["notGenuine"], atClient["malformedPackets"]], [attacks.length, 0]);
      const atUpstream = await closedBy(plant.ports.upstream, attacks);
      assert.equal(atUpstream["malformedPackets"], attacks.length);
    });

    it("closes on a message above the limit before it is complete", async () => {
      for (const port of plant.clientPorts) {
        const up = await closedBy(port, [(peer) => peer.seal(Buffer.alloc(3 * MIB))]);
        assert.equal((up["notGenuine"] ?? 0) + (port === plant.ports.upstream ? (up["malformedPackets"] ?? 0) : 0), 1);
      }
    });

    const packet = requestPacket();
    const record = MESSAGE_HEADER_BYTES;
    function altered(change: (bytes: Buffer) => void): Buffer {
      const bytes = Buffer.from(packet);
      change(bytes);
      return bytes;
    }
    function blobRange(offset: number, length: number): Buffer {
      return altered((bytes) => {
        bytes.writeUInt32LE(offset, record + RequestField.blobOffset);
        bytes.writeUInt32LE(length, record + RequestField.blobLength);
      });
    }
    const malformed: Readonly<Record<string, Buffer>> = {
      "a flag": altered((bytes) => bytes.writeUInt16LE(1, record + RequestField.flags)),
      "a reserved byte of the record": altered((bytes) => bytes.writeUInt8(1, record + RequestField.reserved)),
      "a release time of 2^53": altered((bytes) => bytes.writeUInt8(0x20, record + RequestField.releaseMs + 6)),
      "a reserved byte of the message": altered((bytes) => bytes.writeUInt8(1, MessageField.reserved)),
      "another version": altered((bytes) => bytes.writeUInt8(2, MessageField.version)),
      "a request number of 2^53": altered((bytes) => bytes.writeUInt32LE(0x20_0000, record + RequestField.request + 4)),
      "a blob where there is none": blobRange(0, 1),
      "a blob behind the end": blobRange(1000, 4),
      "a blob range that overflows 32 bits": blobRange(0xffff_ffff, 2),
      "the longest blob there is": blobRange(0, 0xffff_ffff),
      "an offset without a blob": blobRange(1, 0),
      "more records than there are": altered((bytes) => bytes.writeUInt32LE(2, MessageField.count)),
      "2^32 - 1 records": altered((bytes) => bytes.writeUInt32LE(0xffff_ffff, MessageField.count)),
      "as many records as make a zero product": altered((bytes) => bytes.writeUInt32LE(0x200_0001, MessageField.count)),
      "no records": newMessage(MessageType.requests, 0),
      "a length that is not the message's": altered((bytes) => bytes.writeUInt32LE(127, MessageField.bodyBytes)),
      "half a header": packet.subarray(0, 8),
      nothing: Buffer.alloc(0),
      results: altered((bytes) => bytes.writeUInt8(MessageType.results, MessageField.type)),
      "a message between servers": encodeLink({ type: "prepare", epoch: 1_000, ask: 1 }),
    };

    it(`closes on a packet that is none: ${Object.keys(malformed).join(", ")}`, async () => {
      const attacks = Object.values(malformed).map((bytes) => (peer: HostilePeer) => peer.seal(bytes));
      for (const port of plant.clientPorts) {
        const up = await closedBy(port, attacks);
        assert.equal(up["malformedPackets"], attacks.length, port.name);
      }
    });

    it("answers bad-request to kinds that it does not know or that are not a client's, and stays", async () => {
      const kinds = [0, 16, 63, 66, 127, Kind.expire, Kind.statement, Kind.notice, 255];
      for (const port of plant.clientPorts) {
        const peer = await shakeHands(port);
        const up = await counted(port, async () => {
          for (const kind of kinds) {
            const [answer] = await asked(peer, requestPacket({ kind }));
            assert.deepEqual([answer?.result.kind, answer?.result.status], [kind, Status["bad-request"]], port.name);
          }
        });
        // Those from 64 to 127 are about the TMR server itself, which answers that it does not know them.
        const expected = port === plant.ports.client ? kinds.filter((kind) => kind < 64 || kind > 127) : kinds;
        assert.equal(up["unknownKinds"], expected.length, port.name);
        const [answer] = await asked(peer, requestPacket());
        assert.equal(answer?.result.status, Status.ok);
        await peer.reset();
      }
    });

    it("answers bad-request to a session of zeros, a request number of zero and a mark that it did not give", async () => {
      const peer = await shakeHands(plant.ports.client);
      for (const wrong of [
        { session: Buffer.alloc(16) },
        { request: 0 },
        { mark: 1, markProof: randomBytes(8) },
        { mark: Number.MAX_SAFE_INTEGER, markProof: randomBytes(8) },
        { markProof: randomBytes(8) },
      ]) {
        const [answer] = await asked(peer, requestPacket({ kind: Kind.access, ...wrong }));
        assert.equal(answer?.result.status, Status["bad-request"]);
      }
      await peer.reset();
    });

    it("gives nobody a session, handle or seat for guessing", async () => {
      const peer = await shakeHands(plant.ports.client);
      await using handle = await plant.honest.access(ONE_SEAT);
      for (const kind of [Kind.access, Kind.release, Kind.info, Kind.heartbeat, Kind.closeSession, Kind.items]) {
        const [answer] = await asked(peer, requestPacket({ kind, handle: handle.id, quantity: 1, ...ONE_SEAT }));
        assert.equal(answer?.result.status, Status["session-unknown"], `kind ${kind}`);
      }
      assert.equal((await handle.info()).free, 0);
      await peer.reset();
    });

    it("passes over what is no heartbeat on the twin port, and closes on what is not genuine", async () => {
      const up = await counted(plant.ports.twin, async () => {
        const before = (await plant.ports.twin.counters())["malformedTwins"] ?? 0;
        const peer = await shakeHands(plant.ports.twin);
        const messages = [
          randomBytes(50),
          encodeLink({ type: "prepare", epoch: 1, ask: 1 }),
          Buffer.alloc(0),
          requestPacket(),
        ];
        for (const message of messages) peer.send(message);
        // A chunk is opened as a whole or not at all: so the garbage must not arrive together with them.
        await until("the messages are passed over", async () =>
          (await plant.ports.twin.counters())["malformedTwins"] === before + messages.length ? true : null,
        );
        peer.write(frame(randomBytes(40)));
        await peer.closed;
        const tooLong = await shakeHands(plant.ports.twin);
        tooLong.send(Buffer.alloc(2_000));
        await tooLong.closed;
      });
      assert.equal(up["malformedTwins"], 6);
    });
  });
});
