/** A thread whose sockets find an owner that throws. */
import { handOver } from "../../ts/transport/hand-over.js";
import { connectedSockets } from "./connected-sockets.js";
import { engine, sessionPair } from "./native-engine.js";
import { orderingOptions } from "./ordering-kit.js";

const gateway = engine.createGateway(orderingOptions());
const sockets = engine.createSockets(gateway, {
  pauseAboveBytes: 1024,
  unreadTimeoutMs: 1000,
  idleTimeoutMs: 60_000,
  sessionIdleTimeoutMs: 60_000,
  maxPendingOfClient: 1024,
  maxUpstreamBytes: 1024,
  turn: () => {
    throw new Error("thrown in a turn");
  },
});
const { near, far } = await connectedSockets();
const client = gateway.addClient(sessionPair().a);
handOver(near, Buffer.alloc(0), (descriptor, rest) => sockets.openClient(client, descriptor, rest));
far.end();
