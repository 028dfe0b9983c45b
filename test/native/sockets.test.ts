/** Real connections between which and a gateway the engine moves bytes by itself. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { Worker } from "node:worker_threads";
import {
  Arrived,
  type ClosedConnection,
  type Gateway,
  type OrderingLimits,
  type Session,
  type Sockets,
  type SocketsOptions,
} from "../../ts/engine/types.js";
import { handOver } from "../../ts/transport/hand-over.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { encodeLink } from "../../ts/wire/link.js";
import { RESULT_BYTES, writeResult } from "../../ts/wire/result.js";
import { connectedSockets } from "../support/connected-sockets.js";
import { engine, present, sessionPair } from "../support/native-engine.js";
import { answersIn, orderingOptions, requestsPacket } from "../support/ordering-kit.js";
import { until } from "../support/running-plant.js";

const MIB = 1024 * 1024;
const ARGUMENT = { code: "ERR_TMR_ARGUMENT" };
const CLOSED = { code: "ERR_TMR_CLOSED" };
const NOTHING: Buffer = Buffer.alloc(0);

/** The far end of a connection: opens what arrives. */
class Far {
  readonly messages: Buffer[] = [];
  readonly closed: Promise<unknown>;

  constructor(
    readonly socket: Socket,
    readonly session: Session,
  ) {
    this.closed = once(socket, "close");
    socket.on("data", (chunk: Buffer) => this.messages.push(...present(session.open(chunk))));
  }

  send(message: Uint8Array): void {
    this.socket.write(present(this.session.seal(message)));
  }

  next(): Promise<Buffer> {
    return until("a message", async () => this.messages.shift() ?? null);
  }
}

const generous = {
  pauseAboveBytes: 64 * 1024,
  unreadTimeoutMs: 60_000,
  idleTimeoutMs: 60_000,
  sessionIdleTimeoutMs: 60_000,
  maxPendingOfClient: 1024,
  maxUpstreamBytes: MIB,
};

class Desk {
  readonly gateway: Gateway;
  readonly turns: number[] = [];
  readonly over: ClosedConnection[] = [];
  readonly sockets: Sockets;

  constructor(limits: Partial<SocketsOptions> = {}, ordering: Partial<OrderingLimits> = {}) {
    this.gateway = engine.createGateway(orderingOptions({ maxClientOutputBytes: 32 * MIB, ...ordering }));
    this.sockets = engine.createSockets(this.gateway, {
      ...generous,
      ...limits,
      turn: (arrived) => this.#turn(arrived),
    });
  }

  #turn(arrived: number): void {
    this.turns.push(arrived);
    for (let closed = this.sockets.takeClosed(); closed !== null; closed = this.sockets.takeClosed()) {
      this.over.push(closed);
      if (closed.upstream === 0) this.gateway.removeClient(closed.client);
      else this.gateway.clearUpstream(closed.upstream);
    }
  }

  async client(rest = NOTHING, { a, b } = sessionPair()): Promise<{ far: Far; client: number }> {
    const { near, far } = await connectedSockets();
    const client = this.gateway.addClient(a);
    assert.ok(handOver(near, rest, (descriptor, all) => this.sockets.openClient(client, descriptor, all)));
    return { far: new Far(far, b), client };
  }

  answer(client: number, request: number, bytes: number): void {
    const record = Buffer.alloc(RESULT_BYTES);
    writeResult(record, 0, { kind: Kind.items, status: Status.ok, request, session: Buffer.alloc(16, 1) });
    this.gateway.answer(client, record, Buffer.alloc(bytes));
  }

  /** Leaves so much to a client that most of it waits here. */
  flood(client: number): number {
    const count = 600;
    for (let request = 1; request <= count; request++) this.answer(client, request, 31_000);
    this.sockets.flush();
    return count;
  }

  nextOver(): Promise<ClosedConnection> {
    return until("a connection is over", async () => this.over.shift() ?? null);
  }
}

const ask = () => requestsPacket({ kind: Kind.items, request: 1 });

