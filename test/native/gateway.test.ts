/** A whole gateway with real sessions: clients on one side, three upstreams on the other, frames in between. */
import assert from "node:assert/strict";
import { type Gateway, Intake, type OrderingLimits, type Session } from "../../ts/engine/types.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { encodeLink } from "../../ts/wire/link.js";
import { MessageField, MessageType } from "../../ts/wire/message.js";
import { RESULT_BYTES, writeResult } from "../../ts/wire/result.js";
import { engine, present, sessionPair } from "../support/native-engine.js";
import {
  type Asked,
  answersIn,
  FakeUpstream,
  genesis,
  members,
  orderingOptions,
  requestsPacket,
  type Twist,
} from "../support/ordering-kit.js";

const LINK_BYTES = 8 * 1024 * 1024;
const ping = encodeLink({ type: "ping", epoch: 4 });

/** The far end of one upstream's link. */
class FarUpstream {
  readonly fake: FakeUpstream;
  readonly control: Buffer[] = [];
  #session: Session;

  constructor(
    readonly gateway: Gateway,
    readonly upstream: number,
  ) {
    this.fake = new FakeUpstream(upstream);
    this.#session = this.#connected();
  }

  /** A new link in place of the old one. */
  connect(): void {
    this.#session = this.#connected();
  }

