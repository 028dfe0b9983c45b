/** Every method with everything that can be wrong about a call: closed, wrong receiver, argument, turn, busy. */
import assert from "node:assert/strict";
import type { Handshake, Session } from "../../ts/engine/types.js";
import { completed, engine, handshakePair, present, primitives, sessionPair } from "../support/native-engine.js";

type Method = (this: unknown, ...args: unknown[]) => unknown;
const ARGUMENT = { code: "ERR_TMR_ARGUMENT" };
const STATE = { code: "ERR_TMR_STATE" };
const CLOSED = { code: "ERR_TMR_CLOSED" };
const bytes = Buffer.alloc(48);

const newHandshake = (): Handshake => engine.createHandshake(handshakePair("NK").initiator);
const newSession = (): Session => sessionPair().a;

/** How each method is called rightly as far as its arguments go. */
const handshakeCalls: Readonly<Record<string, readonly unknown[]>> = {
  write: [],
  writeSync: [],
  read: [bytes],
  readSync: [bytes],
  remoteStaticKey: [],
  handshakeHash: [],
  split: [1000],
};
const sessionCalls: Readonly<Record<string, readonly unknown[]>> = { seal: [bytes], open: [bytes] };

function methodOf(object: object, name: string): Method {
  const method: unknown = Reflect.get(object, name);
  assert.equal(typeof method, "function", name);
  return method as Method;
}

/** `complete` is a getter; as a function it can be borrowed like any method. */
function getterOf(object: object, name: string): Method {
  return present(Object.getOwnPropertyDescriptor(Object.getPrototypeOf(object), name)?.get);
}

const notBytes = [
  undefined,
  null,
  5,
  "text",
  {},
  [1, 2],
  new ArrayBuffer(48),
  new Uint16Array(24),
  new DataView(new ArrayBuffer(4)),
];
const foreign = [undefined, null, 1, "x", {}, [], () => 0, bytes, engine, Object.create(null)];

describe("misuse of a handshake", () => {
  it("on a wrong receiver throws ERR_TMR_ARGUMENT, whichever method", () => {
    const handshake = newHandshake();
    const receivers = [...foreign, newSession(), Object.create(handshake), new Proxy(handshake, {})];
    for (const [name, args] of Object.entries({ ...handshakeCalls, close: [] })) {
      for (const receiver of receivers) {
        assert.throws(() => methodOf(handshake, name).apply(receiver, [...args]), ARGUMENT, name);
      }
    }
    for (const receiver of receivers) assert.throws(() => getterOf(handshake, "complete").call(receiver), ARGUMENT);
  });

  it("after close throws ERR_TMR_CLOSED, whichever method, and close stays allowed", () => {
    const handshake = newHandshake();
    handshake.close();
    handshake.close();
    for (const [name, args] of Object.entries(handshakeCalls)) {
      assert.throws(() => methodOf(handshake, name).apply(handshake, [...args]), CLOSED, name);
    }
    assert.throws(() => handshake.complete, CLOSED);
  });

  it("with a wrong argument throws ERR_TMR_ARGUMENT and changes nothing", () => {
    const handshake = newHandshake();
    for (const wrong of notBytes) {
      for (const name of ["write", "writeSync", "read", "readSync"]) {
        if (wrong === undefined && name.startsWith("write")) continue;
        assert.throws(() => methodOf(handshake, name).call(handshake, wrong), ARGUMENT, name);
      }
    }
    assert.notEqual(handshake.writeSync(), null);
    const { initiator } = completed("NK");
    for (const wrong of [undefined, null, "1", 0, -1, 1.5, Number.NaN, Infinity, 2 ** 31, 2n, {}]) {
      assert.throws(() => methodOf(initiator, "split").call(initiator, wrong), ARGUMENT);
    }
    initiator.split(1).close();
  });

  it("out of turn throws ERR_TMR_STATE", () => {
    const { initiator, responder } = handshakePair("IK");
    const [a, b] = [engine.createHandshake(initiator), engine.createHandshake(responder)];
    for (const call of [
      () => a.readSync(bytes),
      () => a.read(bytes),
      () => a.split(10),
      () => b.writeSync(),
      () => b.write(),
      () => b.split(10),
    ]) {
      assert.throws(call, STATE);
    }
    b.readSync(present(a.writeSync()));
    for (const call of [() => a.writeSync(), () => b.readSync(bytes), () => b.split(10)]) assert.throws(call, STATE);
    a.readSync(present(b.writeSync()));
    for (const side of [a, b]) {
      assert.throws(() => side.writeSync(), STATE);
      assert.throws(() => side.readSync(bytes), STATE);
      side.split(10).close();
      assert.throws(() => side.split(10), STATE);
    }
  });

  it("while busy throws ERR_TMR_STATE, whichever method, and the work under way is not disturbed", async () => {
    const { initiator, responder } = handshakePair("NK");
    const [a, b] = [engine.createHandshake(initiator), engine.createHandshake(responder)];
    const writing = a.write();
    for (const [name, args] of Object.entries(handshakeCalls)) {
      assert.throws(() => methodOf(a, name).apply(a, [...args]), STATE, name);
    }
    assert.throws(() => a.complete, STATE);
    assert.deepEqual(b.readSync(present(await writing)), Buffer.alloc(0));
    assert.equal(a.complete, false);
  });

  it("closed while busy rejects the promise with ERR_TMR_CLOSED", async () => {
    const handshake = newHandshake();
    const writing = handshake.write();
    handshake.close();
    handshake.close();
    assert.throws(() => handshake.writeSync(), CLOSED);
    await assert.rejects(writing, CLOSED);
  });

  it("lets the caller reuse the message's memory while the read is under way", async () => {
    const { initiator, responder } = handshakePair("NK");
    const message = present(engine.createHandshake(initiator).writeSync());
    const reading = engine.createHandshake(responder).read(message);
    message.fill(0);
    assert.deepEqual(await reading, Buffer.alloc(0));
  });
});