describe("sockets of a gateway", function () {
  this.timeout(60_000);
  let desk: Desk;

  beforeEach(() => {
    desk = new Desk();
  });
  afterEach(() => desk.gateway.close());

  /** Another desk, which is closed after the test like the first one. */
  function replaceDesk(...limits: ConstructorParameters<typeof Desk>): Desk {
    desk.gateway.close();
    desk = new Desk(...limits);
    return desk;
  }

  it("take requests and write answers, and tell their owner once", async () => {
    const { far } = await desk.client();
    far.send(ask());
    far.send(ask());
    await until("the requests are there", async () => (desk.gateway.pending === 2 ? true : null));
    assert.ok(desk.turns.length <= 2 && desk.turns.every((arrived) => arrived === Arrived.clients), desk.turns.join());
    desk.gateway.refusePending(Status["no-quorum"]);
    desk.sockets.flush();
    assert.deepEqual(
      answersIn(await far.next()).map(({ status }) => status),
      [Status["no-quorum"], Status["no-quorum"]],
    );
  });

  it("take first what was read before they had the connection", async () => {
    const pair = sessionPair();
    const before = present(pair.b.seal(ask()));
    const { far } = await desk.client(before.subarray(0, 50), pair);
    assert.equal(desk.gateway.pending, 0);
    far.socket.write(before.subarray(50));
    await until("the request is there", async () => (desk.gateway.pending === 1 ? true : null));
  });

  it("pass on what upstreams say and what is said to them", async () => {
    const { near, far } = await connectedSockets();
    const { a, b } = sessionPair(MIB);
    desk.gateway.setUpstream(2, a);
    assert.ok(handOver(near, NOTHING, (descriptor, rest) => desk.sockets.openUpstream(2, descriptor, rest)));
    const end = new Far(far, b);
    end.send(Buffer.from("not a vote"));
    await until("it is told", async () => (desk.turns.includes(1 << 2) ? true : null));
    assert.equal(present(desk.gateway.takeControl(2)).toString(), "not a vote");
    const ping = encodeLink({ type: "ping", epoch: 4 });
    desk.gateway.sendControl(2, ping);
    desk.sockets.flush();
    assert.deepEqual(await end.next(), ping);
    far.end();
    assert.deepEqual(await desk.nextOver(), { upstream: 2, client: -1, why: "ended", error: "" });
    assert.ok(desk.turns.includes(Arrived.closed));
  });

  it("give up an upstream that ends its side, whatever waits for it", async () => {
    const roomy = replaceDesk({ maxUpstreamBytes: 64 * MIB });
    const { near, far } = await connectedSockets();
    const { a } = sessionPair(MIB);
    roomy.gateway.setUpstream(1, a);
    assert.ok(handOver(near, NOTHING, (descriptor, rest) => roomy.sockets.openUpstream(1, descriptor, rest)));
    // Far more than the system takes for one that reads nothing.
    for (let i = 0; i < 32; i++) {
      roomy.gateway.sendControl(1, Buffer.alloc(MIB - 1));
      roomy.sockets.flush();
    }
    far.pause();
    far.end();
    assert.deepEqual(await roomy.nextOver(), { upstream: 1, client: -1, why: "ended", error: "" });
    far.destroy();
  });

  it("say who left, who broke and who is not genuine, and close each", async () => {
    const [leaves, breaks, lies] = [await desk.client(), await desk.client(), await desk.client()];
    leaves.far.socket.end();
    assert.deepEqual(await desk.nextOver(), { upstream: 0, client: leaves.client, why: "ended", error: "" });
    breaks.far.socket.resetAndDestroy();
    assert.deepEqual(await desk.nextOver(), { upstream: 0, client: breaks.client, why: "failed", error: "ECONNRESET" });
    lies.far.socket.write(Buffer.alloc(100));
    assert.deepEqual(await desk.nextOver(), { upstream: 0, client: lies.client, why: "not-genuine", error: "" });
    await Promise.all([leaves.far.closed, lies.far.closed]);
  });

  it("give one that ends its side while answers wait all of them that were written", async () => {
    const { far, client } = await desk.client();
    far.socket.pause();
    for (let request = 1; request <= 3; request++) answerNow(desk, client, request);
    far.socket.end();
    const over = desk.nextOver();
    far.socket.resume();
    await over;
    await far.closed;
    assert.equal(far.messages.flatMap((message) => answersIn(message)).length, 3);
  });

  it("close one that leaves what waits unread for too long", async () => {
    const impatient = new Desk({ unreadTimeoutMs: 300 });
    const [late, other] = [await impatient.client(), await impatient.client()];
    late.far.socket.pause();
    impatient.flood(late.client);
    assert.deepEqual(await impatient.nextOver(), { upstream: 0, client: late.client, why: "unread", error: "" });
    impatient.answer(other.client, 1, 10);
    impatient.sockets.flush();
    assert.equal(answersIn(await other.far.next()).length, 1);
    impatient.gateway.close();
    late.far.socket.destroy();
  });

  it("read one that sends more than its share no further until there is room, drop nothing, and take the others' requests", async () => {
    const total = 5_000;
    const most = 1_024;
    const crowded = replaceDesk({ maxPendingOfClient: 64 }, { maxPendingRequests: most });
    const [greedy, other] = [await crowded.client(), await crowded.client()];
    for (let request = 1; request <= total; request++) greedy.far.send(requestsPacket({ kind: Kind.items, request }));
    await until("all of it is sent", async () => (greedy.far.socket.writableLength === 0 ? true : null));
    // Behind it a request that is not ordered: when it is there, the others' were read as far as they are.
    other.far.send(requestsPacket({ kind: Kind.items, request: 1 }, { kind: Kind.status, request: 2 }));
    await until("the other was heard", async () => crowded.gateway.takeLocalRequest());
    let answers: number[] = [];
    let told = 0;
    await until("all are answered", async () => {
      assert.ok(crowded.gateway.pending < most, `${crowded.gateway.pending} wait`);
      crowded.gateway.refusePending(Status["no-quorum"]);
      crowded.sockets.flush();
      for (const { request, status } of greedy.far.messages.splice(0).flatMap((message) => answersIn(message))) {
        assert.equal(status, Status["no-quorum"]);
        answers = [...answers, request];
      }
      told += other.far.messages.splice(0).length;
      return answers.length >= total && told > 0 ? true : null;
    });
    assert.deepEqual(
      answers,
      Array.from({ length: total }, (_, i) => i + 1),
    );
    assert.equal(crowded.gateway.counters().busy, 0, "nobody was turned away");
    assert.deepEqual(crowded.over, []);
  });

  it("let a client go that leaves while it is not read", async () => {
    const crowded = replaceDesk({ maxPendingOfClient: 1 });
    const { far } = await crowded.client();
    far.send(ask());
    await until("it waits", async () => (crowded.gateway.pending === 1 ? true : null));
    far.socket.end();
    crowded.gateway.refusePending(Status["no-quorum"]);
    crowded.sockets.flush();
    assert.equal((await crowded.nextOver()).why, "ended");
    crowded.sockets.flush();
  });

  it("close one that says nothing and has no session, and not one that has", async () => {
    const strict = replaceDesk({ idleTimeoutMs: 300 });
    const [holder, idle] = [await strict.client(), await strict.client()];
    holder.far.send(ask());
    await until("it has spoken for a session", async () => (strict.gateway.pending === 1 ? true : null));
    assert.deepEqual(await strict.nextOver(), { upstream: 0, client: idle.client, why: "idle", error: "" });
    await idle.far.closed;
    const late = await strict.client();
    assert.equal((await strict.nextOver()).client, late.client);
    answerNow(strict, holder.client, 1);
    assert.equal(answersIn(await holder.far.next()).length, 1, "the session's client is still there");
  });

  it("close one that has a session and is not heard for longer than any session lives", async () => {
    const strict = replaceDesk({ sessionIdleTimeoutMs: 300 });
    const [frozen, other] = [await strict.client(), await strict.client()];
    frozen.far.send(ask());
    assert.deepEqual(await strict.nextOver(), { upstream: 0, client: frozen.client, why: "idle", error: "" });
    await frozen.far.closed;
    answerNow(strict, other.client, 1);
    assert.equal(answersIn(await other.far.next()).length, 1);
  });

  it("count a client's time from when it was last heard", async () => {
    const strict = replaceDesk({ idleTimeoutMs: 2_000 });
    const [talks, silent] = [await strict.client(), await strict.client()];
    const half = new Promise((resolve) => setTimeout(resolve, 1_000));
    await half;
    talks.far.send(requestsPacket({ kind: Kind.status, request: 1 }));
    assert.equal((await strict.nextOver()).client, silent.client);
    assert.equal((await strict.nextOver()).client, talks.client);
  });

  it("end a client behind its answers, and close it when it has closed", async () => {
    const { far, client } = await desk.client();
    answerNow(desk, client, 1);
    desk.sockets.endClient(client);
    far.send(ask());
    await far.closed;
    assert.equal(answersIn(present(far.messages[0])).length, 1);
    assert.equal((await desk.nextOver()).why, "ended");
    assert.equal(desk.gateway.counters().requests, 0, "what it said after that is not heard");
  });

  it("drop a client at once and without a word, whatever waits for it", async () => {
    const { far, client } = await desk.client();
    far.socket.pause();
    desk.flood(client);
    desk.sockets.dropClient(client);
    desk.sockets.dropClient(client);
    desk.gateway.removeClient(client);
    far.socket.resume();
    await far.closed;
    assert.deepEqual(desk.over, []);
    const next = await desk.client();
    desk.answer(next.client, 1, 10);
    desk.sockets.flush();
    assert.equal(answersIn(await next.far.next()).length, 1);
  });

  it("of a client that was removed first are closed at its next bytes", async () => {
    const { far, client } = await desk.client();
    desk.gateway.removeClient(client);
    far.send(ask());
    await far.closed;
    assert.equal((await desk.nextOver()).client, client);
  });

  for (const [how, close] of [
    ["they are closed", (of: Desk) => of.sockets.close()],
    ["their gateway is closed", (of: Desk) => of.gateway.close()],
  ] as const) {
    it(`all close when ${how}, and every call then throws ERR_TMR_CLOSED`, async () => {
      const [one, two] = [await desk.client(), await desk.client()];
      one.far.socket.pause();
      desk.flood(one.client);
      close(desk);
      desk.sockets.close();
      one.far.socket.resume();
      await Promise.all([one.far.closed, two.far.closed]);
      for (const call of [
        () => desk.sockets.flush(),
        () => desk.sockets.takeClosed(),
        () => desk.sockets.openClient(0, 0, NOTHING),
        () => desk.sockets.openUpstream(1, 0, NOTHING),
        () => desk.sockets.dropClient(0),
        () => desk.sockets.dropUpstream(1),
        () => desk.sockets.endClient(0),
      ]) {
        assert.throws(call, CLOSED);
      }
    });
  }

  it("may be closed in the middle of a turn", async () => {
    const gateway = engine.createGateway(orderingOptions());
    const limits = generous;
    const sockets = engine.createSockets(gateway, { ...limits, turn: () => gateway.close() });
    const { near, far } = await connectedSockets();
    const { a, b } = sessionPair();
    const client = gateway.addClient(a);
    handOver(near, NOTHING, (descriptor, rest) => sockets.openClient(client, descriptor, rest));
    const end = new Far(far, b);
    end.send(ask());
    await end.closed;
    assert.throws(() => sockets.flush(), CLOSED);
  });

  it("take no descriptor that is no TCP connection, none for a client that is not there, and no second one", async () => {
    const { client } = await desk.client();
    const { near, far } = await connectedSockets();
    const file = openSync("/dev/null", "r");
    const fresh = desk.gateway.addClient(sessionPair().a);
    assert.equal(desk.sockets.openClient(fresh, file, NOTHING), false);
    closeSync(file);
    assert.equal(desk.sockets.openClient(fresh, 1_000_000, NOTHING), false);
    const handed: boolean[] = [];
    handOver(near, NOTHING, (descriptor, rest) => {
      handed.push(desk.sockets.openClient(client, descriptor, rest), desk.sockets.openClient(77, descriptor, rest));
      return false;
    });
    assert.deepEqual(handed, [false, false]);
    await once(far.resume(), "close");
  });

  it("are made of a gateway that has none yet, whole limits and a function", () => {
    const right = { ...generous, turn: () => {} };
    const create = engine.createSockets as (...args: readonly unknown[]) => Sockets;
    const gateway = engine.createGateway(orderingOptions());
    for (const wrong of [undefined, null, {}, engine.createOrderer(orderingOptions()), desk.sockets]) {
      assert.throws(() => create(wrong, right), ARGUMENT);
    }
    for (const name of Object.keys(right)) {
      for (const value of [undefined, null, 0, -1, 0.5, "1", {}]) {
        assert.throws(() => create(gateway, { ...right, [name]: value }), ARGUMENT, name);
      }
    }
    for (const wrong of [undefined, null, 1, "x"]) assert.throws(() => create(gateway, wrong), ARGUMENT);
    create(gateway, right);
    assert.throws(() => create(gateway, right), { code: "ERR_TMR_STATE" });
    gateway.close();
    assert.throws(() => create(gateway, right), CLOSED);
  });

  it("check every argument and receiver", () => {
    const { sockets } = desk;
    const wrong: readonly (() => unknown)[] = [
      () => sockets.openClient(-1, 0, NOTHING),
      () => sockets.openClient(0, -1, NOTHING),
      () => sockets.openClient(0, 0, "x" as never),
      () => sockets.openUpstream(4, 0, NOTHING),
      () => sockets.dropClient("1" as never),
      () => sockets.dropUpstream(0),
      () => sockets.endClient(null as never),
      ...Object.getOwnPropertyNames(Object.getPrototypeOf(sockets))
        .filter((name) => name !== "constructor")
        .flatMap((name) =>
          [undefined, {}, desk.gateway].map(
            (receiver) => () => (Reflect.get(sockets, name) as () => unknown).call(receiver),
          ),
        ),
    ];
    for (const call of wrong) assert.throws(call, ARGUMENT);
  });

  it("whose owner throws end the thread as any uncaught error does", async () => {
    const worker = new Worker(new URL("../support/throwing-turn.js", import.meta.url));
    const [error] = (await once(worker, "error")) as [Error];
    assert.equal(error.message, "thrown in a turn");
  });
});

function answerNow(desk: Desk, client: number, request: number): void {
  desk.answer(client, request, 31_000);
  desk.sockets.flush();
}
