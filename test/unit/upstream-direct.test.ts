import assert from "node:assert/strict";
import { DirectAnswers, type ShownContainer } from "../../ts/upstream/direct-answers.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import {
  isWellFormedPacket,
  MAX_PACKET_BYTES,
  MESSAGE_HEADER_BYTES,
  MessageField,
  MessageType,
  packetOf,
} from "../../ts/wire/message.js";
import { REQUEST_BYTES, type Request, RequestField, writeRequest } from "../../ts/wire/request.js";
import { RESULT_BYTES, type Result, ResultField, readResult } from "../../ts/wire/result.js";

const session = Buffer.alloc(16, 9);
const item = (productCode: number, tmrId: number) => ({
  firmCode: 6_000_010,
  productCode,
  tmrId,
  actId: 5,
  text: "x".repeat(200),
});
const containers: ShownContainer[] = [
  { container: "130-77", actId: 5, items: [item(13, 1), item(14, 0)] },
  { container: "unknown", actId: 0, items: [], fault: "b.tmrc: altered" },
];

function answers(shown: readonly ShownContainer[] = containers, status: unknown = { id: 1 }): DirectAnswers {
  return new DirectAnswers({ name: "upstream-1", containers: () => shown, status: () => status });
}

function requests(...each: readonly Partial<Request>[]): Buffer {
  const records = Buffer.alloc(each.length * REQUEST_BYTES);
  each.forEach((request, i) => {
    writeRequest(records, i * REQUEST_BYTES, { kind: Kind.heartbeat, request: i + 1, session, ...request });
  });
  return packetOf(MessageType.requests, records, Buffer.alloc(0));
}

type Told = Result & { readonly text: string };

function read(packet: Buffer): Told[] {
  assert.ok(isWellFormedPacket(packet));
  assert.equal(packet[MessageField.type], MessageType.results);
  const count = packet.readUInt32LE(MessageField.count);
  const blobs = packet.subarray(MESSAGE_HEADER_BYTES + count * RESULT_BYTES);
  return Array.from({ length: count }, (_, i) => {
    const at = MESSAGE_HEADER_BYTES + i * RESULT_BYTES;
    const from = packet.readUInt32LE(at + ResultField.blobOffset);
    const text = blobs.subarray(from, from + packet.readUInt32LE(at + ResultField.blobLength)).toString();
    return { ...readResult(packet, at), text };
  });
}

function ask(request: Partial<Request>, from = answers()): Told {
  const [packet] = from.answer(requests(request)) ?? [];
  const told = packet === undefined ? undefined : read(packet)[0];
  assert.ok(told !== undefined);
  return told;
}

