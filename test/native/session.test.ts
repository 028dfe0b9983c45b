/** Sessions: any division of the stream, any length up to the limit, and nothing that is not genuine. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Session } from "../../ts/engine/types.js";
import { present, primitives, sameMessages, sessionPair } from "../support/native-engine.js";
import { MAX_FRAGMENT, OracleCipher, oracleOpen, oracleSeal } from "../support/noise-oracle.js";
import { seeded } from "../support/seeded.js";

const forth = Buffer.alloc(32, 1);
const back = Buffer.alloc(32, 2);
const createSession = (maxMessageBytes: number) => primitives.createSession(forth, back, 0n, 0n, maxMessageBytes);
const peer = (counter = 0n) => new OracleCipher(back, counter);

/** Feeds a stream cut at the given places; null as soon as one part is refused. */
function openInParts(session: Session, stream: Buffer, cuts: readonly number[]): Buffer[] | null {
  const edges = [0, ...[...cuts].map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  const messages: Buffer[] = [];
  for (let i = 1; i < edges.length; i++) {
    const opened = session.open(stream.subarray(edges[i - 1], edges[i]));
    if (opened === null) return null;
    messages.push(...opened);
  }
  return messages;
}

function assertClosedByPeer(session: Session): void {
  assert.equal(session.open(Buffer.alloc(0)), null);
  assert.equal(session.seal(Buffer.from("x")), null);
}

describe("session", () => {
  it("opens the same messages however the stream is cut and however the peer cuts its fragments", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 6 });
    const input = fc.tuple(messages, fc.integer({ min: 1, max: 700 }), fc.array(fc.nat({ max: 20_000 })));
    fc.assert(
      fc.property(input, ([sent, fragmentBytes, cuts]) => {
        const cipher = peer();
        const stream = Buffer.concat(sent.map((message) => oracleSeal(cipher, message, fragmentBytes)));
        const expected = sent.map((message) => Buffer.from(message));
        assert.deepEqual(openInParts(createSession(2000), stream, cuts), expected);
      }),
      seeded(200),
    );
  });

  it("seals what the oracle opens, at every length around a frame's end", () => {
    const session = createSession(1);
    const cipher = new OracleCipher(forth);
    for (const frames of [1, 2, 3]) {
      for (const delta of [-1, 0, 1]) {
        const message = Buffer.alloc(frames * MAX_FRAGMENT + delta, frames);
        const sealed = present(session.seal(message));
        assert.equal(sealed.length, message.length + 19 * Math.ceil(message.length / MAX_FRAGMENT));
        assert.ok(sameMessages(oracleOpen(cipher, sealed), [message]), `${message.length} bytes`);
      }
    }
    assert.deepEqual(oracleOpen(cipher, present(session.seal(Buffer.alloc(0)))), [Buffer.alloc(0)]);
  });

  it("opens a stream byte by byte, each message with its last byte", () => {
    const { a, b } = sessionPair(200_000);
    const long = Buffer.alloc(150_000, 9);
    const stream = Buffer.concat(["one", "", "three"].map((text) => present(a.seal(Buffer.from(text)))));
    const ends: number[] = [];
    for (let i = 0; i < stream.length; i++) {
      if (present(b.open(stream.subarray(i, i + 1))).length > 0) ends.push(i + 1);
    }
    assert.deepEqual(ends, [22, 41, 65]);
    const frames = present(a.seal(long));
    let opened: Buffer[] = [];
    for (let i = 0; i < frames.length; i++) opened = opened.concat(present(b.open(frames.subarray(i, i + 1))));
    assert.ok(sameMessages(opened, [long]));
  });

  it("leaves the caller's bytes as they were", () => {
    const { a, b } = sessionPair();
    const message = Buffer.from("message");
    const frame = present(a.seal(message));
    const before = Buffer.from(frame);
    b.open(frame);
    assert.deepEqual([frame, message], [before, Buffer.from("message")]);
  });

  it("opens nothing of a frame that is cut off, at every length", () => {
    const frame = oracleSeal(peer(), Buffer.from("a message"));
    for (let size = 0; size < frame.length; size++) {
      const session = createSession(100);
      assert.deepEqual(session.open(frame.subarray(0, size)), []);
      assert.deepEqual(session.open(frame.subarray(size)), [Buffer.from("a message")]);
    }
  });

  it("closes for good at every single-bit flip of a frame", () => {
    const frame = oracleSeal(peer(), Buffer.from("a message of some length"));
    const follow = Buffer.alloc(70_000);
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const altered = Buffer.concat([frame, follow]);
      altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const session = createSession(65_000);
      assert.equal(session.open(altered), null, `bit ${bit}`);
      assertClosedByPeer(session);
    }
  });

  it("gives no message of a chunk whose later frame is altered, repeated, or out of order", () => {
    const cipher = peer();
    const [first, second] = [oracleSeal(cipher, Buffer.from("first")), oracleSeal(cipher, Buffer.from("second"))];
    const altered = Buffer.from(second);
    altered.writeUInt8(altered.readUInt8(5) ^ 1, 5);
    for (const stream of [[first, altered], [first, first], [second, first], [second]]) {
      const session = createSession(100);
      assert.equal(session.open(Buffer.concat(stream)), null);
      assertClosedByPeer(session);
    }
  });

  it("does not open its own frames: each direction has its key", () => {
    const { a } = sessionPair();
    assert.equal(a.open(present(a.seal(Buffer.from("to the peer")))), null);
  });
});