  #connected(): Session {
    const { a, b } = sessionPair(LINK_BYTES);
    this.gateway.setUpstream(this.upstream, a);
    return b;
  }

  /** Every message that the gateway has for it, in order. */
  receive(): Buffer[] {
    const messages: Buffer[] = [];
    for (;;) {
      const frames = this.gateway.takeUpstreamOutput(this.upstream);
      if (frames === null) return messages;
      messages.push(...present(this.#session.open(frames)));
    }
  }

  send(message: Uint8Array): Intake {
    return this.gateway.upstreamBytes(this.upstream, present(this.#session.seal(message)));
  }

  seal(message: Uint8Array): Buffer {
    return present(this.#session.seal(message));
  }

  /** Answers every append; keeps other messages. */
  answer(twist: Twist = {}): void {
    for (const message of this.receive()) {
      if (message[MessageField.type] === MessageType.append) {
        assert.equal(this.send(this.fake.append(message, twist)), Intake.ok);
      } else this.control.push(message);
    }
  }
}

class House {
  readonly gateway: Gateway;
  readonly far: readonly FarUpstream[];
  readonly #slab = Buffer.alloc(128 * 1024);
  /** What was taken for a client and not opened yet. */
  readonly #taken = new Map<number, Buffer[]>();
  #logMs = 0;

  constructor(limits: Partial<OrderingLimits> = {}) {
    this.gateway = engine.createGateway(orderingOptions(limits));
    this.far = [1, 2, 3].map((upstream) => new FarUpstream(this.gateway, upstream));
    this.gateway.activate(4, 0, genesis, members);
    for (const upstream of [1, 2, 3]) assert.ok(this.gateway.stream(upstream, 0));
  }

  upstream(number: number): FarUpstream {
    return present(this.far[number - 1]);
  }

  join(): { client: number; session: Session } {
    const { a, b } = sessionPair();
    const client = this.gateway.addClient(a);
    assert.ok(client >= 0);
    return { client, session: b };
  }

  order(): number {
    return this.gateway.nextBatch(++this.#logMs, 1);
  }

  /** Takes everything that is to be written: client and length of each write, in order. */
  take(): [number, number][] {
    const writes = new Uint32Array(6);
    const taken: [number, number][] = [];
    for (;;) {
      const count = this.gateway.takeClientOutput(this.#slab, writes);
      if (count === 0) return taken;
      for (let at = 0; at < 3 * count; at += 3) {
        const [client = 0, offset = 0, length = 0] = writes.subarray(at, at + 3);
        taken.push([client, length]);
        const frames = Buffer.from(this.#slab.subarray(offset, offset + length));
        this.#taken.set(client, [...(this.#taken.get(client) ?? []), frames]);
      }
    }
  }

  heard({ client, session }: { client: number; session: Session }): string[] {
    this.take();
    const packets = present(session.open(Buffer.concat(this.#taken.get(client) ?? [])));
    this.#taken.delete(client);
    return packets.flatMap(answersIn).map(({ request, statusName }) => `${request} ${statusName}`);
  }
}

const sealed = (session: Session, ...asked: readonly Asked[]): Buffer =>
  present(session.seal(requestsPacket(...asked)));

describe("a gateway", () => {
  it("takes sealed requests, gives three upstreams the batch, and seals what two of them answered", () => {
    const house = new House();
    const [one, two] = [house.join(), house.join()];
    const chunk = Buffer.concat([sealed(one.session, { request: 1 }), sealed(one.session, { request: 2 })]);
    assert.equal(house.gateway.clientBytes(one.client, chunk), Intake.ok);
    assert.equal(house.gateway.clientBytes(two.client, sealed(two.session, { request: 1 })), Intake.ok);
    assert.equal(house.order(), 3);
    house.upstream(3).answer();
    assert.deepEqual(house.heard(one), []);
    house.upstream(1).answer();
    assert.deepEqual(
      house.take().map(([client]) => client),
      [one.client, two.client],
    );
    assert.deepEqual(house.heard(one), ["1 ok", "2 ok"]);
    assert.deepEqual(house.heard(two), ["1 ok"]);
    house.upstream(2).answer();
    assert.equal(house.gateway.takeEvent(), null);
    assert.deepEqual(
      [1, 2, 3].map((upstream) => house.gateway.acknowledged(upstream)),
      [1, 1, 1],
    );
  });

  it("copes with any division of the bytes, one by one too, and leaves the caller's buffer as it was", () => {
    const house = new House();
    const one = house.join();
    const frames = sealed(one.session, { request: 1, blob: Buffer.from("divided") });
    const before = Buffer.from(frames);
    for (let at = 0; at < frames.length; at++) {
      assert.equal(house.gateway.clientBytes(one.client, frames.subarray(at, at + 1)), Intake.ok);
    }
    assert.deepEqual(frames, before);
    assert.equal(house.order(), 1);
    for (const upstream of [1, 2]) {
      const far = house.upstream(upstream);
      for (const append of far.receive()) {
        const vote = far.seal(far.fake.append(append));
        for (let at = 0; at < vote.length; at += 7) {
          assert.equal(house.gateway.upstreamBytes(upstream, vote.subarray(at, at + 7)), Intake.ok);
        }
      }
    }
    assert.deepEqual(house.heard(one), ["1 ok"]);
  });

  it("sends control messages in their place among the batches and hands over those that arrive", () => {
    const house = new House();
    const one = house.join();
    const far = house.upstream(1);
    house.gateway.clientBytes(one.client, sealed(one.session, { request: 1 }));
    house.gateway.sendControl(1, ping);
    house.order();
    house.gateway.sendControl(1, encodeLink({ type: "ping", epoch: 5 }));
    house.gateway.clientBytes(one.client, sealed(one.session, { request: 2 }));
    house.order();
    const types = far.receive().map((message) => message[MessageField.type]);
    assert.deepEqual(types, [MessageType.ping, MessageType.append, MessageType.ping, MessageType.append]);
    assert.equal(far.send(ping), Intake.ok);
    assert.equal(far.send(Buffer.from([1, 2, 3])), Intake.ok);
    assert.deepEqual(house.gateway.takeControl(1), ping);
    assert.deepEqual(house.gateway.takeControl(1), Buffer.from([1, 2, 3]));
    assert.equal(house.gateway.takeControl(1), null);
    assert.equal(house.gateway.takeControl(2), null);
  });

  it("carries large messages in both directions, in portions", () => {
    const house = new House();
    const far = house.upstream(2);
    const large = Array.from({ length: 3 }, (_, i) => Buffer.alloc(2_000_000, i + 1));
    for (const message of large) house.gateway.sendControl(2, message);
    const portion = present(house.gateway.takeUpstreamOutput(2));
    assert.ok(portion.length < 4_000_000);
    far.connect();
    for (const message of large) house.gateway.sendControl(2, message);
    assert.deepEqual(far.receive(), large);
    for (const message of large) assert.equal(far.send(message), Intake.ok);
    for (const message of large) assert.deepEqual(house.gateway.takeControl(2), message);
  });

  it("writes more than the slab takes in several turns, each client's answers in their order", () => {
    const house = new House();
    const clients = [house.join(), house.join(), house.join()];
    const record = Buffer.alloc(RESULT_BYTES);
    const blob = Buffer.alloc(30_000, 7);
    for (let request = 1; request <= 10; request++) {
      writeResult(record, 0, { kind: Kind.items, status: Status.ok, request, session: Buffer.alloc(16, 1) });
      for (const { client } of clients) house.gateway.answer(client, record, blob);
    }
    const numbers = Array.from({ length: 10 }, (_, i) => `${i + 1} ok`);
    for (const client of clients) assert.deepEqual(house.heard(client), numbers);
    assert.deepEqual(house.take(), []);
  });

  it("does not begin with a slab that may not take a packet", () => {
    const house = new House();
    assert.throws(() => house.gateway.takeClientOutput(Buffer.alloc(65_018), new Uint32Array(3)), {
      code: "ERR_TMR_ARGUMENT",
    });
    assert.equal(house.gateway.takeClientOutput(Buffer.alloc(65_019), new Uint32Array(2)), 0);
  });

  it("keeps the answers of a client that is held, and gives them when it is not held any more", () => {
    const house = new House();
    const [held, other] = [house.join(), house.join()];
    house.gateway.holdClient(held.client, true);
    const record = Buffer.alloc(RESULT_BYTES);
    const answer = (request: number): void => {
      writeResult(record, 0, { kind: Kind.info, status: Status.ok, request, session: Buffer.alloc(16, 1) });
      for (const { client } of [held, other]) house.gateway.answer(client, record, Buffer.alloc(0));
    };
    for (const request of [1, 2]) {
      answer(request);
      assert.deepEqual(house.heard(other), [`${request} ok`]);
      assert.deepEqual(house.heard(held), []);
    }
    house.gateway.holdClient(held.client, false);
    assert.deepEqual(house.heard(held), ["1 ok", "2 ok"]);
    house.gateway.holdClient(held.client, true);
    house.gateway.removeClient(held.client);
    house.gateway.holdClient(held.client, true);
    assert.deepEqual(house.take(), []);
  });

  it("closes a held client whose answers become too many, and says so", () => {
    const house = new House({ maxClientOutputBytes: 1024 });
    const { client } = house.join();
    house.gateway.holdClient(client, true);
    const record = Buffer.alloc(RESULT_BYTES);
    writeResult(record, 0, { kind: Kind.info, status: Status.ok, request: 1, session: Buffer.alloc(16, 1) });
    for (let i = 0; i < 9; i++) house.gateway.answer(client, record, Buffer.alloc(0));
    assert.deepEqual(house.take(), [[client, 0]]);
    assert.deepEqual(house.take(), []);
  });

  it("closes a client whose bytes are not genuine, and serves the others", () => {
    const house = new House();
    const [bad, good] = [house.join(), house.join()];
    const frames = sealed(bad.session, { request: 1 });
    frames[frames.length - 1] = (frames[frames.length - 1] as number) ^ 1;
    assert.equal(house.gateway.clientBytes(bad.client, frames), Intake.malformed);
    assert.equal(house.gateway.clientBytes(bad.client, sealed(bad.session, { request: 2 })), Intake.closed);
    assert.equal(house.gateway.clientClosed(bad.client), true);
    assert.deepEqual(house.take(), [[bad.client, 0]]);
    assert.equal(house.gateway.clientBytes(good.client, sealed(good.session, { request: 1 })), Intake.ok);
    assert.equal(house.order(), 1);
  });

  it("closes a client whose packet is genuine and malformed, or too long", () => {
    const house = new House();
    for (const message of [Buffer.alloc(0), Buffer.from("hello"), ping, Buffer.alloc(65_001)]) {
      const one = house.join();
      assert.equal(house.gateway.clientBytes(one.client, present(one.session.seal(message))), Intake.malformed);
      house.gateway.removeClient(one.client);
    }
  });

  it("fails a link whose bytes are not genuine or whose vote is malformed; the others carry on", () => {
    const house = new House();
    const one = house.join();
    house.gateway.clientBytes(one.client, sealed(one.session, { request: 1 }));
    house.order();
    assert.equal(house.gateway.upstreamBytes(1, Buffer.alloc(300, 1)), Intake.malformed);
    assert.equal(house.upstream(1).send(ping), Intake.closed);
    const vote = Buffer.from(ping);
    vote[MessageField.type] = MessageType.vote;
    assert.equal(house.upstream(2).send(vote), Intake.malformed);
    house.gateway.clearUpstream(1);
    house.gateway.clearUpstream(2);
    assert.equal(house.gateway.reached, 0b100);
    assert.equal(house.gateway.upstreamBytes(1, ping), Intake.closed);
    assert.equal(house.gateway.takeUpstreamOutput(1), null);
    house.upstream(2).connect();
    assert.ok(house.gateway.stream(2, 0));
    house.upstream(2).answer();
    house.upstream(3).answer();
    assert.deepEqual(house.heard(one), ["1 ok"]);
  });

  it("goes on over a new link from where the old one broke, without anything of the old one", () => {
    const house = new House();
    const one = house.join();
    for (let request = 1; request <= 2; request++) {
      house.gateway.clientBytes(one.client, sealed(one.session, { request }));
      house.order();
    }
    house.gateway.sendControl(2, ping);
    house.upstream(2).send(ping);
    house.upstream(2).connect();
    assert.equal(house.gateway.takeControl(2), null);
    assert.deepEqual(house.upstream(2).receive(), []);
    assert.ok(house.gateway.stream(2, 0));
    house.upstream(2).answer();
    house.upstream(3).answer();
    assert.deepEqual(house.heard(one), ["1 ok", "2 ok"]);
    assert.deepEqual(house.upstream(2).control, []);
  });

  it("fails a link on which far too much control is queued, in either direction", () => {
    const house = new House();
    const message = Buffer.alloc(LINK_BYTES - 100);
    for (let i = 0; i < 4; i++) assert.equal(house.upstream(3).send(message), Intake.ok);
    assert.equal(house.upstream(3).send(message), Intake.closed);
    for (let i = 0; i < 5; i++) house.gateway.sendControl(2, message);
    assert.equal(house.gateway.takeUpstreamOutput(2), null);
    assert.equal(house.upstream(2).send(ping), Intake.closed);
  });

  it("refuses what waits without closing anybody", () => {
    const house = new House();
    const one = house.join();
    house.gateway.clientBytes(one.client, sealed(one.session, { request: 1 }, { request: 2 }));
    assert.equal(house.gateway.refusePending(Status["no-quorum"]), 2);
    assert.deepEqual(house.heard(one), ["1 no-quorum", "2 no-quorum"]);
    assert.equal(house.gateway.clientBytes(one.client, sealed(one.session, { request: 1 })), Intake.ok);
  });

  it("keeps an answer to a client that left from the one in its place", () => {
    const house = new House({ maxClients: 1 });
    const first = house.join();
    house.gateway.clientBytes(first.client, sealed(first.session, { request: 1 }));
    house.order();
    house.gateway.removeClient(first.client);
    const second = house.join();
    house.upstream(1).answer();
    house.upstream(2).answer();
    assert.deepEqual(house.heard(second), []);
    assert.equal(house.gateway.clientBytes(first.client, sealed(first.session, { request: 2 })), Intake.closed);
  });
});
