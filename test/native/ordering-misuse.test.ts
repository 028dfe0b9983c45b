/** Every method of orderer and gateway with everything that can be wrong about a call. */
import assert from "node:assert/strict";
import type { OrderingOptions } from "../../ts/engine/types.js";
import { Kind } from "../../ts/wire/kinds.js";
import { engine, present, sessionPair } from "../support/native-engine.js";
import { genesis, members, orderingOptions } from "../support/ordering-kit.js";

type Method = (this: unknown, ...args: unknown[]) => unknown;
const ARGUMENT = { code: "ERR_TMR_ARGUMENT" };
const CLOSED = { code: "ERR_TMR_CLOSED" };

const bytes = Buffer.alloc(20);
const result = Buffer.alloc(128);
const expire = Buffer.alloc(128);
expire[0] = Kind.expire;

/** How each method is called rightly. */
const shared: Readonly<Record<string, readonly unknown[]>> = {
  activate: [4, 0, genesis, members],
  deactivate: [],
  stream: [1, 0],
  unstream: [1],
  propose: [expire, bytes],
  nextBatch: [1, 2],
  resend: [1, 0],
  refusePending: [14],
  refuseAll: [14, bytes],
  carriedDigest: [],
  vote: [1, bytes],
  acknowledged: [1],
  clockMs: [3],
  batchAt: [0],
  takeEvent: [],
  takeLocalRequest: [],
  answer: [0, result, bytes],
  removeClient: [0],
  setClientAddress: [0, new Uint8Array(16)],
  clientClosed: [0],
  dirtyClients: [new Uint32Array(2)],
  counters: [],
};
const getters = ["reached", "position", "carried", "pending"];
const ordererCalls = {
  ...shared,
  addClient: [],
  clientMessage: [0, bytes],
  takeClientMessage: [0],
  takeAppend: [1],
};
const gatewayCalls = {
  ...shared,
  clientBytes: [0, bytes],
  takeClientOutput: [new Uint8Array(65_536), new Uint32Array(3)],
  holdClient: [0, true],
  setSessionTimeouts: [1, 1, 1],
  clearUpstream: [1],
  upstreamBytes: [1, bytes],
  takeControl: [1],
  sendControl: [1, bytes],
  takeUpstreamOutput: [1],
};

const notIntegers = [undefined, null, "1", -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 1n, {}];
const notBytes = [undefined, null, 5, "text", {}, [1, 2], new ArrayBuffer(128), new Uint16Array(64)];
/** What is wrong in place of a right argument. */
function wrongInPlaceOf(name: string, right: unknown): readonly unknown[] {
  if (right instanceof Uint32Array) return [undefined, null, 5, new Uint8Array(4), new Float32Array(2), [0]];
  if (typeof right === "number") return notIntegers;
  if (typeof right === "boolean") return [undefined, null, 0, 1, "true", {}];
  // A blob may be left out of a refusal.
  return name.startsWith("refuse") ? notBytes.slice(1) : notBytes;
}

const kinds = [
  { name: "Orderer", create: () => engine.createOrderer(orderingOptions()), calls: ordererCalls },
  { name: "Gateway", create: () => engine.createGateway(orderingOptions()), calls: gatewayCalls },
];

function methodOf(object: object, name: string): Method {
  return present(Reflect.get(object, name) as Method | undefined);
}

function getterOf(object: object, name: string): Method {
  return present(Object.getOwnPropertyDescriptor(Object.getPrototypeOf(object), name)?.get);
}

for (const { name: kind, create, calls } of kinds) {
  describe(`misuse of ${kind}`, () => {
    it("leaves no method out", () => {
      const all = Object.getOwnPropertyNames(Object.getPrototypeOf(create())).filter((name) => name !== "constructor");
      const withSessions = kind === "Gateway" ? ["addClient", "setUpstream"] : [];
      assert.deepEqual(all.sort(), [...Object.keys(calls), ...getters, ...withSessions, "close"].sort());
    });

    it("on a wrong receiver throws ERR_TMR_ARGUMENT, whichever method", () => {
      const object = create();
      const other =
        kind === "Orderer" ? engine.createGateway(orderingOptions()) : engine.createOrderer(orderingOptions());
      const receivers = [undefined, null, 1, {}, [], bytes, engine, other, sessionPair().a];
      for (const receiver of [...receivers, Object.create(object), new Proxy(object, {})]) {
        for (const [name, args] of Object.entries({ ...calls, close: [] })) {
          assert.throws(() => methodOf(object, name).apply(receiver, [...args]), ARGUMENT, name);
        }
        for (const name of getters) assert.throws(() => getterOf(object, name).call(receiver), ARGUMENT, name);
      }
    });

    it("after close throws ERR_TMR_CLOSED, whichever method, and close stays allowed", () => {
      const object = create();
      object.close();
      object.close();
      for (const [name, args] of Object.entries(calls)) {
        assert.throws(() => methodOf(object, name).apply(object, [...args]), CLOSED, name);
      }
      for (const name of getters) assert.throws(() => Reflect.get(object, name), CLOSED, name);
    });

    it("with one wrong argument throws ERR_TMR_ARGUMENT and changes nothing", () => {
      const object = create();
      for (const [name, args] of Object.entries(calls)) {
        for (const [place, right] of args.entries()) {
          for (const wrong of wrongInPlaceOf(name, right)) {
            const called = args.map((argument, i) => (i === place ? wrong : argument));
            assert.throws(() => methodOf(object, name).apply(object, called), ARGUMENT, `${name} ${place}`);
          }
        }
      }
      assert.deepEqual([object.position, object.pending, object.reached], [0, 0, 0]);
      assert.equal(new Set(Object.values(object.counters())).size, 1);
    });

    it("with a value out of range throws ERR_TMR_ARGUMENT", () => {
      const object = create();
      const wrong: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
        activate: [
          [0, 0, genesis, members],
          [4, 0, genesis.subarray(1), members],
          [4, 0, genesis, members.subarray(1)],
        ],
        stream: [
          [0, 0],
          [4, 0],
        ],
        refusePending: [[0], [20], [1], [65_536], [14, Buffer.alloc(32_769)]],
        propose: [
          [Buffer.alloc(127), bytes],
          [Buffer.alloc(128), bytes],
          [Buffer.alloc(128, 0x80), bytes],
          [Object.assign(Buffer.alloc(128), { 0: Kind.notice }), bytes],
          [Object.assign(Buffer.from(expire), { 16: 1 }), bytes],
        ],
        answer: [
          [0, Buffer.alloc(127), bytes],
          [0, result, Buffer.alloc(32_769)],
          [2 ** 32, result, bytes],
        ],
      };
      for (const [name, lists] of Object.entries(wrong)) {
        for (const args of lists) assert.throws(() => methodOf(object, name).apply(object, [...args]), ARGUMENT, name);
      }
    });

    it("without an epoch, or about clients that are not there, is an outcome and not an error", () => {
      const object = create();
      assert.equal(object.stream(1, 0), false);
      assert.equal(object.propose(expire, bytes), false);
      assert.equal(object.nextBatch(1, 1), 0);
      object.unstream(1);
      object.resend(1, 5);
      object.deactivate();
      object.removeClient(7);
      object.answer(7, result, bytes);
      assert.equal(object.clientClosed(7), true);
      assert.equal(object.batchAt(1), null);
      assert.equal(object.takeEvent(), null);
      assert.equal(object.dirtyClients(new Uint32Array(0)), 0);
    });
  });
}

