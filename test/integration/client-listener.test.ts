/** The listener of a TMR server with a real gateway and real sockets: what clients get when they read late. */
import assert from "node:assert/strict";
import type { Sockets, SocketsOptions } from "../../ts/engine/types.js";
import { ClientListener, clientBounds, KEEP_ALIVE_MS } from "../../ts/server/client-listener.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { RESULT_BYTES, writeResult } from "../../ts/wire/result.js";
import { connectedSockets } from "../support/connected-sockets.js";
import { HostilePeer } from "../support/hostile-peer.js";
import { engine } from "../support/native-engine.js";
import { answersIn, generousLimits, orderingOptions } from "../support/ordering-kit.js";
import { until } from "../support/running-plant.js";

const MIB = 1024 * 1024;
const keys = engine.generateKeyPair();

class Desk {
  readonly gateway = engine.createGateway(orderingOptions({ maxClientOutputBytes: 16 * MIB }));
  readonly joined: number[] = [];
  readonly sockets: Sockets;
  readonly listener: ClientListener;
  #address = "";

  private constructor(limits: Partial<SocketsOptions>) {
    this.sockets = engine.createSockets(this.gateway, {
      ...clientBounds(generousLimits, { maxTimeoutMs: 60_000 }),
      maxUpstreamBytes: MIB,
      turn: () => this.#forgetClosed(),
      ...limits,
    });
    this.listener = new ClientListener({
      engine,
      gateway: this.gateway,
      sockets: this.sockets,
      staticKey: keys.privateKey,
      maxClients: 8,
      handshakeTimeoutMs: 5_000,
      joined: (client) => this.joined.push(client),
    });
  }

  static async open(limits: Partial<SocketsOptions> = {}): Promise<Desk> {
    const desk = new Desk(limits);
    desk.#address = await desk.listener.listen("127.0.0.1:0");
    return desk;
  }

  #forgetClosed(): void {
    for (let closed = this.sockets.takeClosed(); closed !== null; closed = this.sockets.takeClosed()) {
      this.listener.closed(closed);
    }
  }

  async close(): Promise<void> {
    await this.listener.close();
    this.gateway.close();
  }

  async join(): Promise<{ peer: HostilePeer; client: number }> {
    const before = this.joined.length;
    const speech = { pattern: "NK", purpose: "client", remoteStaticKey: keys.publicKey } as const;
    const peer = await HostilePeer.shakeHands(this.#address, speech);
    const client = await until("it is a client", async () => this.joined[before] ?? null);
    return { peer, client };
  }

  /** Queues an answer whose every byte is told by its number. */
  answer(client: number, request: number, bytes: number): void {
    const record = Buffer.alloc(RESULT_BYTES);
    writeResult(record, 0, { kind: Kind.items, status: Status.ok, request, session: Buffer.alloc(16, 1) });
    this.gateway.answer(client, record, Buffer.alloc(bytes, request));
  }
}

/** Reads answers 1 to `count` and checks every byte of them. */
async function hear(peer: HostilePeer, count: number): Promise<void> {
  let heard = 0;
  while (heard < count) {
    for (const { request, blob } of answersIn(await peer.next())) {
      assert.equal(request, ++heard);
      assert.ok(
        blob.every((byte) => byte === request % 256),
        `answer ${request} is what was sent`,
      );
    }
  }
}

describe("the client listener", function () {
  this.timeout(60_000);
  let desk: Desk;

  beforeEach(async () => {
    desk = await Desk.open();
  });
  afterEach(() => desk.close());

  it("gives a client that reads late everything in order, while others get theirs from the same memory", async () => {
    const [late, prompt] = [await desk.join(), await desk.join()];
    late.peer.socket.pause();
    // 12 MiB: far more than the system's buffers take, so that most of it waits in the socket's queue and the gateway.
    const count = 400;
    for (let request = 1; request <= count; request++) {
      for (const { client } of [late, prompt]) desk.answer(client, request, 31_000);
      desk.sockets.flush();
      // The loop writes on and the prompt one reads; slabs are used again meanwhile.
      if (request % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await hear(prompt.peer, count);
    late.peer.socket.resume();
    await hear(late.peer, count);
    assert.equal(desk.listener.counters.closedUnread, 0);
    assert.equal(desk.listener.clients, 2);
  });

  it("has the system ask after 10 s of silence whether a client's machine is still there", async () => {
    const { near, far } = await connectedSockets();
    const tcp = Object.getPrototypeOf((near as unknown as { _handle: object })._handle) as {
      setKeepAlive: (this: object, on: boolean, delay: number) => number;
    };
    const real = tcp.setKeepAlive;
    const asked: (readonly [boolean, number, number])[] = [];
    tcp.setKeepAlive = function (on, delay) {
      const error = real.call(this, on, delay);
      asked.push([on, delay, error]);
      return error;
    };
    try {
      await desk.join();
    } finally {
      tcp.setKeepAlive = real;
      near.destroy();
      far.destroy();
    }
    // The descriptor that the engine makes of the accepted one is of the same socket, options and all.
    assert.deepEqual(asked, [[true, KEEP_ALIVE_MS / 1000, 0]]);
  });

  it("counts those that it closed because they said nothing", async () => {
    const strict = await Desk.open({ idleTimeoutMs: 200 });
    const { peer } = await strict.join();
    await peer.closed;
    await until("it is counted", async () => (strict.listener.counters.closedIdle === 1 ? true : null));
    assert.equal(strict.listener.clients, 0);
    await strict.close();
  });

  const bounds: readonly (readonly [maxPendingRequests: number, ofOne: number])[] = [
    [512, 1_024],
    [4_096, 1_024],
    [16_384, 4_096],
    [1_000_000, 250_000],
  ];
  for (const [maxPendingRequests, ofOne] of bounds) {
    it(`leaves one client ${ofOne} of ${maxPendingRequests} places among the requests that wait`, () => {
      assert.equal(clientBounds({ maxPendingRequests }, { maxTimeoutMs: 1 }).maxPendingOfClient, ofOne);
    });
  }

  it("gives a client with a session at least as long as any session lives", () => {
    const of = (maxTimeoutMs: number) => clientBounds(generousLimits, { maxTimeoutMs }).sessionIdleTimeoutMs;
    assert.deepEqual([of(5_000), of(86_400_000)], [60_000, 86_400_000]);
  });

  it("closes a client that leaves more unread than it may, and serves the others", async () => {
    const [greedy, other] = [await desk.join(), await desk.join()];
    greedy.peer.socket.pause();
    for (let request = 1; request <= 800; request++) {
      desk.answer(greedy.client, request, 31_000);
      desk.sockets.flush();
      if (request % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until("it is closed", async () => (desk.listener.clients === 1 ? true : null));
    assert.equal(desk.listener.counters.closedUnread, 1);
    desk.answer(other.client, 1, 10);
    desk.sockets.flush();
    await hear(other.peer, 1);
    await greedy.peer.reset();
  });
});