describe("misuse of a session", () => {
  it("on a wrong receiver throws ERR_TMR_ARGUMENT, whichever method", () => {
    const session = newSession();
    for (const [name, args] of Object.entries({ ...sessionCalls, close: [] })) {
      for (const receiver of [...foreign, newHandshake(), Object.create(session), new Proxy(session, {})]) {
        assert.throws(() => methodOf(session, name).apply(receiver, [...args]), ARGUMENT, name);
      }
    }
  });

  it("after close throws ERR_TMR_CLOSED, and close stays allowed", () => {
    const session = newSession();
    session.close();
    session.close();
    assert.throws(() => session.seal(bytes), CLOSED);
    assert.throws(() => session.open(bytes), CLOSED);
  });

  it("with a wrong argument throws ERR_TMR_ARGUMENT and goes on as before", () => {
    const { a, b } = sessionPair();
    for (const wrong of notBytes) {
      for (const session of [a, b]) {
        assert.throws(() => methodOf(session, "seal").call(session, wrong), ARGUMENT);
        assert.throws(() => methodOf(session, "open").call(session, wrong), ARGUMENT);
      }
    }
    assert.deepEqual(b.open(present(a.seal(Buffer.from("still")))), [Buffer.from("still")]);
  });
});

describe("misuse of the engine's functions", () => {
  it("to construct a class of the engine throws ERR_TMR_ARGUMENT", () => {
    for (const object of [newHandshake(), newSession()]) {
      const construct = object.constructor as new () => object;
      assert.throws(() => new construct(), ARGUMENT);
      assert.throws(() => new (class extends construct {})(), ARGUMENT);
    }
  });

  it("to give createHandshake wrong options throws ERR_TMR_ARGUMENT that names the option", () => {
    const create = methodOf(engine, "createHandshake");
    const { initiator, responder } = handshakePair("IK");
    const key = Buffer.alloc(32, 1);
    for (const options of [undefined, null, 1, "x"]) assert.throws(() => create(options), ARGUMENT);
    for (const [option, value] of [
      ["role", "client"],
      ["role", undefined],
      ["pattern", "XX"],
      ["pattern", "NK\0"],
      ["prologue", undefined],
      ["prologue", "text"],
      ["staticKey", undefined],
      ["staticKey", Buffer.alloc(31)],
      ["remoteStaticKey", undefined],
      ["remoteStaticKey", Buffer.alloc(33)],
      ["ephemeralKey", Buffer.alloc(0)],
    ] as const) {
      assert.throws(() => create({ ...initiator, [option]: value }), { ...ARGUMENT, message: new RegExp(option) });
    }
    assert.throws(() => create({ ...responder, remoteStaticKey: key }), { ...ARGUMENT, message: /remoteStaticKey/ });
    assert.throws(() => create({ ...handshakePair("NK").initiator, staticKey: key }), ARGUMENT);
  });

  it("to throw from an option's getter passes that error on", () => {
    const failure = new Error("from the getter");
    const options = {
      get role(): string {
        throw failure;
      },
    };
    assert.throws(() => methodOf(engine, "createHandshake")(options), failure);
  });

  it("to give publicKey, verifyBatchMac or a primitive wrong bytes throws ERR_TMR_ARGUMENT", () => {
    for (const wrong of [...notBytes, Buffer.alloc(31)]) {
      assert.throws(() => methodOf(engine, "publicKey")(wrong), ARGUMENT);
      assert.throws(() => methodOf(engine, "verifyBatchMac")(bytes, wrong), ARGUMENT);
      assert.throws(() => methodOf(primitives, "x25519")(wrong, wrong), ARGUMENT);
    }
    assert.throws(() => methodOf(engine, "verifyBatchMac")("x", Buffer.alloc(32)), ARGUMENT);
  });
});
