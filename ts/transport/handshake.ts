/**
 * Opens and accepts encrypted connections: a Noise handshake of two messages over a socket. The first frame is
 * u16 length, u8 pattern, Noise message 1; the answer is u16 length, Noise message 2 (architecture.md section 4).
 */
import type { Socket } from "node:net";
import type { Engine, Handshake, HandshakePattern, Session } from "../engine/types.js";
import { TmrError } from "../errors.js";
import type { Turns } from "./turns.js";

/** What a connection is for; part of the prologue, so that a session for one use cannot be opened as another. */
export type Purpose = "client" | "link" | "twin";

/** A finished handshake. `rest` holds bytes that arrived behind it: they are the first to give to `session.open`. */
export interface Established {
  readonly session: Session;
  readonly rest: Buffer;
  readonly pattern: HandshakePattern;
  readonly purpose: Purpose;
  /** The peer's static public key, where the pattern carries one. */
  readonly remoteStaticKey: Buffer | null;
}

export interface InitiateOptions {
  readonly pattern: HandshakePattern;
  readonly purpose: Purpose;
  /** own static private key, with IK */
  readonly staticKey?: Uint8Array;
  readonly remoteStaticKey: Uint8Array;
  readonly maxMessageBytes: number;
  readonly timeoutMs: number;
}

export interface RespondOptions {
  readonly staticKey: Uint8Array;
  /** The purpose this listener serves under a pattern, or null when it does not. */
  purposeOf(pattern: HandshakePattern): Purpose | null;
  /** Whether the peer may in: called with its static key, null under NK. */
  admit(pattern: HandshakePattern, remoteStaticKey: Buffer | null): boolean;
  maxMessageBytes(purpose: Purpose): number;
  readonly timeoutMs: number;
  /** handshakes of one listener that are computed by turns; without it all at once */
  readonly turns?: Turns;
}

const MAX_HANDSHAKE_FRAME_BYTES = 1024;
const patternCodes = { NK: 1, IK: 2 } as const;
const CLOSED = "connection closed during the handshake";

function prologueOf(pattern: HandshakePattern, purpose: Purpose): Buffer {
  return Buffer.from(`tmr-server/1 ${pattern} ${purpose}`, "ascii");
}

function framed(...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const frame = Buffer.alloc(2 + body.length);
  frame.writeUInt16BE(body.length, 0);
  body.copy(frame, 2);
  return frame;
}

/**
 * Reads exactly one frame from a socket in flowing order and leaves the socket paused, so that no byte behind the
 * frame is lost. Rejects when the socket ends, the frame is too long, or the time is over.
 */
function readFrame(socket: Socket, timeoutMs: number): Promise<{ frame: Buffer; rest: Buffer }> {
  // It may have closed while the handshake was computed: nobody listened then, and nothing is said again.
  if (socket.destroyed) return Promise.reject(new Error(CLOSED));
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const finish = (error: Error | null, value?: { frame: Buffer; rest: Buffer }) => {
      clearTimeout(timer);
      socket.off("data", onData);
      socket.off("close", onClose);
      socket.off("error", onError);
      socket.pause();
      if (value !== undefined) resolve(value);
      else reject(error ?? new Error(CLOSED));
    };
    const onData = (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      if (received.length < 2) return;
      const length = received.readUInt16BE(0);
      if (length === 0 || length > MAX_HANDSHAKE_FRAME_BYTES) {
        finish(new Error(`handshake frame of ${length} bytes, expected 1 to ${MAX_HANDSHAKE_FRAME_BYTES}`));
      } else if (received.length >= 2 + length) {
        finish(null, { frame: received.subarray(2, 2 + length), rest: received.subarray(2 + length) });
      }
    };
    const onClose = () => finish(null);
    const onError = (error: Error) => finish(error);
    const timer = setTimeout(() => finish(new Error(`no handshake within ${timeoutMs} ms`)), timeoutMs);
    socket.on("data", onData);
    socket.on("close", onClose);
    socket.on("error", onError);
    socket.resume();
  });
}

