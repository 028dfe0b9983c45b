/**
 * Our own vectors, test/vectors/packets.json: whole connections as bytes, from the first message on, for whoever writes
 * a client in another language. TMR_WRITE_VECTORS=1 writes the file anew from the oracle.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import type { HandshakeOptions, HandshakePattern } from "../../ts/engine/types.js";
import { engine, present, primitives } from "../support/native-engine.js";
import { FRAMES_PER_KEY, OracleCipher, OracleHandshake, oraclePublicKey, oracleSeal } from "../support/noise-oracle.js";
import { unhex } from "../support/published-vectors.js";

const path = "test/vectors/packets.json";
const key = (fill: number): Buffer => Buffer.alloc(32, fill);

interface Frames {
  readonly message: string;
  readonly fragmentBytes: number;
  readonly frames: string;
}
interface Connection {
  readonly pattern: HandshakePattern;
  readonly prologue: string;
  readonly initiatorStatic: string | null;
  readonly initiatorEphemeral: string;
  readonly responderStatic: string;
  readonly responderPublic: string;
  readonly responderEphemeral: string;
  readonly firstMessage: string;
  readonly secondMessage: string;
  readonly handshakeHash: string;
  readonly fromInitiator: readonly Frames[];
  readonly fromResponder: readonly Frames[];
}
interface Rekey {
  readonly key: string;
  readonly counter: string;
  readonly frames: readonly string[];
  readonly messages: readonly string[];
}
interface Vectors {
  readonly note: string;
  readonly connections: readonly Connection[];
  readonly rekey: Rekey;
}

function optionsOf(connection: Omit<Connection, "firstMessage">): [HandshakeOptions, HandshakeOptions] {
  const { pattern } = connection;
  const prologue = Buffer.from(connection.prologue);
  return [
    {
      role: "initiator",
      pattern,
      prologue,
      ephemeralKey: unhex(connection.initiatorEphemeral),
      remoteStaticKey: unhex(connection.responderPublic),
      ...(connection.initiatorStatic === null ? {} : { staticKey: unhex(connection.initiatorStatic) }),
    },
    {
      role: "responder",
      pattern,
      prologue,
      ephemeralKey: unhex(connection.responderEphemeral),
      staticKey: unhex(connection.responderStatic),
    },
  ];
}

function makeConnection(pattern: HandshakePattern, prologue: string): Connection {
  const fixed = {
    pattern,
    prologue,
    initiatorStatic: pattern === "IK" ? key(1).toString("hex") : null,
    initiatorEphemeral: key(2).toString("hex"),
    responderStatic: key(3).toString("hex"),
    responderPublic: oraclePublicKey(key(3)).toString("hex"),
    responderEphemeral: key(4).toString("hex"),
  };
  const draft = { ...fixed, secondMessage: "", handshakeHash: "", fromInitiator: [], fromResponder: [] };
  const [initiator, responder] = optionsOf(draft).map((options) => new OracleHandshake(options));
  assert.ok(initiator !== undefined && responder !== undefined);
  const firstMessage = initiator.write();
  responder.read(firstMessage);
  const secondMessage = responder.write();
  initiator.read(secondMessage);
  const seal = (cipher: OracleCipher) => (text: string, i: number) => {
    const fragmentBytes = i === 1 ? 4 : 65_518;
    return {
      message: text,
      fragmentBytes,
      frames: oracleSeal(cipher, Buffer.from(text), fragmentBytes).toString("hex"),
    };
  };
  return {
    ...fixed,
    firstMessage: firstMessage.toString("hex"),
    secondMessage: secondMessage.toString("hex"),
    handshakeHash: initiator.handshakeHash().toString("hex"),
    fromInitiator: ["one frame", "three frames", ""].map(seal(initiator.split().send)),
    fromResponder: ["answer", "in fragments"].map(seal(responder.split().send)),
  };
}

function makeVectors(): Vectors {
  const messages = ["last frame under the first key", "first frame under the second key"];
  const cipher = new OracleCipher(key(5), FRAMES_PER_KEY - 1n);
  return {
    note: "All bytes in hexadecimal; messages and prologues are ASCII. Handshake messages are bare, without the bytes that frame them on the wire.",
    connections: [
      makeConnection("NK", "tmr-server/1 NK client"),
      makeConnection("IK", "tmr-server/1 IK client"),
      makeConnection("IK", "tmr-server/1 IK link"),
    ],
    rekey: {
      key: key(5).toString("hex"),
      counter: String(FRAMES_PER_KEY - 1n),
      messages,
      frames: messages.map((text) => oracleSeal(cipher, Buffer.from(text)).toString("hex")),
    },
  };
}

if (process.env["TMR_WRITE_VECTORS"] === "1") writeFileSync(path, `${JSON.stringify(makeVectors(), null, 2)}\n`);
const vectors = JSON.parse(readFileSync(path, "utf8")) as Vectors;

describe("packet vectors", () => {
  it("are what the oracle makes", () => {
    assert.deepEqual(vectors, makeVectors());
  });

  for (const connection of vectors.connections) {
    it(`hold for the engine: ${connection.prologue}`, () => {
      const [initiator, responder] = optionsOf(connection).map((options) => engine.createHandshake(options));
      assert.ok(initiator !== undefined && responder !== undefined);
      assert.equal(initiator.writeSync()?.toString("hex"), connection.firstMessage);
      assert.deepEqual(responder.readSync(unhex(connection.firstMessage)), Buffer.alloc(0));
      assert.equal(responder.writeSync()?.toString("hex"), connection.secondMessage);
      assert.deepEqual(initiator.readSync(unhex(connection.secondMessage)), Buffer.alloc(0));
      assert.equal(initiator.handshakeHash()?.toString("hex"), connection.handshakeHash);
      const [a, b] = [initiator.split(100), responder.split(100)];
      for (const { message, frames } of connection.fromInitiator) {
        assert.deepEqual(b.open(unhex(frames)), [Buffer.from(message)]);
      }
      for (const { message, frames } of connection.fromResponder) {
        assert.deepEqual(a.open(unhex(frames)), [Buffer.from(message)]);
      }
      // The engine fills a frame before it begins the next, so it makes the same bytes where the vector does so too.
      const [first] = connection.fromInitiator;
      const again = optionsOf(connection)[0];
      const sender = engine.createHandshake(again);
      sender.writeSync();
      sender.readSync(unhex(connection.secondMessage));
      assert.equal(present(sender.split(100).seal(Buffer.from(first?.message ?? ""))).toString("hex"), first?.frames);
    });
  }

  it("hold for the engine: the next key", () => {
    const { rekey } = vectors;
    const counter = BigInt(rekey.counter);
    const receiver = primitives.createSession(key(6), unhex(rekey.key), 0n, counter, 100);
    const sender = primitives.createSession(unhex(rekey.key), key(6), counter, 0n, 100);
    rekey.messages.forEach((message, i) => {
      assert.deepEqual(receiver.open(unhex(rekey.frames[i] ?? "")), [Buffer.from(message)]);
      assert.equal(sender.seal(Buffer.from(message))?.toString("hex"), rekey.frames[i]);
    });
  });
});
