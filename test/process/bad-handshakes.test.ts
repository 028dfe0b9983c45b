import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { loadServerConfig } from "../../ts/config/index.js";
import { connect } from "../../ts/index.js";
import { flipped, frame, HostilePeer, Opening, type Speech } from "../support/hostile-peer.js";
import { counted, PATIENCE, PlantUnderAttack, sendAndAwaitClose } from "../support/plant-under-attack.js";
import { type Port, requestPacket, strangersKey, upstreamStatus } from "../support/ports-under-attack.js";
import { ONE_SEAT } from "../support/running-plant.js";

describe("a running system that is sent bad handshakes", function () {
  this.timeout(300_000);
  let plant: PlantUnderAttack;

  before(async () => {
    plant = await PlantUnderAttack.start();
  });
  after(() => plant?.stop());
  afterEach("others are served by the same five processes under the same epoch", () => plant.assertUnharmed());

  describe("before a handshake is complete", () => {
    // Other connections may fail to finish a handshake meanwhile, e.g. an honest one that was given up: so "at least".
    async function refusedAt(port: Port, first: readonly Uint8Array[]): Promise<void> {
      const up = await counted(port, async () => {
        await Promise.all(first.map((bytes) => sendAndAwaitClose(port, bytes)));
      });
      assert.ok((up[port.refusals] ?? 0) >= first.length, `${port.name}: ${JSON.stringify(up)}`);
    }

    it("closes at once on random garbage", async () => {
      // A first length above 1 KiB, as 63 of 64 random ones have: shorter ones are a frame to be waited for.
      const garbage = Array.from({ length: 40 }, () =>
        Buffer.concat([Buffer.of(0x04 + ((randomBytes(1)[0] ?? 0) % 0xfb), 1), randomBytes(4096)]),
      );
      for (const port of plant.allPorts) await refusedAt(port, garbage);
    });

    it("closes at once on a first frame of 64 KiB and on one without content", async () => {
      for (const port of plant.allPorts) {
        await refusedAt(port, [frame(Buffer.alloc(0xffff, 1)), Buffer.of(0xff, 0xff), Buffer.of(0, 0)]);
      }
    });

    it("closes on a pattern or a purpose that the port does not serve", async () => {
      for (const port of plant.allPorts) {
        const genuine = new Opening(port.speech).firstFrame;
        const wrongPurpose: Speech = { ...port.speech, purpose: port === plant.ports.twin ? "link" : "twin" };
        await refusedAt(port, [flipped(genuine, 2, 0xff), new Opening(wrongPurpose).firstFrame]);
      }
      const asClient: Speech = {
        pattern: "NK",
        purpose: "client",
        remoteStaticKey: plant.ports.twin.speech.remoteStaticKey,
      };
      await refusedAt(plant.ports.twin, [new Opening(asClient).firstFrame]);
    });

    it("closes on a first message that is altered, cut or made for another server", async () => {
      for (const port of plant.allPorts) {
        const genuine = new Opening(port.speech).firstFrame;
        const elsewhere = new Opening({
          ...port.speech,
          remoteStaticKey:
            plant.ports.twin === port
              ? plant.ports.client.speech.remoteStaticKey
              : plant.ports.twin.speech.remoteStaticKey,
        });
        const frames = [5, 20, genuine.length - 1].map((at) => flipped(genuine, at));
        const cut = frame(genuine.subarray(2, genuine.length - 3));
        // All bytes of an NK message before its tag are the ephemeral key: any is a genuine one but for the tag.
        await refusedAt(port, [...frames, cut, elsewhere.firstFrame]);
      }
    });

    it("closes on a link with a key that no configuration names", async () => {
      const link: Speech = {
        pattern: "IK",
        purpose: "link",
        remoteStaticKey: plant.ports.upstream.speech.remoteStaticKey,
      };
      await refusedAt(plant.ports.upstream, [new Opening({ ...link, staticKey: strangersKey() }).firstFrame]);
      await refusedAt(plant.ports.twin, [
        new Opening({ ...plant.ports.twin.speech, staticKey: strangersKey() }).firstFrame,
      ]);
    });

    it("survives peers that vanish in the middle of it", async () => {
      for (const port of plant.allPorts) {
        const { firstFrame } = new Opening(port.speech);
        for (const part of [firstFrame, firstFrame.subarray(0, 10), Buffer.alloc(0)]) {
          await Promise.all(
            Array.from({ length: 40 }, async () => {
              const peer = await HostilePeer.connect(port.address);
              peer.write(part);
              await peer.reset();
            }),
          );
        }
      }
    });

    it("serves others while hundreds never finish theirs, and closes those when the time for it is over", async () => {
      const before = await Promise.all(plant.allPorts.map((port) => port.counters()));
      const waiting = plant.allPorts.flatMap((port) => {
        const { firstFrame } = new Opening(port.speech);
        return Array.from({ length: 300 }, async (_, i) => {
          const peer = await HostilePeer.connect(port.address);
          peer.write(firstFrame.subarray(0, i % firstFrame.length));
          return peer;
        });
      });
      const peers = await Promise.all(waiting);
      await plant.serveOthers();
      await using newcomer = await connect({ system: plant.running.systemFile, ...PATIENCE });
      await (await newcomer.access(ONE_SEAT)).release();
      assert.equal((await upstreamStatus(plant.running, 2)).id, 2);
      await Promise.all(peers.map((peer) => peer.closed));
      for (const [i, port] of plant.allPorts.entries()) {
        const up = ((await port.counters())[port.refusals] ?? 0) - (before[i]?.[port.refusals] ?? 0);
        assert.ok(up >= 300, `${port.name}: ${up}`);
      }
    });
  });

  describe("a recorded handshake played again", () => {
    it("opens nothing at the client port: what was recorded behind it is not genuine there", async () => {
      const opening = new Opening(plant.ports.client.speech);
      const victim = await HostilePeer.shakeHands(plant.ports.client.address, plant.ports.client.speech, opening);
      const sealed = victim.seal(requestPacket());
      victim.write(sealed);
      await victim.next();
      const up = await counted(plant.ports.client, () =>
        sendAndAwaitClose(plant.ports.client, opening.firstFrame, sealed),
      );
      assert.equal(up["notGenuine"], 1);
      await victim.reset();
    });

    /** Plays the first message of a genuine peer so often that it would push every other connection out. */
    async function playAgain(address: string, speech: Speech): Promise<HostilePeer[]> {
      const { firstFrame } = new Opening(speech);
      return Promise.all(
        Array.from({ length: 60 }, async () => {
          const peer = await HostilePeer.connect(address);
          peer.write(firstFrame);
          return peer;
        }),
      );
    }

    it("moves no link of a TMR server at an upstream", async () => {
      const { noise } = loadServerConfig(plant.running.plant.system.serverFiles[0]).keys;
      const before = await upstreamStatus(plant.running, 2);
      assert.deepEqual(before.links.toSorted(), ["tmr-a", "tmr-b"]);
      const peers = await playAgain(plant.ports.upstream.address, {
        pattern: "IK",
        purpose: "link",
        remoteStaticKey: plant.ports.upstream.speech.remoteStaticKey,
        staticKey: noise,
      });
      await plant.serveOthers();
      for (const peer of peers) peer.write(frame(randomBytes(64)));
      await Promise.all(peers.map((peer) => peer.closed));
      const after = await upstreamStatus(plant.running, 2);
      assert.deepEqual(after.links.toSorted(), ["tmr-a", "tmr-b"]);
      assert.equal(after.counters.links, before.counters.links, "the two links are the ones from before");
    });

    it("does not take the place of the twin", async () => {
      const twins = plant.running.plant.system.system.servers.map(({ name }) => name);
      const log = () => plant.running.logs();
      const before = log();
      const peers = await playAgain(plant.ports.twin.address, plant.ports.twin.speech);
      for (const peer of peers) peer.write(frame(randomBytes(64)));
      await Promise.all(peers.map((peer) => peer.closed));
      const statuses = await plant.running.statuses();
      assert.deepEqual(
        statuses.map(({ name, peer }) => [name, peer.connected]),
        twins.map((name) => [name, true]),
      );
      assert.equal(log(), before, "nobody had anything to report");
    });
  });
});