describe("the options of an orderer or gateway", () => {
  const right = orderingOptions();
  const wrongLimits: [string, unknown][] = [
    ...Object.keys(right.limits).flatMap((name) => notIntegers.map((value): [string, unknown] => [name, value])),
    ["maxClients", 0],
    ["maxClients", 2 ** 20 + 1],
    ["maxPendingRequests", 0],
    ["maxRequestsPerBatch", 0],
    ["maxRequestsPerBatch", 1025],
    ["maxBatchBlobBytes", 4 * 1024 * 1024 + 1],
    ["maxBatchesInFlight", 0],
    ["maxBatchesInFlight", 4097],
    ["maxClientOutputBytes", 1023],
  ];

  it("are checked one by one", () => {
    const broken: unknown[] = [
      ...[undefined, null, 1, "x"],
      ...wrongLimits.map(([name, value]) => ({ ...right, limits: { ...right.limits, [name]: value } })),
      { ...right, limits: undefined },
      { ...right, twinKey: Buffer.alloc(31) },
      { ...right, twinKey: "x".repeat(32) },
      { ...right, sessionTimeoutMs: null },
      { ...right, sessionTimeoutMs: { min: 0, default: 1, max: 2 } },
      { ...right, sessionTimeoutMs: { min: 5, default: 4, max: 9 } },
      { ...right, sessionTimeoutMs: { min: 5, default: 7, max: 6 } },
      { ...right, sessionTimeoutMs: { min: 5, default: 7, max: 2 ** 32 } },
    ];
    for (const options of broken) {
      assert.throws(() => engine.createOrderer(options as OrderingOptions), ARGUMENT);
      assert.throws(() => engine.createGateway(options as OrderingOptions), ARGUMENT);
    }
  });

  it("at their least make something that works", () => {
    const least = { maxClients: 1, maxPendingRequests: 1, maxRequestsPerBatch: 1, maxBatchBlobBytes: 1 };
    const limits = { ...least, maxBatchesInFlight: 1, retainedBatches: 0, maxClientOutputBytes: 1024 };
    const orderer = engine.createOrderer({ ...right, limits });
    assert.equal(orderer.addClient(), 0);
    assert.equal(orderer.addClient(), -1);
    orderer.close();
  });
});

describe("a gateway's sessions", () => {
  it("are moved into it: closed for everybody else, and only open ones are taken", () => {
    const gateway = engine.createGateway(orderingOptions());
    const { a, b } = sessionPair();
    assert.equal(gateway.addClient(a), 0);
    assert.throws(() => a.seal(bytes), CLOSED);
    assert.throws(() => gateway.addClient(a), CLOSED);
    gateway.setUpstream(1, b);
    assert.throws(() => gateway.setUpstream(2, b), CLOSED);
    for (const wrong of [undefined, null, {}, bytes, gateway]) {
      assert.throws(() => gateway.addClient(wrong as never), ARGUMENT);
      assert.throws(() => gateway.setUpstream(1, wrong as never), ARGUMENT);
    }
    gateway.close();
    assert.throws(() => gateway.addClient(sessionPair().a), CLOSED);
  });

  it("stay with their owner when there is no room", () => {
    const gateway = engine.createGateway(orderingOptions({ maxClients: 1 }));
    assert.equal(gateway.addClient(sessionPair().a), 0);
    const { a } = sessionPair();
    assert.equal(gateway.addClient(a), -1);
    assert.ok(a.seal(bytes));
    gateway.removeClient(0);
    assert.ok(gateway.addClient(a) > 0);
  });
});
