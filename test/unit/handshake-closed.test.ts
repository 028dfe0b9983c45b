import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import type { Engine, Handshake } from "../../ts/engine/types.js";
import { initiate } from "../../ts/transport/handshake.js";

/** Never over while a test runs: only the closing itself can end the wait. */
const NEVER_MS = 0x7fff_ffff;
const message = Buffer.alloc(48, 1);
const options = {
  pattern: "NK",
  purpose: "client",
  remoteStaticKey: Buffer.alloc(32),
  maxMessageBytes: 1_000,
  timeoutMs: NEVER_MS,
} as const;

/** An initiator against an echo, whose connection breaks while the engine's other threads compute `step`. */
function initiateAndBreak(step: "write" | "read"): Promise<unknown> {
  const echo = new PassThrough();
  const computed = async (current: string): Promise<Buffer> => {
    if (current !== step) return message;
    echo.destroy(new Error("read ECONNRESET"));
    await once(echo, "close").catch(() => undefined);
    return message;
  };
  const handshake = {
    write: () => computed("write"),
    read: () => computed("read"),
    split: () => ({}),
    close: () => {},
  };
  const engine = { createHandshake: () => handshake as unknown as Handshake } as unknown as Engine;
  return initiate(echo as unknown as Socket, engine, options);
}

describe("a connection that breaks while the engine computes the handshake", () => {
  it("is given up at once before the first message is sent", async () => {
    await assert.rejects(initiateAndBreak("write"), {
      code: "ERR_TMR_CONNECT",
      message: /closed during the handshake/,
    });
  });

  it("is given up when the peer has said its end in order, and no error of the socket goes unheard", async () => {
    const server = createServer((peer) => peer.end()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = createConnection((server.address() as AddressInfo).port, "127.0.0.1");
    const handshake = {
      // The end is known, the socket not yet closed: Node answers the write behind it with an error in a later turn.
      write: () => once(socket, "end").then(() => message),
      close: () => {},
    };
    const engine = { createHandshake: () => handshake as unknown as Handshake } as unknown as Engine;
    const closed = new Promise((resolve) => socket.on("close", resolve));
    await assert.rejects(initiate(socket, engine, options), { code: "ERR_TMR_CONNECT" });
    await closed;
    await new Promise((resolve) => server.close(resolve));
  });

  it("is not handed over as established after the answer was read", async () => {
    await assert.rejects(initiateAndBreak("read"), { code: "ERR_TMR_CONNECT", message: /closed during the handshake/ });
  });
});