/** Frees the native handshake whatever happens; a connection that did not get its session is destroyed. */
async function withHandshake<T>(socket: Socket, handshake: Handshake, run: () => Promise<T>): Promise<T> {
  // Errors of the socket surface as a failed read or as its close; without a listener Node would end the process. It
  // stays: an error may be said in a later turn than the one in which the handshake was given up.
  socket.on("error", () => {});
  try {
    return await run();
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    handshake.close();
  }
}

/**
 * Runs the initiator's side on a connected socket. Rejects with ERR_TMR_CONNECT when the peer is silent or leaves, with
 * ERR_TMR_PROTOCOL when what it says is not genuine; the socket is destroyed then.
 */
export function initiate(socket: Socket, engine: Engine, options: InitiateOptions): Promise<Established> {
  const handshake = engine.createHandshake({
    role: "initiator",
    pattern: options.pattern,
    prologue: prologueOf(options.pattern, options.purpose),
    remoteStaticKey: options.remoteStaticKey,
    ...(options.staticKey === undefined ? {} : { staticKey: options.staticKey }),
  });
  return withHandshake(socket, handshake, async () => {
    const first = await handshake.write();
    if (first === null) throw new TmrError("ERR_TMR_KEY", "the server's public key is not a valid X25519 key");
    socket.write(framed(Buffer.of(patternCodes[options.pattern]), first));
    const answer = await readFrame(socket, options.timeoutMs).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new TmrError("ERR_TMR_CONNECT", `the server did not answer the handshake: ${reason}`, { cause });
    });
    if ((await handshake.read(answer.frame)) === null) {
      throw new TmrError("ERR_TMR_PROTOCOL", "the server's handshake answer does not fit its public key");
    }
    // Whoever gets the socket now would wait for a close that has been.
    if (socket.destroyed) throw new TmrError("ERR_TMR_CONNECT", CLOSED);
    return {
      session: handshake.split(options.maxMessageBytes),
      rest: answer.rest,
      pattern: options.pattern,
      purpose: options.purpose,
      remoteStaticKey: Buffer.from(options.remoteStaticKey),
    };
  });
}

function parseFirstFrame(frame: Buffer): { pattern: HandshakePattern; message: Buffer } | null {
  const pattern = frame[0] === patternCodes.NK ? "NK" : frame[0] === patternCodes.IK ? "IK" : null;
  return pattern === null ? null : { pattern, message: frame.subarray(1) };
}

/**
 * Runs the responder's side on an accepted socket. Resolves to null, with the socket destroyed and nothing
 * answered, when the peer is silent, speaks another protocol, or is not admitted.
 */
export async function respond(socket: Socket, engine: Engine, options: RespondOptions): Promise<Established | null> {
  const read = await readFrame(socket, options.timeoutMs).catch(() => null);
  const first = read === null ? null : parseFirstFrame(read.frame);
  const purpose = first === null ? null : options.purposeOf(first.pattern);
  if (read === null || first === null || purpose === null) {
    socket.destroy();
    return null;
  }
  const handshake = engine.createHandshake({
    role: "responder",
    pattern: first.pattern,
    prologue: prologueOf(first.pattern, purpose),
    staticKey: options.staticKey,
  });
  return withHandshake(socket, handshake, async () => {
    let remoteStaticKey: Buffer | null = null;
    const compute = async (): Promise<Buffer | null> => {
      // A peer that left while it waited for its turn is not worth the work.
      if (socket.destroyed || (await handshake.read(first.message)) === null) return null;
      remoteStaticKey = handshake.remoteStaticKey();
      return options.admit(first.pattern, remoteStaticKey) ? handshake.write() : null;
    };
    const answer = await (options.turns === undefined ? compute() : options.turns.take(compute));
    if (answer === null || socket.destroyed) {
      socket.destroy();
      return null;
    }
    socket.write(framed(answer));
    const session = handshake.split(options.maxMessageBytes(purpose));
    return { session, rest: read.rest, pattern: first.pattern, purpose, remoteStaticKey };
  });
}
