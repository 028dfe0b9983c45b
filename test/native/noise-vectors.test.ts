/** Published Noise vectors (cacophony) against the native handshakes, and against the oracle of the other tests. */
import assert from "node:assert/strict";
import type { HandshakeOptions, HandshakePattern } from "../../ts/engine/types.js";
import { engine } from "../support/native-engine.js";
import { OracleHandshake } from "../support/noise-oracle.js";
import { publishedVectors, unhex } from "../support/published-vectors.js";

interface NoiseVector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_static?: string;
  readonly init_ephemeral: string;
  readonly init_remote_static: string;
  readonly resp_prologue: string;
  readonly resp_static: string;
  readonly resp_ephemeral: string;
  readonly handshake_hash: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const EMPTY = Buffer.alloc(0);
const file = publishedVectors<{ readonly vectors: readonly NoiseVector[] }>("noise-cacophony-25519-sha256.json");

function vectorOf(pattern: HandshakePattern): NoiseVector {
  const found = file?.vectors.find((vector) => vector.protocol_name === `Noise_${pattern}_25519_AESGCM_SHA256`);
  assert.ok(found !== undefined, `the file has no vector for ${pattern}`);
  return found;
}

function optionsOf(vector: NoiseVector, pattern: HandshakePattern): [HandshakeOptions, HandshakeOptions] {
  return [
    {
      role: "initiator",
      pattern,
      prologue: unhex(vector.init_prologue),
      ephemeralKey: unhex(vector.init_ephemeral),
      remoteStaticKey: unhex(vector.init_remote_static),
      ...(vector.init_static === undefined ? {} : { staticKey: unhex(vector.init_static) }),
    },
    {
      role: "responder",
      pattern,
      prologue: unhex(vector.resp_prologue),
      ephemeralKey: unhex(vector.resp_ephemeral),
      staticKey: unhex(vector.resp_static),
    },
  ];
}

/** Payload and ciphertext of message `index`. */
function messageOf(vector: NoiseVector, index: number): { payload: Buffer; ciphertext: Buffer } {
  const message = vector.messages[index];
  assert.ok(message !== undefined);
  return { payload: unhex(message.payload), ciphertext: unhex(message.ciphertext) };
}

describe("published Noise vectors", () => {
  if (file === null) return;
  for (const pattern of ["NK", "IK"] as const) {
    const vector = vectorOf(pattern);
    const [initiatorOptions, responderOptions] = optionsOf(vector, pattern);
    const first = messageOf(vector, 0);
    const second = messageOf(vector, 1);

    it(`of ${pattern}: the native handshake writes and reads the published messages and ends with the published hash`, () => {
      const initiator = engine.createHandshake(initiatorOptions);
      const responder = engine.createHandshake(responderOptions);
      assert.deepEqual(initiator.writeSync(first.payload), first.ciphertext);
      assert.deepEqual(responder.readSync(first.ciphertext), first.payload);
      assert.deepEqual(responder.writeSync(second.payload), second.ciphertext);
      assert.deepEqual(initiator.readSync(second.ciphertext), second.payload);
      for (const side of [initiator, responder]) {
        assert.equal(side.complete, true);
        assert.deepEqual(side.handshakeHash(), unhex(vector.handshake_hash));
      }
      const initiatorKey = pattern === "IK" ? engine.publicKey(unhex(vector.init_static ?? "")) : null;
      assert.deepEqual(responder.remoteStaticKey(), initiatorKey);
    });

    it(`of ${pattern}: the native sessions encrypt with the published transport keys and nonces`, () => {
      const sides = [initiatorOptions, responderOptions].map((options) => engine.createHandshake(options));
      const [initiator, responder] = sides;
      assert.ok(initiator !== undefined && responder !== undefined);
      initiator.writeSync(first.payload);
      responder.readSync(first.ciphertext);
      responder.writeSync(second.payload);
      initiator.readSync(second.ciphertext);
      const sessions = [initiator.split(1000), responder.split(1000)];
      for (let i = 2; i < vector.messages.length; i++) {
        // A session's plaintext begins with `more`, the vector's does not. In counter mode the same key and nonce show
        // as the same difference between plaintext and ciphertext: byte 0 differs as `more` does, the others are equal.
        const { payload, ciphertext } = messageOf(vector, i);
        const frame = sessions[i % 2]?.seal(payload.subarray(1));
        assert.ok(frame !== null && frame !== undefined);
        assert.equal(frame.readUInt16BE(0), ciphertext.length);
        assert.equal(frame.readUInt8(2), ciphertext.readUInt8(0) ^ payload.readUInt8(0));
        assert.deepEqual(frame.subarray(3, -16), ciphertext.subarray(1, -16));
      }
    });

    it(`of ${pattern}: the oracle gives all published bytes`, () => {
      const initiator = new OracleHandshake(initiatorOptions);
      const responder = new OracleHandshake(responderOptions);
      assert.deepEqual(initiator.write(first.payload), first.ciphertext);
      assert.deepEqual(responder.read(first.ciphertext), first.payload);
      assert.deepEqual(responder.write(second.payload), second.ciphertext);
      assert.deepEqual(initiator.read(second.ciphertext), second.payload);
      assert.deepEqual(initiator.handshakeHash(), unhex(vector.handshake_hash));
      const sides = [initiator.split(), responder.split()];
      for (let i = 2; i < vector.messages.length; i++) {
        const { payload, ciphertext } = messageOf(vector, i);
        assert.deepEqual(sides[i % 2]?.send.encrypt(EMPTY, payload), ciphertext);
        assert.deepEqual(sides[(i + 1) % 2]?.receive.decrypt(EMPTY, ciphertext), payload);
      }
    });
  }
});
