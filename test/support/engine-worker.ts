/**
 * A thread or process that uses the engine and ends in the middle of it. `stage` says where; the tests look at how it
 * ended. As a worker it gets the stage as workerData, as a child process as its first argument.
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { HandshakePattern, Sockets } from "../../ts/engine/types.js";
import { handOver } from "../../ts/transport/hand-over.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { RESULT_BYTES, writeResult } from "../../ts/wire/result.js";
import { connectedSockets } from "./connected-sockets.js";
import type { Stage } from "./engine-stages.js";
import { completed, engine, handshakePair, present, sessionPair } from "./native-engine.js";
import { orderingOptions } from "./ordering-kit.js";

/** What stays referenced until the end. */
const kept: unknown[] = [];

async function reach(stage: Stage, pattern: HandshakePattern): Promise<void> {
  const options = handshakePair(pattern);
  const initiator = engine.createHandshake(options.initiator);
  const responder = engine.createHandshake(options.responder);
  kept.push(initiator, responder);
  switch (stage) {
    case "loaded":
    case "handshake made":
      return;
    case "write under way":
      void initiator.write();
      return;
    case "many writes under way":
      for (let i = 0; i < 200; i++) kept.push(engine.createHandshake(options.initiator).write());
      return;
    case "read under way":
      void responder.read(present(initiator.writeSync()));
      return;
    case "closed while a write is under way":
      initiator.write().catch(() => undefined);
      initiator.close();
      return;
    case "handshake complete":
      kept.push(completed(pattern));
      return;
    case "session open":
      kept.push(sessionPair());
      return;
    case "session with half a frame": {
      const { a, b } = sessionPair();
      b.open(present(a.seal(Buffer.alloc(5000))).subarray(0, 3000));
      kept.push(a, b);
      return;
    }
    case "everything closed": {
      const { a, b } = sessionPair();
      for (const object of [a, b, initiator, responder]) object.close();
      return;
    }
    case "sockets open":
    case "sockets closing": {
      const sockets = await openSockets();
      if (stage === "sockets closing") sockets.close();
      return;
    }
    default:
      stage satisfies never;
  }
}

/** Sockets whose client has sent bytes, and has left more unread than the system takes. */
async function openSockets(): Promise<Sockets> {
  const gateway = engine.createGateway(orderingOptions({ maxClientOutputBytes: 64 * 1024 * 1024 }));
  const limits = {
    pauseAboveBytes: 1024,
    unreadTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
    sessionIdleTimeoutMs: 60_000,
    maxPendingOfClient: 1024,
    maxUpstreamBytes: 1024,
  };
  const sockets = engine.createSockets(gateway, { ...limits, turn: () => {} });
  const { near, far } = await connectedSockets();
  const { a, b } = sessionPair();
  const client = gateway.addClient(a);
  const record = Buffer.alloc(RESULT_BYTES);
  writeResult(record, 0, { kind: Kind.items, status: Status.ok, request: 1, session: Buffer.alloc(16, 1) });
  far.pause();
  far.write(present(b.seal(Buffer.alloc(5000))).subarray(0, 3000));
  handOver(near, Buffer.alloc(0), (descriptor, rest) => sockets.openClient(client, descriptor, rest));
  for (let i = 0; i < 400; i++) gateway.answer(client, record, Buffer.alloc(31_000));
  sockets.flush();
  kept.push(gateway, sockets, far);
  return sockets;
}

/** Answers a peer in another environment: a first message comes, a second goes; then frames are echoed. */
function echo(): void {
  const port = present(parentPort);
  const options = handshakePair("NK");
  const responder = engine.createHandshake(options.responder);
  port.postMessage(options.initiator.remoteStaticKey);
  port.once("message", (first: Uint8Array) => {
    present(responder.readSync(first));
    port.postMessage(present(responder.writeSync()));
    const session = responder.split(1000);
    port.on("message", (frame: Uint8Array | null) => {
      if (frame === null) port.close();
      else for (const message of present(session.open(frame))) port.postMessage(present(session.seal(message)));
    });
  });
}

const stage = (isMainThread ? process.argv[2] : workerData) as Stage | "echo";
if (stage === "echo") echo();
else {
  for (const pattern of ["NK", "IK"] as const) await reach(stage, pattern);
  process.exit(0);
}
