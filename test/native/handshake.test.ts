/** Handshakes of the native engine with itself and with the oracle, and with bytes that are not genuine. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Handshake } from "../../ts/engine/types.js";
import { completed, engine, handshakePair, present } from "../support/native-engine.js";
import { OracleHandshake, oracleOpen, oraclePublicKey, oracleSeal } from "../support/noise-oracle.js";
import { seeded } from "../support/seeded.js";

const patterns = ["NK", "IK"] as const;
const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const key = bytes(32, 32);
const scenario = fc.record({
  pattern: fc.constantFrom(...patterns),
  prologue: bytes(0, 64),
  initiator: key,
  responder: key,
  initiatorEphemeral: key,
  responderEphemeral: key,
  payloads: fc.tuple(bytes(0, 300), bytes(0, 300)),
  messages: fc.array(bytes(0, 200), { maxLength: 4 }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

function optionsOf(s: Scenario) {
  const { initiator, responder } = handshakePair(s.pattern, s, s.prologue);
  return {
    initiator: { ...initiator, ephemeralKey: s.initiatorEphemeral },
    responder: { ...responder, ephemeralKey: s.responderEphemeral },
  };
}

/** A responder that has a genuine first message in hand, as copies of one state. */
function firstMessage(pattern: "NK" | "IK"): { message: Buffer; responder: () => Handshake } {
  const options = handshakePair(pattern);
  const message = present(engine.createHandshake(options.initiator).writeSync(Buffer.from("payload")));
  return { message, responder: () => engine.createHandshake(options.responder) };
}

function assertRefused(handshake: Handshake, message: Uint8Array, what: string): void {
  assert.equal(handshake.readSync(message), null, what);
  assert.equal(handshake.complete, false, what);
  assert.equal(handshake.remoteStaticKey(), null, what);
  assert.throws(() => handshake.readSync(message), { code: "ERR_TMR_STATE" }, what);
  handshake.close();
}

