/**
 * A peer that does what no honest one does: it writes any bytes it likes before, during and after a handshake, and
 * reads only when it is told to.
 */
import { createConnection, type Socket } from "node:net";
import type { HandshakePattern, Session } from "../../ts/engine/types.js";
import { parseAddress } from "../../ts/transport/dial.js";
import type { Purpose } from "../../ts/transport/handshake.js";
import { MAX_LINK_MESSAGE_BYTES } from "../../ts/wire/message.js";
import { engine, present } from "./native-engine.js";

/** What a listener speaks: the pattern and purpose of its peers, and its own static public key. */
export interface Speech {
  readonly pattern: HandshakePattern;
  readonly purpose: Purpose;
  readonly remoteStaticKey: Uint8Array;
  /** the peer's own private key, with IK */
  readonly staticKey?: Uint8Array;
}

/** u16 length and body. */
export function frame(body: Uint8Array): Buffer {
  const out = Buffer.alloc(2 + body.length);
  out.writeUInt16BE(body.length, 0);
  out.set(body, 2);
  return out;
}

const patternCodes = { NK: 1, IK: 2 } as const;

/** The initiator's side of a handshake, whose first frame can be sent any number of times. */
export class Opening {
  readonly firstFrame: Buffer;
  readonly #handshake: ReturnType<typeof engine.createHandshake>;

  constructor({ pattern, purpose, remoteStaticKey, staticKey }: Speech) {
    this.#handshake = engine.createHandshake({
      role: "initiator",
      pattern,
      prologue: Buffer.from(`tmr-server/1 ${pattern} ${purpose}`, "ascii"),
      remoteStaticKey,
      ...(staticKey === undefined ? {} : { staticKey }),
    });
    const message = present(this.#handshake.writeSync());
    this.firstFrame = frame(Buffer.concat([Buffer.of(patternCodes[pattern]), message]));
  }

  /** The session after the listener's answer. */
  session(answer: Uint8Array): Session {
    present(this.#handshake.readSync(answer));
    const session = this.#handshake.split(MAX_LINK_MESSAGE_BYTES);
    this.#handshake.close();
    return session;
  }
}

export class HostilePeer {
  readonly socket: Socket;
  /** Resolves when the connection is over, whoever ended it and however. */
  readonly closed: Promise<void>;
  readonly #messages: Buffer[] = [];
  #session: Session | null = null;
  #received: Buffer = Buffer.alloc(0);
  #over = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    // A reset is one way of closing; a listener that closes while we still write resets.
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#over = true;
        this.#session?.close();
        this.#wake();
        resolve();
      });
    });
  }

  /** Connects and says nothing. */
  static connect(address: string): Promise<HostilePeer> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ ...parseAddress(address), noDelay: true });
      const peer = new HostilePeer(socket);
      socket.once("connect", () => resolve(peer));
      socket.once("error", reject);
    });
  }

  /** Connects and finishes a genuine handshake. Rejects when the listener closes instead. */
  static async shakeHands(address: string, speech: Speech, opening = new Opening(speech)): Promise<HostilePeer> {
    const peer = await HostilePeer.connect(address);
    peer.write(opening.firstFrame);
    const answer = await peer.#until(() => {
      const length = peer.#received.length < 2 ? Number.POSITIVE_INFINITY : peer.#received.readUInt16BE(0);
      return peer.#received.length < 2 + length ? null : peer.#received.subarray(2, 2 + length);
    });
    peer.#session = opening.session(answer);
    const rest = peer.#received.subarray(2 + answer.length);
    peer.#received = Buffer.alloc(0);
    if (rest.length > 0) peer.#take(rest);
    return peer;
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The frames of a message, for writing them as they are or altered. */
  seal(message: Uint8Array): Buffer {
    return present(present(this.#session).seal(message));
  }

  send(message: Uint8Array): void {
    this.write(this.seal(message));
  }

  /** The next message. Rejects when the connection closes first. */
  next(): Promise<Buffer> {
    return this.#until(() => this.#messages.shift() ?? null);
  }

  /** Closes as a crashed peer does. */
  reset(): Promise<void> {
    this.socket.resetAndDestroy();
    return this.closed;
  }

  #take(chunk: Buffer): void {
    if (this.#session === null) this.#received = Buffer.concat([this.#received, chunk]);
    else this.#messages.push(...(this.#session.open(chunk) ?? []));
    this.#wake();
  }

  async #until<T>(look: () => T | null): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== null) return found;
      if (this.#over) throw new Error("the connection was closed");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** The same bytes with one bit changed. */
export function flipped(bytes: Uint8Array, at: number, bit = 1): Buffer {
  const out = Buffer.from(bytes);
  out[at] = (out[at] ?? 0) ^ bit;
  return out;
}
