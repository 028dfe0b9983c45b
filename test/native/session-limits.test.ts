/** What a peer with the right key can still try: too much, too long, for ever. And what very many frames do. */
import assert from "node:assert/strict";
import { present, primitives, sameMessages, sessionPair } from "../support/native-engine.js";
import {
  FRAMES_PER_KEY,
  MAX_FRAGMENT,
  OracleCipher,
  oracleOpen,
  oracleSeal,
  rawFrame,
} from "../support/noise-oracle.js";

const forth = Buffer.alloc(32, 1);
const back = Buffer.alloc(32, 2);
const createSession = (maxMessageBytes: number, send = 0n, receive = 0n) =>
  primitives.createSession(forth, back, send, receive, maxMessageBytes);
const MORE = Buffer.of(1);
const LAST = Buffer.of(0);

describe("session limits", () => {
  it("open a message of exactly the limit, in one fragment or many, and refuse one byte more", () => {
    for (const fragmentBytes of [1000, 999, 300, 1]) {
      const message = Buffer.alloc(1000, 5);
      assert.deepEqual(createSession(1000).open(oracleSeal(new OracleCipher(back), message, fragmentBytes)), [message]);
      assert.equal(createSession(999).open(oracleSeal(new OracleCipher(back), message, fragmentBytes)), null);
    }
  });

  it("refuse a frame by its length alone, before its bytes are there", () => {
    const length = (bytes: number) => Buffer.of(bytes >> 8, bytes & 255);
    assert.deepEqual(createSession(100).open(length(117)), []);
    assert.equal(createSession(100).open(length(118)), null);
    for (const tooShort of [0, 1, 16]) assert.equal(createSession(100).open(length(tooShort)), null);
    const session = createSession(100);
    assert.deepEqual(session.open(oracleSeal(new OracleCipher(back), Buffer.alloc(100), 60).subarray(0, 79)), []);
    assert.equal(session.open(length(58)), null);
  });

  it("refuse an empty fragment inside a message, so that nobody sends frames for ever", () => {
    const cipher = new OracleCipher(back);
    assert.equal(createSession(100).open(rawFrame(cipher, MORE)), null);
    const second = new OracleCipher(back);
    const start = rawFrame(second, Buffer.concat([MORE, Buffer.from("text")]));
    const session = createSession(100);
    assert.deepEqual(session.open(start), []);
    assert.equal(session.open(rawFrame(second, LAST)), null);
  });

  it("end an endless message at the limit", () => {
    const cipher = new OracleCipher(back);
    const session = createSession(50);
    for (let i = 0; i < 50; i++) assert.deepEqual(session.open(rawFrame(cipher, Buffer.of(1, i))), []);
    assert.equal(session.open(rawFrame(cipher, Buffer.of(1, 50))), null);
  });

  it("refuse a frame without `more`, and a `more` that is neither 0 nor 1", () => {
    for (const plaintext of [Buffer.alloc(0), Buffer.of(2), Buffer.of(255, 1, 2)]) {
      assert.equal(createSession(100).open(rawFrame(new OracleCipher(back), plaintext)), null);
    }
  });

  it("hold no more memory than twice what has arrived, and give it back", () => {
    const session = createSession(8 * 1024 * 1024);
    assert.deepEqual(session.open(Buffer.of(255, 255)), []);
    assert.ok(primitives.bufferedCapacity(session) <= 256);
    session.close();
    const other = createSession(1024 * 1024);
    const message = Buffer.alloc(1024 * 1024, 3);
    const frames = oracleSeal(new OracleCipher(back), message, 10_000);
    assert.deepEqual(other.open(frames.subarray(0, 500_000)), []);
    assert.ok(primitives.bufferedCapacity(other) <= 2 * 500_000);
    assert.ok(sameMessages(other.open(frames.subarray(500_000)), [message]));
    assert.ok(primitives.bufferedCapacity(other) <= 8192);
  });

  it("carry the largest message between servers", () => {
    const { a, b } = sessionPair(8 * 1024 * 1024);
    const message = Buffer.alloc(8 * 1024 * 1024);
    for (let i = 0; i < message.length; i += 4096) message.writeUInt32LE(i, i);
    assert.ok(sameMessages(b.open(present(a.seal(message))), [message]));
  });

  it("take the next key before frame 2^20 on both sides, after that many real frames", () => {
    const sender = createSession(10);
    const receiver = primitives.createSession(back, forth, 0n, 0n, 10);
    const message = Buffer.of(7);
    for (let i = 0n; i < FRAMES_PER_KEY; i++) {
      if (receiver.open(present(sender.seal(message)))?.length !== 1) assert.fail(`frame ${i} was refused`);
    }
    const frame = present(sender.seal(message));
    const oracle = new OracleCipher(forth, FRAMES_PER_KEY);
    assert.deepEqual(oracleOpen(oracle, frame), [message]);
    assert.deepEqual(receiver.open(frame), [message]);
  });

  it("take each next key from the one before, also in the middle of a message", () => {
    for (const multiple of [1n, 2n, 3n]) {
      const start = multiple * FRAMES_PER_KEY - 2n;
      const sender = createSession(1_000_000, start, start);
      const message = Buffer.alloc(4 * MAX_FRAGMENT, 1);
      const frames = present(sender.seal(message));
      assert.ok(sameMessages(oracleOpen(new OracleCipher(forth, start), frames), [message]));
      assert.ok(sameMessages(sender.open(oracleSeal(new OracleCipher(back, start), message)), [message]));
    }
  });

  it("seal nothing any more when the counter is at its end, and open nothing", () => {
    const end = 2n ** 64n - 1n;
    const sender = createSession(100, end - 1n, end);
    const last = present(sender.seal(Buffer.from("last")));
    assert.deepEqual(oracleOpen(new OracleCipher(forth, end - 1n), last), [Buffer.from("last")]);
    assert.equal(sender.seal(Buffer.from("one too many")), null);
    assert.equal(sender.seal(Buffer.from("closed")), null);
    const receiver = createSession(100, 0n, end);
    assert.equal(receiver.open(oracleSeal(new OracleCipher(back, end), Buffer.from("x"))), null);
  });

  it("seal a message of several frames as a whole or not at all", () => {
    const sender = createSession(100, 2n ** 64n - 3n);
    assert.equal(sender.seal(Buffer.alloc(3 * MAX_FRAGMENT)), null);
    const other = createSession(100, 2n ** 64n - 3n);
    assert.notEqual(other.seal(Buffer.alloc(2 * MAX_FRAGMENT)), null);
    assert.equal(other.seal(Buffer.from("x")), null);
  });
});