describe("handshake", () => {
  it("gives the oracle's bytes as initiator and as responder, and sessions that the oracle understands", () => {
    fc.assert(
      fc.property(scenario, (s) => {
        const options = optionsOf(s);
        const native = [engine.createHandshake(options.initiator), engine.createHandshake(options.responder)] as const;
        const oracle = [new OracleHandshake(options.initiator), new OracleHandshake(options.responder)] as const;
        for (const [index, writer, reader] of [
          [0, 0, 1],
          [1, 1, 0],
        ] as const) {
          const message = present(native[writer].writeSync(s.payloads[index]));
          assert.deepEqual(oracle[writer].write(s.payloads[index]), message);
          assert.deepEqual(native[reader].readSync(message), Buffer.from(s.payloads[index]));
          assert.deepEqual(oracle[reader].read(message), Buffer.from(s.payloads[index]));
        }
        const remote = s.pattern === "IK" ? oraclePublicKey(s.initiator) : null;
        assert.deepEqual(native[1].remoteStaticKey(), remote);
        for (const side of [0, 1] as const) {
          assert.deepEqual(native[side].handshakeHash(), oracle[side].handshakeHash());
          const session = native[side].split(1000);
          const peer = oracle[1 - side]?.split();
          assert.ok(peer !== undefined);
          for (const message of s.messages) {
            const expected = [Buffer.from(message)];
            assert.deepEqual(oracleOpen(peer.receive, present(session.seal(message))), expected);
            assert.deepEqual(session.open(oracleSeal(peer.send, message, 50)), expected);
          }
        }
      }),
      seeded(60),
    );
  });

  it("gives the same bytes on a worker thread as on the calling thread", async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (s) => {
        const options = optionsOf(s);
        const [initiator, twin] = [
          engine.createHandshake(options.initiator),
          engine.createHandshake(options.initiator),
        ];
        const responder = engine.createHandshake(options.responder);
        const first = present(await initiator.write(s.payloads[0]));
        assert.deepEqual(twin.writeSync(s.payloads[0]), first);
        assert.deepEqual(await responder.read(first), Buffer.from(s.payloads[0]));
        const second = present(await responder.write(s.payloads[1]));
        assert.deepEqual(await initiator.read(second), Buffer.from(s.payloads[1]));
        assert.deepEqual(twin.readSync(second), Buffer.from(s.payloads[1]));
        assert.deepEqual(initiator.handshakeHash(), responder.handshakeHash());
      }),
      seeded(20),
    );
  });

  it("takes a fresh ephemeral key each time", () => {
    const options = handshakePair("NK").initiator;
    const heads = new Set<string>();
    for (let i = 0; i < 50; i++) {
      heads.add(present(engine.createHandshake(options).writeSync()).toString("hex", 0, 32));
    }
    assert.equal(heads.size, 50);
  });

  for (const pattern of patterns) {
    it(`${pattern}: refuses the first message at every truncation and every single-bit flip, and is over then`, () => {
      const { message, responder } = firstMessage(pattern);
      for (let size = 0; size < message.length; size++) {
        assertRefused(responder(), message.subarray(0, size), `${size} bytes`);
      }
      for (let bit = 0; bit < message.length * 8; bit++) {
        const altered = Buffer.from(message);
        altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        // The top bit of a public key means nothing to X25519, but the handshake's hash covers it all the same.
        assertRefused(responder(), altered, `bit ${bit}`);
      }
      assertRefused(responder(), Buffer.concat([message, Buffer.alloc(1)]), "one byte more");
      assertRefused(responder(), Buffer.alloc(70_000), "longer than any message");
      assert.deepEqual(responder().readSync(message), Buffer.from("payload"));
    });

    it(`${pattern}: refuses the second message at every truncation and every single-bit flip`, () => {
      const options = handshakePair(pattern);
      const ephemeralKey = engine.generateKeyPair().privateKey;
      const initiator = () => engine.createHandshake({ ...options.initiator, ephemeralKey });
      const responder = engine.createHandshake(options.responder);
      responder.readSync(present(initiator().writeSync()));
      const message = present(responder.writeSync());
      for (let i = 0; i < message.length * 9; i++) {
        const side = initiator();
        side.writeSync();
        const altered = Buffer.from(i < message.length ? message.subarray(0, i) : message);
        const bit = i - message.length;
        if (bit >= 0) altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        assert.equal(side.readSync(altered), null);
        assert.equal(side.handshakeHash(), null);
        assert.throws(() => side.split(1000), { code: "ERR_TMR_STATE" });
      }
    });

    it(`${pattern}: refuses a peer of another prologue, pattern or responder key`, () => {
      const { initiator, responder } = handshakePair(pattern);
      const other = handshakePair(pattern === "NK" ? "IK" : "NK");
      const refused = (first: typeof initiator) => {
        const message = present(engine.createHandshake(first).writeSync());
        assert.equal(engine.createHandshake(responder).readSync(message), null);
      };
      refused({ ...initiator, prologue: Buffer.from("tmr-server/2") });
      refused({ ...initiator, remoteStaticKey: engine.generateKeyPair().publicKey });
      refused({ ...other.initiator, remoteStaticKey: present(initiator.remoteStaticKey) });
    });

    it(`${pattern}: refuses public keys whose shared secret is all zero`, () => {
      const zero = Buffer.alloc(32);
      const one = Buffer.alloc(32);
      one[0] = 1;
      for (const crafted of [zero, one]) {
        const { initiator, responder } = handshakePair(pattern);
        assert.equal(engine.createHandshake({ ...initiator, remoteStaticKey: crafted }).writeSync(), null);
        const message = Buffer.concat([crafted, Buffer.alloc(64)]);
        assert.equal(engine.createHandshake(responder).readSync(message), null);
      }
    });
  }

  it("carries the longest payload that a message has room for", () => {
    const { initiator, responder } = handshakePair("NK");
    const payload = Buffer.alloc(65_535 - 48, 7);
    const message = present(engine.createHandshake(initiator).writeSync(payload));
    assert.equal(message.length, 65_535);
    assert.deepEqual(engine.createHandshake(responder).readSync(message), payload);
    const tooLong = Buffer.alloc(payload.length + 1);
    assert.throws(() => engine.createHandshake(initiator).writeSync(tooLong), { code: "ERR_TMR_ARGUMENT" });
  });

  it("knows its state: complete, peer's key and hash come at their time", () => {
    const { initiator, responder } = handshakePair("IK");
    const [a, b] = [engine.createHandshake(initiator), engine.createHandshake(responder)];
    assert.deepEqual([a.complete, b.complete, a.handshakeHash(), b.remoteStaticKey()], [false, false, null, null]);
    assert.deepEqual(a.remoteStaticKey(), initiator.remoteStaticKey);
    b.readSync(present(a.writeSync()));
    assert.deepEqual(b.remoteStaticKey(), engine.publicKey(present(initiator.staticKey)));
    assert.deepEqual([a.complete, b.complete], [false, false]);
    a.readSync(present(b.writeSync()));
    assert.deepEqual([a.complete, b.complete], [true, true]);
    a.split(1000).close();
    assert.equal(a.complete, true);
    assert.deepEqual(a.handshakeHash(), b.handshakeHash());
  });

  it("splits into sessions that do not depend on the handshake any more", () => {
    const { initiator, responder } = completed("IK");
    const [a, b] = [initiator.split(1000), responder.split(1000)];
    initiator.close();
    responder.close();
    assert.deepEqual(b.open(present(a.seal(Buffer.from("after")))), [Buffer.from("after")]);
  });
});
