/** The three kinds of ports that a plant has open, and what their processes count about bad input. */
import { randomBytes } from "node:crypto";
import { decodeResults, encodeRequests } from "../../ts/client/packet.js";
import { queryStatus } from "../../ts/client/query-status.js";
import type { Answer } from "../../ts/client/types.js";
import { loadServerConfig, loadUpstreamConfig } from "../../ts/config/index.js";
import type { UpstreamStatus } from "../../ts/upstream/status.js";
import { Kind } from "../../ts/wire/kinds.js";
import type { Request } from "../../ts/wire/request.js";
import { HostilePeer, type Speech } from "./hostile-peer.js";
import { engine, present } from "./native-engine.js";
import type { RunningPlant } from "./running-plant.js";

export type Counters = Readonly<Record<string, number>>;

export interface Port {
  readonly name: string;
  /** place of its TMR server; for the upstream's port without meaning */
  readonly server: 0 | 1;
  readonly address: string;
  /** how an admitted peer speaks */
  readonly speech: Speech;
  /** the counter of connections that were closed before their handshake was complete */
  readonly refusals: string;
  counters(): Promise<Counters>;
}

/** A packet with one request: for the status, where nothing else is said. */
export function requestPacket(fields: Partial<Request> = {}): Buffer {
  return encodeRequests([
    { request: { kind: Kind.status, request: 1, session: randomBytes(16), ...fields }, blob: null },
  ]);
}

/** Sends a packet and waits for the answers. */
export async function asked(peer: HostilePeer, packet: Uint8Array): Promise<readonly Answer[]> {
  peer.send(packet);
  return present(decodeResults(await peer.next()));
}

/** The status document of an upstream, asked as any client may. */
export async function upstreamStatus(running: RunningPlant, id: 1 | 2 | 3): Promise<UpstreamStatus> {
  const { address, key } = present(running.plant.system.system.upstreams[id - 1]);
  const peer = await HostilePeer.shakeHands(address, { pattern: "NK", purpose: "client", remoteStaticKey: key });
  const [answer] = await asked(peer, requestPacket());
  await peer.reset();
  return JSON.parse(present(answer).blob.toString("utf8")) as UpstreamStatus;
}

/** The client and twin port of TMR server `twin` and the port of upstream 2. */
export function portsOf(running: RunningPlant, twin: 0 | 1): { client: Port; twin: Port; upstream: Port } {
  const { system, serverFiles, upstreamFiles } = running.plant.system;
  const server = system.servers[twin];
  const upstream = loadUpstreamConfig(upstreamFiles[1]).system.upstreams[1];
  const peerKeys = loadServerConfig(serverFiles[twin === 0 ? 1 : 0]).keys;
  const ofServer = async (): Promise<Counters> =>
    (await queryStatus(server.clients, system.clientKey, 30_000)).counters;
  return {
    client: {
      name: "client port",
      server: twin,
      address: server.clients,
      speech: { pattern: "NK", purpose: "client", remoteStaticKey: system.clientKey },
      refusals: "refusedHandshakes",
      counters: ofServer,
    },
    twin: {
      name: "twin port",
      server: twin,
      address: server.twin,
      speech: { pattern: "IK", purpose: "twin", remoteStaticKey: server.key, staticKey: peerKeys.noise },
      refusals: "refusedTwins",
      counters: ofServer,
    },
    upstream: {
      name: "upstream's port",
      server: twin,
      address: upstream.address,
      speech: { pattern: "NK", purpose: "client", remoteStaticKey: upstream.key },
      refusals: "refusedHandshakes",
      counters: async () => ({ ...(await upstreamStatus(running, 2)).counters }),
    },
  };
}

/** A static key that no configuration names. */
export function strangersKey(): Buffer {
  return engine.generateKeyPair().privateKey;
}
