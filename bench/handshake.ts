/** Opening a connection: both sides of a Noise handshake, until both have the keys. */

import { engine, handshakePair, present } from "../test/support/native-engine.js";
import { OracleHandshake } from "../test/support/noise-oracle.js";
import type { HandshakeOptions, HandshakePattern } from "../ts/engine/types.js";
import type { Bench, Comparison, Prepared } from "./support/bench.js";
import { compare } from "./support/compare.js";

interface Side {
  write(): Buffer;
  read(message: Uint8Array): void;
  hash(): Buffer;
  close(): void;
}

function nativeSide(options: HandshakeOptions): Side {
  const handshake = engine.createHandshake(options);
  return {
    write: () => present(handshake.writeSync()),
    read: (message) => present(handshake.readSync(message)),
    hash: () => present(handshake.handshakeHash()),
    close: () => handshake.close(),
  };
}

/** By node:crypto, as it reads in the specification; the tests' oracle. */
function nodeSide(options: HandshakeOptions): Side {
  const handshake = new OracleHandshake(options);
  return {
    write: () => handshake.write(),
    read: (message) => {
      handshake.read(message);
    },
    hash: () => handshake.handshakeHash(),
    close: () => {},
  };
}

/** Fixed keys, so that both ways come to the same hash over everything that was said. */
function handshakes(pattern: HandshakePattern, newSide: (options: HandshakeOptions) => Side): Prepared {
  const keys = { initiator: Buffer.alloc(32, 0x11), responder: Buffer.alloc(32, 0x22) };
  const pair = handshakePair(pattern, keys);
  const options = {
    initiator: { ...pair.initiator, ephemeralKey: Buffer.alloc(32, 0x33) },
    responder: { ...pair.responder, ephemeralKey: Buffer.alloc(32, 0x44) },
  };
  let hashes: Uint8Array = new Uint8Array(0);
  return {
    run: () => {
      const initiator = newSide(options.initiator);
      const responder = newSide(options.responder);
      responder.read(initiator.write());
      initiator.read(responder.write());
      hashes = Buffer.concat([initiator.hash(), responder.hash()]);
      initiator.close();
      responder.close();
    },
    output: () => hashes,
  };
}

function comparison(pattern: HandshakePattern): Comparison {
  return {
    work: `${pattern}, both sides`,
    subject: { name: "engine", operations: 1, prepare: () => handshakes(pattern, nativeSide) },
    controls: [{ name: "node:crypto", operations: 1, prepare: () => handshakes(pattern, nodeSide) }],
  };
}

export const handshake: Bench = {
  name: "handshake",
  claim: "a native handshake costs its curve multiplications and is cheaper than the same by node:crypto",
  control: "the same handshake written out on node:crypto",
  disproof: "node:crypto as fast",
  measure: (effort) => compare([comparison("NK"), comparison("IK")], effort),
};