describe("upstream: direct answers", () => {
  it("lets a session begin, live and end", () => {
    for (const kind of [Kind.openSession, Kind.heartbeat, Kind.closeSession]) {
      const told = ask({ kind, request: 7 });
      assert.deepEqual([told.status, told.kind, told.request, told.timeoutMs], [Status.ok, kind, 7, 120_000]);
      assert.deepEqual(told.session, session);
    }
  });

  const accesses: [string, number, number, RegExp][] = [
    ["tmr-only for a license with a TMR-ID", 13, Status["tmr-only"], /6000010:13 in container 130-77 has TMR-ID 1/],
    ["not-found for a license without one", 14, Status["not-found"], /no TMR-ID/],
    [
      "not-found for anything else, with where it looked",
      15,
      Status["not-found"],
      /2 containers of upstream-1, 1 of them broken/,
    ],
  ];
  for (const [name, productCode, status, text] of accesses) {
    it(`answers an access with ${name}`, () => {
      const told = ask({ kind: Kind.access, firmCode: 6_000_010, productCode, quantity: 1 });
      assert.equal(told.status, status);
      assert.match(told.text, text);
      assert.ok(Buffer.byteLength(told.text) <= 200);
      assert.equal(told.handle, 0);
    });
  }

  it("knows no handles", () => {
    for (const kind of [Kind.release, Kind.info]) {
      assert.equal(ask({ kind, handle: 3 }).status, Status["handle-unknown"]);
    }
  });

  it("lists its containers, the broken one with its fault, and its items with the TMR ones marked", () => {
    assert.deepEqual(JSON.parse(ask({ kind: Kind.containers }).text), [
      { container: "130-77", kind: "activation", actId: 5, items: 2, tmrItems: 1 },
      { container: "unknown", kind: "activation", actId: 0, items: 0, tmrItems: 0, fault: "b.tmrc: altered" },
    ]);
    const items = JSON.parse(ask({ kind: Kind.items }).text) as { itemRef: number; tmr: boolean; container: string }[];
    assert.deepEqual(
      items.map(({ container, itemRef, tmr }) => [container, itemRef, tmr]),
      [
        ["130-77", 1, true],
        ["130-77", 2, false],
      ],
    );
  });

  it("gives a long list in parts", () => {
    const many = Array.from({ length: 500 }, (_, i) => item(i, 1));
    const from = answers([{ container: "130-77", actId: 5, items: many }]);
    const seen: number[] = [];
    let cursor = 0;
    let parts = 0;
    do {
      const told = ask({ kind: Kind.items, cursor }, from);
      for (const { productCode } of JSON.parse(told.text) as { productCode: number }[]) seen.push(productCode);
      cursor = told.nextCursor;
      parts++;
    } while (cursor !== 0);
    assert.ok(parts > 2);
    assert.deepEqual(
      seen,
      many.map(({ productCode }) => productCode),
    );
    assert.equal(ask({ kind: Kind.items, cursor: 9999 }, from).text, "[]");
  });

  it("answers a packet of many with packets that fit a frame, in order", () => {
    const many = Array.from({ length: 300 }, (_, i) => item(i, 1));
    const from = answers([{ container: "130-77", actId: 5, items: many }]);
    const asked = Array.from({ length: 9 }, () => ({ kind: Kind.items }));
    const packets = from.answer(requests(...asked)) ?? [];
    assert.ok(packets.length > 3);
    for (const packet of packets) assert.ok(packet.length <= MAX_PACKET_BYTES);
    const told = packets.flatMap(read);
    assert.deepEqual(
      told.map(({ request }) => request),
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    for (const { text } of told) assert.equal(text, told[0]?.text);
  });

  it("gives its status, without the containers when they are too many", () => {
    assert.deepEqual(JSON.parse(ask({ kind: Kind.status }).text), { id: 1 });
    const long = answers(containers, { id: 1, containers: ["y".repeat(40_000)] });
    assert.deepEqual(JSON.parse(ask({ kind: Kind.status }, long).text), { id: 1, containers: [] });
  });

  it("refuses kinds that it does not know, and counts them", () => {
    const from = answers();
    for (const kind of [Kind.expire, Kind.statement, Kind.notice, 0, 9, 65, 255]) {
      assert.equal(ask({ kind }, from).status, Status["bad-request"]);
    }
    assert.equal(from.unknownKinds, 7);
  });

  it("gives up on a packet that is none", () => {
    const good = requests({});
    assert.notEqual(answers().answer(good), null);
    for (let length = 0; length < good.length; length++) assert.equal(answers().answer(good.subarray(0, length)), null);
    const wrong: [string, (packet: Buffer) => void][] = [
      ["another type", (packet) => packet.writeUInt8(MessageType.append, MessageField.type)],
      [
        "request number 0",
        (packet) =>
          packet.fill(0, MESSAGE_HEADER_BYTES + RequestField.request, MESSAGE_HEADER_BYTES + RequestField.session),
      ],
      [
        "no session",
        (packet) =>
          packet.fill(
            0,
            MESSAGE_HEADER_BYTES + RequestField.session,
            MESSAGE_HEADER_BYTES + RequestField.answeredBelow,
          ),
      ],
      ["a reserved byte", (packet) => packet.writeUInt8(1, MESSAGE_HEADER_BYTES + RequestField.reserved)],
      ["a count too high", (packet) => packet.writeUInt32LE(2 ** 31, MessageField.count)],
    ];
    for (const [name, change] of wrong) {
      const packet = Buffer.from(good);
      change(packet);
      assert.equal(answers().answer(packet), null, name);
    }
  });
});
