/**
 * A thread or process that uses the engine and ends in the middle of it. `stage` says where; the tests look at how it
 * ended. As a worker it gets the stage as workerData, as a child process as its first argument.
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { HandshakePattern } from "../../ts/engine/types.js";
import type { Stage } from "./engine-stages.js";
import { completed, engine, handshakePair, present, sessionPair } from "./native-engine.js";

/** What stays referenced until the end. */
const kept: unknown[] = [];

function reach(stage: Stage, pattern: HandshakePattern): void {
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
    default:
      stage satisfies never;
  }
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
  for (const pattern of ["NK", "IK"] as const) reach(stage, pattern);
  process.exit(0);
}
