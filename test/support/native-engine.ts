/** The engine for its tests, with what lies open for tests only, and pairs of sides that talk to each other. */
import { loadEngine } from "../../ts/engine/index.js";
import type { Engine, Handshake, HandshakeOptions, HandshakePattern, Session } from "../../ts/engine/types.js";

/** native/addon/primitives.cpp: the layer below handshakes and sessions. */
export interface Primitives {
  sha256(bytes: Uint8Array): Buffer;
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Buffer;
  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, size: number): Buffer;
  /** null: the shared secret is all zero */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Buffer | null;
  gcmSeal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, text: Uint8Array): Buffer | null;
  gcmOpen(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Buffer | null;
  createSession(
    sendKey: Uint8Array,
    receiveKey: Uint8Array,
    sendCounter: bigint,
    receiveCounter: bigint,
    maxMessageBytes: number,
  ): Session;
  /** bytes of memory that a session holds for what is not complete yet */
  bufferedCapacity(session: Session): number;
}

export const engine: Engine = loadEngine();
export const primitives: Primitives = (engine as Engine & { readonly primitives: Primitives }).primitives;

export const prologueForTests = Buffer.from("tmr-server/1 NK client");

/** The options of both sides of one handshake, with fresh or given keys. */
export function handshakePair(
  pattern: HandshakePattern,
  keys: { readonly initiator?: Uint8Array; readonly responder?: Uint8Array } = {},
  prologue: Uint8Array = prologueForTests,
): { readonly initiator: HandshakeOptions; readonly responder: HandshakeOptions } {
  const responderKey = keys.responder ?? engine.generateKeyPair().privateKey;
  const initiatorKey = keys.initiator ?? engine.generateKeyPair().privateKey;
  return {
    initiator: {
      role: "initiator",
      pattern,
      prologue,
      remoteStaticKey: engine.publicKey(responderKey),
      ...(pattern === "IK" ? { staticKey: initiatorKey } : {}),
    },
    responder: { role: "responder", pattern, prologue, staticKey: responderKey },
  };
}

/** A value that a test expects to be there. */
export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("expected a value, got none");
  return value;
}

/** Runs both sides to the end. */
export function completed(pattern: HandshakePattern): { initiator: Handshake; responder: Handshake } {
  const options = handshakePair(pattern);
  const initiator = engine.createHandshake(options.initiator);
  const responder = engine.createHandshake(options.responder);
  present(responder.readSync(present(initiator.writeSync())));
  present(initiator.readSync(present(responder.writeSync())));
  return { initiator, responder };
}

/** Two sessions that are each other's peer. */
export function sessionPair(maxMessageBytes = 65_000): { a: Session; b: Session } {
  const { initiator, responder } = completed("NK");
  return { a: initiator.split(maxMessageBytes), b: responder.split(maxMessageBytes) };
}

/**
 * Compares messages without printing them when they differ: the difference of two megabytes of bytes takes minutes to
 * write down.
 */
export function sameMessages(opened: readonly Buffer[] | null, expected: readonly Buffer[]): boolean {
  if (opened === null || opened.length !== expected.length) return false;
  return opened.every((message, i) => expected[i]?.equals(message) === true);
}
