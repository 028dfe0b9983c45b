import assert from "node:assert/strict";
import { agree, Greeting, helloOf, readHello, silentVersions, type Versions, versionsOf } from "../../ts/wire/hello.js";
import { decodeLink, encodeLink } from "../../ts/wire/link.js";
import { MESSAGE_HEADER_BYTES, MessageType, newMessage } from "../../ts/wire/message.js";

function knows(protocol: readonly [number, number], rules: readonly [number, number] = [1, 1], release = ""): Versions {
  return {
    protocol: { min: protocol[0], max: protocol[1] },
    rules: { min: rules[0], max: rules[1] },
    release,
  };
}

function helloText(text: string): Buffer {
  const body = Buffer.from(text);
  const message = newMessage(MessageType.hello, body.length);
  message.set(body, MESSAGE_HEADER_BYTES);
  return message;
}

function refusal(own: Versions, theirs: Versions): string {
  const outcome = agree(own, theirs);
  assert.ok(typeof outcome === "string");
  return outcome;
}

describe("hello", () => {
  it("says what was given, and is no other message of a link", () => {
    const versions = knows([2, 5], [1, 3], "1.4.0");
    assert.deepEqual(readHello(helloOf(versions)), versions);
    assert.equal(decodeLink(helloOf(versions)), null);
  });

  it("is read by those who do not know everything that it says", () => {
    const later = helloText('{"colour":"red","protocol":[2,3],"rules":[1,2],"release":"9"}');
    assert.deepEqual(readHello(later), knows([2, 3], [1, 2], "9"));
  });

  it("is refused when it is none", () => {
    const whole = '{"protocol":[1,2],"rules":[1,1],"release":""}';
    assert.notEqual(readHello(helloText(whole)), null);
    const others = [
      "",
      "null",
      "[]",
      "{}",
      whole.slice(1),
      whole.replace("[1,2]", "[2,1]"),
      whole.replace("[1,2]", "[0,1]"),
      whole.replace("[1,2]", "[1]"),
      whole.replace("[1,2]", "[1,2.5]"),
      whole.replace("[1,2]", "[1,70000]"),
      whole.replace('"release":""', '"release":1'),
    ];
    for (const text of others) assert.equal(readHello(helloText(text)), null, text);
    assert.equal(readHello(helloText(whole).subarray(0, -1)), null);
  });

  it("makes the highest version that both know the spoken one", () => {
    const table: readonly (readonly [Versions, Versions, object])[] = [
      [knows([1, 2]), knows([1, 2]), { protocol: 2, rules: 1 }],
      [knows([1, 2]), silentVersions, { protocol: 1, rules: 1 }],
      [knows([2, 4], [1, 2]), knows([1, 3], [2, 5]), { protocol: 3, rules: 2 }],
      [knows([3, 3]), knows([1, 3]), { protocol: 3, rules: 1 }],
    ];
    for (const [a, b, agreed] of table) {
      assert.deepEqual(agree(a, b), agreed);
      assert.deepEqual(agree(b, a), agreed);
    }
  });

  it("names both ranges where there is none", () => {
    assert.equal(
      agree(knows([3, 4], [1, 1], "2.0.0"), knows([1, 2], [1, 1], "1.0.0")),
      'no common version of the protocol: it knows 1 to 2 (release "1.0.0"), this server 3 to 4 (release "2.0.0"); upgrade one release at a time',
    );
    assert.match(refusal(knows([1, 2], [2, 2]), silentVersions), /license rules: it knows 1, this server 2;/);
  });

  it("fits this build to the releases before it and to itself", () => {
    const own = versionsOf("0.1.0");
    assert.deepEqual(agree(own, own), { protocol: 2, rules: 1 });
    assert.deepEqual(agree(own, silentVersions), { protocol: 1, rules: 1 });
  });

  it("opens a connection: what is not a hello goes on, and a silent peer is of a release that has none", () => {
    const ping = encodeLink({ type: "ping", epoch: 0 });
    const silent = new Greeting(knows([1, 2]));
    assert.equal(silent.agreed, null);
    assert.equal(silent.take(ping).type, "message");
    assert.deepEqual(silent.agreed, { protocol: 1, rules: 1 });
    const spoken = new Greeting(knows([1, 2]));
    assert.equal(spoken.take(helloOf(knows([1, 3]))).type, "hello");
    assert.equal(spoken.take(ping).type, "message");
    assert.deepEqual(spoken.agreed, { protocol: 2, rules: 1 });
  });

  it("ends a connection on which nothing can be spoken, with or without a hello", () => {
    const ping = encodeLink({ type: "ping", epoch: 0 });
    for (const first of [ping, helloOf(knows([1, 1])), helloText("{}")]) {
      const greeting = new Greeting(knows([2, 3]));
      assert.equal(greeting.take(first).type, "refused");
      assert.equal(greeting.take(ping).type, "refused");
      assert.equal(greeting.agreed, null);
    }
  });
});
